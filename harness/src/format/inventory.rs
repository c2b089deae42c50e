//! What a mesh consists of: gateways, entry points, namespaces, services and monitoring. `mesh init` detects it, people
//! confirm it, and the catalogue runs over it.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use meshdrill_checks::criterion::SlaDefaults;
use meshdrill_checks::units::TimeSpan;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ClusterChoice, Selector};

/// What the mesh consists of.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Inventory {
    /// How control planes and clusters belong together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topology: Option<Topology>,
    /// The control planes by revision; `default` for istiod without a revision.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub control_planes: IndexMap<String, ControlPlane>,
    /// The gateways by name.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub gateways: IndexMap<String, Gateway>,
    /// Hosts and paths that ingress gateways serve, by a name of your choice.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub entrypoints: IndexMap<String, Entrypoint>,
    /// The namespaces with applications of the mesh.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub namespaces: IndexMap<String, Namespace>,
    /// The services by `NAME.NAMESPACE`.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub services: IndexMap<String, MeshService>,
    /// The clusters with a Prometheus.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub prometheus: IndexMap<String, PrometheusEntry>,
    /// Dashboards by name: Grafana, Kiali, tracing.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub dashboards: IndexMap<String, Dashboard>,
    /// Settings that differ between clusters on purpose, as `KIND NAMESPACE/NAME` or `KIND NAMESPACE/NAME: FIELD`, such as
    /// `VirtualService shop/front: spec.http[0].timeout`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<String>,
    /// Parts that the mesh does not have. No scenario runs for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub absent: Vec<String>,
    /// Parts of which nothing is known, with the reason, such as a permission that is missing. What needs them does not run,
    /// and that is an error, not a pass.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unknown: BTreeMap<String, String>,
    /// Entries that were detected and look wrong, such as `entrypoints.shop`. Correct them, or confirm them: remove them from
    /// this list. Until then what is measured there is inconclusive.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unconfirmed: Vec<String>,
}

/// How control planes and clusters belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Topology {
    /// Every cluster has a control plane.
    MultiPrimary,
    /// Some clusters use the control plane of another.
    PrimaryRemote,
    /// The mesh has one cluster.
    SingleCluster,
}

/// The control plane of one revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ControlPlane {
    /// The clusters that run it; default all.
    #[serde(default = "ClusterChoice::all", skip_serializing_if = "is_all")]
    pub clusters: ClusterChoice,
    /// Its namespace.
    pub namespace: String,
    /// Its Deployment.
    pub deployment: String,
    /// The labels of its pods.
    pub selector: Selector,
    /// Its version, where it is not `expect.istio` of the clusters: that of a canary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Revision tags that lead to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

/// A gateway: a workload whose proxies run as routers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Gateway {
    /// What it is for.
    pub role: GatewayRole,
    /// The clusters that have it; default all.
    #[serde(default = "ClusterChoice::all", skip_serializing_if = "is_all")]
    pub clusters: ClusterChoice,
    /// Its namespace.
    pub namespace: String,
    /// Its workload: `deployment/NAME` or `daemonset/NAME`.
    pub workload: String,
    /// The labels of its pods.
    pub selector: Selector,
    /// Its Service; without one it has the addresses of its nodes, or none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The ports of its Service.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<u16>,
    /// The Gateway of the Gateway API that it was deployed for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployed_for: Option<String>,
}

/// What a gateway is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum GatewayRole {
    /// Requests of clients enter the mesh.
    Ingress,
    /// Requests of other networks of the mesh enter.
    EastWest,
    /// Requests leave the mesh.
    Egress,
}

/// A host and path that an ingress gateway serves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Entrypoint {
    /// The name of its gateway.
    pub gateway: String,
    /// The clusters in which it is served; default all that have the gateway.
    #[serde(default = "ClusterChoice::all", skip_serializing_if = "is_all")]
    pub clusters: ClusterChoice,
    /// The host of the requests; without one, the address of the gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The port of the gateway; default 80, and 443 with `tls`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Whether the gateway terminates TLS there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tls: bool,
    /// The CA file of its certificate, where this machine does not trust it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<std::path::PathBuf>,
    /// The path that is asked; default `/`.
    #[serde(default = "root", skip_serializing_if = "is_root")]
    pub path: String,
    /// The expected response.
    #[serde(default)]
    pub expect: EntrypointExpect,
    /// Targets of its own, where they differ from the `sla` of the mesh.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sla: Option<SlaDefaults>,
    /// The route that serves it, such as `VirtualService shop/front`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
}

/// The expected response of an entry point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EntrypointExpect {
    /// The status; default 200.
    #[serde(default = "ok")]
    pub status: u16,
    /// A text that the body contains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
}

impl Default for EntrypointExpect {
    fn default() -> Self {
        Self { status: ok(), body: None }
    }
}

/// A namespace with applications of the mesh.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Namespace {
    /// The clusters that have it; default all.
    #[serde(default = "ClusterChoice::all", skip_serializing_if = "is_all")]
    pub clusters: ClusterChoice,
    /// How its pods belong to the mesh.
    pub data_plane: DataPlane,
    /// The revision or tag of its sidecars, where it names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Its workloads, as `deployment/NAME`, `statefulset/NAME` or `daemonset/NAME`, with the clusters that have them. Without
    /// any, those that are there.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub workloads: IndexMap<String, ClusterChoice>,
    /// Workloads whose pods have no proxy on purpose.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without_proxy: Vec<String>,
}

/// How the pods of a namespace belong to the mesh.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum DataPlane {
    /// Each pod has a proxy of its own.
    Sidecar,
    /// A ztunnel on the node serves the pods.
    Ambient,
    /// They are outside of the mesh.
    None,
}

/// A Service that clients in the mesh call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MeshService {
    /// The clusters that have endpoints of it; default all.
    #[serde(default = "ClusterChoice::all", skip_serializing_if = "is_all")]
    pub clusters: ClusterChoice,
    /// Its ports.
    pub ports: Vec<u16>,
    /// Whether it is called across clusters.
    #[serde(default, skip_serializing_if = "ServiceScope::is_mesh")]
    pub scope: ServiceScope,
}

/// Where a Service is called from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ServiceScope {
    /// From every cluster: the Services of one name are one service.
    #[default]
    Mesh,
    /// From its own cluster only (`clusterLocal`, or not exported).
    Local,
}

impl ServiceScope {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
    const fn is_mesh(&self) -> bool {
        matches!(self, Self::Mesh)
    }
}

/// The Prometheus of a cluster. Its address is `clusters.KEY.prometheus`, or discovered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PrometheusEntry {
    /// Other clusters whose series it has, by federation or remote read or write.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub federates: Vec<String>,
    /// Whether it sends its alerts to an Alertmanager of its cluster.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub alertmanager: bool,
    /// Whether it has alerting rules.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rules: bool,
}

/// A dashboard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Dashboard {
    /// Its cluster.
    pub cluster: String,
    /// Its namespace.
    pub namespace: String,
    /// Its Service.
    pub service: String,
    /// The port of its Service.
    pub port: u16,
    /// A path that answers 200 while it works.
    #[serde(default = "root", skip_serializing_if = "is_root")]
    pub path: String,
}

/// What drills may break: entries of the inventory, by name. Nothing is broken that is not listed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DrillTargets {
    /// Gateways, such as `edge`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gateways: Vec<String>,
    /// Control planes by revision, such as `default`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub control_planes: Vec<String>,
    /// Workloads as `NAME.NAMESPACE`, such as `reviews.shop`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub workloads: Vec<String>,
    /// Clusters that may lose all gateways and applications, by key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clusters: Vec<String>,
    /// Alerts that must fire while something is away, by their names.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub alerts: IndexMap<String, AlertTarget>,
}

impl DrillTargets {
    /// The lists of names, by their keys.
    pub fn lists(&self) -> [(&'static str, &Vec<String>); 4] {
        let Self { gateways, control_planes, workloads, clusters, alerts: _ } = self;
        [("gateways", gateways), ("controlPlanes", control_planes), ("workloads", workloads), ("clusters", clusters)]
    }

    /// The same, to be changed.
    pub fn lists_mut(&mut self) -> [(&'static str, &mut Vec<String>); 4] {
        let Self { gateways, control_planes, workloads, clusters, alerts: _ } = self;
        [("gateways", gateways), ("controlPlanes", control_planes), ("workloads", workloads), ("clusters", clusters)]
    }
}

/// What an alert must notice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AlertTarget {
    /// What is scaled to 0: `gateways/edge`, `controlPlanes/default` or `workloads/reviews.shop`, as the inventory names it.
    pub target: String,
    /// The clusters whose loss of it the alert notices; default all that have it.
    #[serde(default = "ClusterChoice::all", skip_serializing_if = "is_all")]
    pub clusters: ClusterChoice,
    /// How soon it must fire, such as `2m`: the rule's own `for`, and the time to scrape and evaluate. The target is away as long.
    pub within: TimeSpan,
}

fn is_all(choice: &ClusterChoice) -> bool {
    *choice == ClusterChoice::all()
}

fn root() -> String {
    "/".to_owned()
}

fn is_root(path: &str) -> bool {
    path == "/"
}

const fn ok() -> u16 {
    200
}

impl Entrypoint {
    /// The port of the gateway.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(if self.tls { 443 } else { 80 })
    }
}

impl Inventory {
    /// The clusters, among all of the mesh, that run a control plane; all where none is listed.
    pub fn primaries(&self, all: &[String]) -> Vec<String> {
        let runs = |key: &String| self.control_planes.values().any(|one| one.clusters.includes(key, all));
        if self.control_planes.is_empty() {
            all.to_vec()
        } else {
            all.iter().filter(|key| runs(key)).cloned().collect()
        }
    }

    /// An entry point by which requests come in through a cluster, of one gateway if one is given. One that nobody has confirmed
    /// is none.
    pub fn entrypoint_in(&self, cluster: &str, gateway: Option<&str>, all: &[String]) -> Option<&str> {
        let served = |entry: &Entrypoint| self.clusters_of_entrypoint(entry, all).iter().any(|key| key == cluster);
        let found = self.entrypoints.iter().find(|(name, entry)| {
            gateway.is_none_or(|gateway| entry.gateway == gateway)
                && served(entry)
                && !self.unconfirmed.contains(&format!("entrypoints.{name}"))
        });
        found.map(|(name, _)| name.as_str())
    }

    /// The cluster whose Prometheus has the rules about a cluster: its own, or one that has its series.
    pub fn rules_for<'a>(&'a self, key: &'a str) -> Option<&'a str> {
        let has_rules = |one: &&str| self.prometheus.get(*one).is_some_and(|entry| entry.rules);
        let of_others =
            self.prometheus.iter().find(|(_, entry)| entry.rules && entry.federates.iter().any(|one| one == key));
        Some(key).filter(has_rules).or_else(|| of_others.map(|(name, _)| name.as_str()))
    }

    /// The clusters, among all of the mesh, in which an entry point is served: its own that have its gateway.
    pub fn clusters_of_entrypoint(&self, entry: &Entrypoint, all: &[String]) -> Vec<String> {
        let gateway = self.gateways.get(&entry.gateway);
        let has_gateway = |key: &String| gateway.is_none_or(|gateway| gateway.clusters.includes(key, all));
        entry.clusters.expand(all).0.into_iter().filter(has_gateway).collect()
    }
}
