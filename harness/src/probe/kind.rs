//! The closed set of kinds, and what each of them can tell about itself.

use std::borrow::Cow;
use std::time::Duration;

use futures::future::BoxFuture;
use meshdrill_checks::criterion::{Measure, ProbeFacts};
use meshdrill_checks::record::{ReadBack, Series};
use meshdrill_checks::units::TimeSpan;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Alert, AlertRules, Alertmanager, ApiServer, CannotAsk, Command, Deployment, EnvoyEndpoints, EnvoyStats, Exec,
    Federation, Http, Ledger, MeshIdentity, MeshSync, Nodes, Outcome, Ping, PodNetwork, Pods, Promql, Queries,
    Resource, ScrapeTargets, Service, Tcp, TrafficSplit, TrustRoot, Webhooks,
};
use crate::cluster::{Permission, World};
use crate::spec::{ClusterChoice, MeshSpec};

/// Where an observation stands: sampled, or asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Sampled on a schedule.
    Probe,
    /// Asked once or polled.
    Check,
}

/// How an observation spends time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timing {
    /// The longest one may take.
    pub timeout: TimeSpan,
    /// The bound beyond which a right answer is late.
    pub slow: TimeSpan,
    /// The period where neither the author nor a criterion asks for one.
    pub every: TimeSpan,
    /// The connections it samples with.
    pub series: Vec<Series>,
    /// Observations made in one go, where a single one would be dearer than what it measures.
    pub batch: Option<TimeSpan>,
}

impl Timing {
    /// Of an observation that asks an API: once in two seconds, ten seconds at most, never late.
    pub fn of_api() -> Self {
        Self {
            timeout: TimeSpan::secs(10),
            slow: TimeSpan::secs(10),
            every: TimeSpan::secs(2),
            series: vec![Series::New],
            batch: None,
        }
    }
}

/// Something wrong with a kind's keys that its types cannot tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// The key inside the kind's mapping.
    pub key: Cow<'static, str>,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: String,
}

impl Complaint {
    /// A complaint about a key.
    pub fn new(key: impl Into<Cow<'static, str>>, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { key: key.into(), message: message.into(), help: help.into() }
    }
}

/// What every kind can tell about itself, and how an observer of it is made.
pub trait Kind {
    /// What it observes, in words.
    fn describe(&self) -> String;
    /// What its check ids are made of.
    fn subject(&self) -> String;
    /// The cluster choices in it.
    fn choices(&mut self) -> Vec<&mut ClusterChoice>;
    /// How it spends time.
    fn timing(&self) -> Timing {
        Timing::of_api()
    }
    /// What is wrong with its keys.
    fn complaints(&self) -> Vec<Complaint> {
        Vec::new()
    }
    /// Whether it compares with how things were when the run began, and so must be prepared then.
    fn has_baseline(&self) -> bool {
        false
    }
    /// Why it cannot be asked as a check, if it only makes sense as a sampled probe.
    fn only_sampled(&self) -> Option<Complaint> {
        None
    }
    /// Whether it says nothing once its clusters were expanded, as of a cluster beside itself.
    fn is_vacuous(&self) -> bool {
        false
    }
    /// What it must be permitted.
    fn permissions(&self, _: &MeshSpec) -> Vec<Permission> {
        Vec::new()
    }
    /// Finds what it observes. An error means that it cannot start.
    fn prepare<'a>(&'a self, world: &'a World, role: Role) -> BoxFuture<'a, Result<Box<dyn Observer>, CannotAsk>>;
}

/// Makes observations of one thing.
pub trait Observer: Send + Sync {
    /// Makes one.
    fn observe(&self, series: Series) -> BoxFuture<'_, Outcome>;
    /// Makes several, `every` apart; for kinds whose timing has a batch.
    fn observe_batch(&self, count: usize, every: Duration) -> BoxFuture<'_, Vec<Outcome>> {
        Box::pin(async move {
            let mut outcomes = Vec::with_capacity(count);
            for _ in 0..count {
                outcomes.push(self.observe(Series::New).await);
                tokio::time::sleep(every).await;
            }
            outcomes
        })
    }
    /// Why an answer was not as expected, as far as the clusters' objects tell. Asked once it has been judged for good.
    fn causes<'a>(&'a self, _: &'a Outcome) -> BoxFuture<'a, Vec<String>> {
        Box::pin(async { Vec::new() })
    }
    /// Reads back what it wrote; none for kinds that write nothing. Called once, after the last observation.
    fn read_back(&self) -> BoxFuture<'_, Option<ReadBack>> {
        Box::pin(async { None })
    }
    /// The shortest time in which what it watches can be detected at all; none for kinds that detect nothing.
    fn floor(&self) -> BoxFuture<'_, Result<Option<Floor>, CannotAsk>> {
        Box::pin(async { Ok(None) })
    }
}

/// The shortest time in which an alert can reach somebody, by the live configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Floor {
    /// The sum.
    pub total: Duration,
    /// What it consists of, in words.
    pub parts: String,
}

impl Floor {
    /// Adds up: a scrape, an evaluation, `for` rounded up to whole evaluations, and the wait before a notification.
    pub fn of(scrape: Duration, evaluation: Duration, hold: Duration, wait: Duration) -> Self {
        let rounds = if evaluation.is_zero() { 0.0 } else { (hold.as_secs_f64() / evaluation.as_secs_f64()).ceil() };
        let held = hold.max(evaluation.mul_f64(rounds));
        let words = |span: Duration| TimeSpan(span).to_string();
        Self {
            total: scrape + evaluation + held + wait,
            parts: format!(
                "scrape {} + evaluation {} + for {} + group_wait {}",
                words(scrape),
                words(evaluation),
                words(held),
                words(wait)
            ),
        }
    }
}

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $variant:ident $name:literal,)*) => {
        /// What is observed.
        #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "camelCase")]
        #[expect(clippy::large_enum_variant, reason = "a plan holds a handful of them")]
        pub enum ProbeKind {
            $($(#[doc = $doc])+ $variant($variant),)*
        }

        impl ProbeKind {
            /// The kind's name in the scenario format.
            pub const fn name(&self) -> &'static str {
                match self { $(Self::$variant(_) => $name,)* }
            }

            /// The kind, as what it can tell about itself.
            pub fn as_kind(&self) -> &(dyn Kind + Send + Sync) {
                match self { $(Self::$variant(kind) => kind,)* }
            }

            /// The cluster choices in it.
            pub fn choices(&mut self) -> Vec<&mut ClusterChoice> {
                match self { $(Self::$variant(kind) => kind.choices(),)* }
            }
        }
    };
}

impl ProbeKind {
    /// Whether it judges by every cluster of the mesh, not only by those it names.
    pub const fn needs_all_clusters(&self) -> bool {
        match self {
            Self::EnvoyEndpoints(_) | Self::MeshSync(_) | Self::TrustRoot(_) => true,
            Self::Exec(exec) => exec.answered_by.is_some(),
            _ => false,
        }
    }

    /// What it measures, as criteria ask it.
    pub fn facts(&self) -> ProbeFacts {
        let measures = match self {
            Self::Http(_) | Self::Tcp(_) | Self::Promql(_) | Self::Exec(_) | Self::Command(_) => vec![Measure::Latency],
            Self::Ping(_) => vec![Measure::Packets],
            Self::EnvoyEndpoints(_) => vec![Measure::Endpoints],
            Self::TrafficSplit(_) => vec![Measure::Latency, Measure::Responders],
            Self::Ledger(_) => vec![Measure::Latency, Measure::Writes],
            Self::Alert(_) => vec![Measure::Alert],
            Self::EnvoyStats(_)
            | Self::MeshSync(_)
            | Self::MeshIdentity(_)
            | Self::TrustRoot(_)
            | Self::ScrapeTargets(_)
            | Self::Federation(_)
            | Self::AlertRules(_)
            | Self::Alertmanager(_)
            | Self::Queries(_)
            | Self::ApiServer(_)
            | Self::PodNetwork(_)
            | Self::Webhooks(_)
            | Self::Pods(_)
            | Self::Deployment(_)
            | Self::Nodes(_)
            | Self::Service(_)
            | Self::Resource(_) => Vec::new(),
        };
        ProbeFacts {
            measures,
            last_stage: if let Self::Alert(alert) = self { Some(alert.last_stage()) } else { None },
            home: if let Self::TrafficSplit(split) = self { split.home() } else { None },
        }
    }
}

kinds! {
    /// An HTTP exchange: by URL, through an ingress gateway, or through a port-forward.
    Http "http",
    /// ICMP echo, from the runner or from a pod.
    Ping "ping",
    /// The time to connect, where ICMP is blocked.
    Tcp "tcp",
    /// The endpoints of one service as one proxy sees them: owner, health, and requests answered.
    EnvoyEndpoints "envoyEndpoints",
    /// A metric of a proxy's Prometheus text.
    EnvoyStats "envoyStats",
    /// Every istiod has synced every remote cluster, and its proxies.
    MeshSync "meshSync",
    /// Version, mesh id, cluster id and network of control plane, gateways and sidecars.
    MeshIdentity "meshIdentity",
    /// The CA of a cluster: chain, key, expiry, and the root that all clusters share.
    TrustRoot "trustRoot",
    /// Who answers, by version or cluster: counts for the criterion `split`.
    TrafficSplit "trafficSplit",
    /// Tokens written and read back: what is lost of what was acknowledged.
    Ledger "ledger",
    /// An instant query to a cluster's Prometheus; an empty result is no data, never 0.
    Promql "promql",
    /// A Prometheus' targets: all up, fresh by their own intervals, no scrape pool without any.
    ScrapeTargets "scrapeTargets",
    /// Each cluster's series at the federating Prometheus: present, fresh, and really from that cluster.
    Federation "federation",
    /// Alerting rules: loaded, healthy, as declared, able to fire, with an Alertmanager attached.
    AlertRules "alertRules",
    /// One alert: pending, firing, at Alertmanager, told to a receiver.
    Alert "alert",
    /// An Alertmanager: ready, attached, with receivers that lead somewhere.
    Alertmanager "alertmanager",
    /// Queries read before they are asked, with the correct form of those that are wrong.
    Queries "queries",
    /// An API server: version, identity, clock.
    ApiServer "apiServer",
    /// Pod addresses inside the declared ranges.
    PodNetwork "podNetwork",
    /// Admission webhooks, mutating and validating, with something behind them.
    Webhooks "webhooks",
    /// Pods: readiness, count, restarts, containers.
    Pods "pods",
    /// A Deployment or `StatefulSet`: its rollout is complete, by the logic of kubectl rollout status.
    Deployment "deployment",
    /// Nodes: count, readiness, schedulability, version.
    Nodes "nodes",
    /// A Service: address, ports, ready endpoints.
    Service "service",
    /// Any object: it exists, and values in it are as expected.
    Resource "resource",
    /// A command in a container.
    Exec "exec",
    /// A command on the runner's machine.
    Command "command",
}
