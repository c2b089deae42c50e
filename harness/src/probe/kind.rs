//! The closed set of observations.

use meshdrill_checks::criterion::{Measure, ProbeFacts};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Alert, AlertRules, Alertmanager, ApiServer, Command, Deployment, EnvoyEndpoints, EnvoyStats, Exec, Federation,
    Http, Ledger, MeshIdentity, MeshSync, Nodes, Observation, Ping, PodNetwork, Pods, Promql, Queries, Resource,
    ScrapeTargets, Service, Tcp, TrafficSplit, TrustRoot, Webhooks,
};
use crate::format::ClusterChoice;

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
            pub fn as_observation(&self) -> &(dyn Observation + Send + Sync) {
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
