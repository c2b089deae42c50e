//! All kinds of observations.

use meshdrill_checks::criterion::{Measure, ProbeFacts};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Alert, AlertRules, Alertmanager, ApiServer, Command, ConfigAnalysis, ConfigDrift, Crossing, Deployment,
    EnvoyEndpoints, EnvoyStats, Exec, Federation, Http, InventoryGateway, Ledger, MeshIdentity, MeshSync, Nodes,
    Observation, Ping, PodNetwork, Pods, Promql, Queries, Resource, ScrapeTargets, Service, Services, Tcp,
    TrafficSplit, TrustRoot, Webhooks, Workloads,
};
use crate::format::ClusterChoice;

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $variant:ident $name:literal,)*) => {
        /// A kind of observation and its settings.
        #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
        #[expect(clippy::large_enum_variant, reason = "a plan holds a handful of them")]
        pub enum ProbeKind {
            $($(#[doc = $doc])+ #[serde(rename = $name)] $variant($variant),)*
        }

        impl ProbeKind {
            /// The kind's name in the scenario format.
            pub const fn name(&self) -> &'static str {
                match self { $(Self::$variant(_) => $name,)* }
            }

            /// Its behavior, common to all kinds.
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
    /// Whether it contacts every cluster of the mesh, not only the ones that it names.
    pub fn needs_all_clusters(&self) -> bool {
        self.as_observation().needs_all_clusters()
    }

    /// What it measures, for the criteria.
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
            | Self::Workloads(_)
            | Self::InventoryGateway(_)
            | Self::ConfigAnalysis(_)
            | Self::ConfigDrift(_)
            | Self::Crossing(_)
            | Self::Services(_)
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
    /// An HTTP request: by URL, through an ingress gateway, or through a port-forward.
    Http "http",
    /// ICMP echo, from the runner or from a pod.
    Ping "ping",
    /// The time to connect by TCP, where ICMP is blocked.
    Tcp "tcp",
    /// The endpoints of one service in one proxy: cluster, health, and requests answered.
    EnvoyEndpoints "envoyEndpoints",
    /// A metric of a proxy, from its Prometheus endpoint.
    EnvoyStats "envoyStats",
    /// Every istiod has synced every remote cluster and its proxies.
    MeshSync "meshSync",
    /// Version, mesh id, cluster id and network of control plane, gateways and sidecars.
    MeshIdentity "meshIdentity",
    /// The CA of a cluster: chain, key, expiry, and the root that all clusters share.
    TrustRoot "trustRoot",
    /// The responders of requests, by version or cluster, for the criterion `split`.
    TrafficSplit "trafficSplit",
    /// Writes tokens and reads them back: which acknowledged writes were lost.
    Ledger "ledger",
    /// An instant query to a cluster's Prometheus. An empty result is no data, never 0.
    Promql "promql",
    /// The targets of a Prometheus: all up, all fresh by their own intervals, no scrape pool empty.
    ScrapeTargets "scrapeTargets",
    /// Each cluster's series at the federating Prometheus: present, fresh, and really from that cluster.
    Federation "federation",
    /// Alerting rules: loaded, healthy, as declared, able to fire, with an Alertmanager attached.
    AlertRules "alertRules",
    /// One alert: pending, firing, at Alertmanager, delivered to a receiver.
    Alert "alert",
    /// An Alertmanager: ready, attached, with receivers that can be reached.
    Alertmanager "alertmanager",
    /// Queries: analyzed before they are sent, with the correct form of wrong ones.
    Queries "queries",
    /// An API server: version, identity, clock.
    ApiServer "apiServer",
    /// Pod addresses: inside the declared ranges of their cluster.
    PodNetwork "podNetwork",
    /// Admission webhooks, mutating and validating: they lead to ready endpoints.
    Webhooks "webhooks",
    /// Pods: readiness, count, restarts, containers.
    Pods "pods",
    /// A Deployment or `StatefulSet`: its rollout is complete, by the logic of `kubectl rollout status`.
    Deployment "deployment",
    /// The workloads of the inventory: rolled out, with proxies where their namespaces have them.
    Workloads "workloads",
    /// The services of the inventory: healthy endpoints of every cluster that runs them.
    Services "services",
    /// Connections from a proxy of one cluster to endpoints of another.
    Crossing "crossing",
    /// What the configuration of a cluster refers to exists, and its controllers accept it.
    ConfigAnalysis "configAnalysis",
    /// Configuration of the same name is the same in all clusters.
    ConfigDrift "configDrift",
    /// A gateway of the inventory: rolled out, addressed, listening where configuration binds it.
    InventoryGateway "gateway",
    /// Nodes: count, readiness, schedulability, version.
    Nodes "nodes",
    /// A Service: address, ports, ready endpoints.
    Service "service",
    /// Any object: it exists, and its values are as expected.
    Resource "resource",
    /// A command in a container.
    Exec "exec",
    /// A command on the runner's machine.
    Command "command",
}
