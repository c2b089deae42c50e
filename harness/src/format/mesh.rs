//! A mesh file as written: the clusters, their identity, what is expected of them, and SLA defaults.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use meshdrill_checks::criterion::{Over, Quantiles, SlaDefaults};
use meshdrill_checks::units::{Ratio, TimeSpan};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AnnotateSpec, DrillTargets, Gateway, Inventory, MonitoringPlace, Scalar};

/// A mesh file.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MeshFile {
    /// `meshdrill.io/v1`.
    pub api_version: String,
    /// `Mesh`.
    pub kind: String,
    /// Its name.
    pub metadata: MeshMetadata,
    /// Its contents.
    pub spec: MeshSpec,
}

/// The name of a mesh.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MeshMetadata {
    /// The name.
    pub name: String,
}

/// The clusters of a mesh, and what is expected of them.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MeshSpec {
    /// The clusters by their key.
    pub clusters: IndexMap<String, ClusterSpec>,
    /// What is expected of the mesh.
    #[serde(default, skip_serializing_if = "MeshExpect::is_empty")]
    pub expect: MeshExpect,
    /// What this environment does not have, with reason, owner and date.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub without: BTreeMap<String, Waiver>,
    /// Values for `${name}` in scenarios.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub vars: BTreeMap<String, Scalar>,
    /// The values that `default` stands for in scenarios.
    #[serde(default)]
    pub sla: SlaDefaults,
    /// What the mesh consists of; `mesh init` detects it. Without it, the parts are those of the quick-start guide, with the
    /// names in `vars`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inventory: Option<Box<Inventory>>,
    /// What drills may break.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drills: Option<DrillTargets>,
    /// The Grafana that shows the phases and fault windows of drills.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotate: Option<AnnotateSpec>,
    /// The namespace of leases and run records.
    #[serde(default = "state_namespace")]
    pub state_namespace: String,
}

fn state_namespace() -> String {
    "istio-system".to_owned()
}

/// One cluster.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterSpec {
    /// The context of the kubeconfig.
    pub context: String,
    /// The cluster's id in Istio; default: its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub istio_cluster: Option<String>,
    /// Its network in Istio.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// Its region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The UID of its kube-system namespace; a context that leads to a cluster with another UID is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// Whether faults may be injected.
    #[serde(default)]
    pub faults: FaultPermission,
    /// What is expected of it.
    #[serde(default)]
    pub expect: ClusterExpect,
    /// Its OCIDs, for scenarios that call the `oci` command line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oci: Option<OciResources>,
    /// Ingress URLs; default discovered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ingress: Vec<String>,
    /// East-west gateway addresses (`host:port`); default discovered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub east_west: Vec<String>,
    /// Addresses of its Prometheus, tried in order; default discovered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prometheus: Vec<MonitoringPlace>,
    /// Addresses of its Alertmanager, tried in order; default discovered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alertmanager: Vec<MonitoringPlace>,
}

/// OCIDs of what a cluster and its network consist of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OciResources {
    /// The cluster.
    #[serde(default)]
    pub cluster: String,
    /// The remote peering connection of its network.
    #[serde(default)]
    pub peering: String,
    /// The route table of its network.
    #[serde(default)]
    pub route_table: String,
}

/// Whether a cluster may be broken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FaultPermission {
    /// Faults may be injected.
    Allowed,
    /// No request that changes anything is ever sent.
    #[default]
    Forbidden,
}

/// What is expected of a cluster.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterExpect {
    /// How many nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<u32>,
    /// The version of its API server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<String>,
    /// The version of Istio.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub istio: Option<String>,
    /// The ranges of the pod IPs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pod_cidrs: Vec<String>,
}

/// What is expected of the mesh.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MeshExpect {
    /// Istio's mesh id.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "meshID")]
    pub mesh_id: Option<String>,
}

/// Why something is not there, who answers for that, and until when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Waiver {
    /// Why.
    pub reason: String,
    /// Who answers for it.
    pub owner: String,
    /// The last day on which it holds, as `2027-01-31`.
    pub until: String,
}

impl MeshSpec {
    /// The keys of the clusters, in file order.
    pub fn keys(&self) -> Vec<String> {
        self.clusters.keys().cloned().collect()
    }

    /// The gateways that the inventory lists for a cluster; none without an inventory.
    pub fn gateways_of(&self, key: &str) -> IndexMap<String, Gateway> {
        let all = self.keys();
        let listed = self.inventory.iter().flat_map(|inventory| &inventory.gateways);
        let of_cluster = listed.filter(|(_, gateway)| gateway.clusters.includes(key, &all));
        of_cluster.map(|(name, gateway)| (name.clone(), gateway.clone())).collect()
    }

    /// Whether pods of one cluster reach those of another through gateways only.
    pub fn has_several_networks(&self) -> bool {
        let networks: std::collections::BTreeSet<_> =
            self.clusters.values().filter_map(|cluster| cluster.network.as_deref()).collect();
        networks.len() > 1
    }

    /// The key of the cluster with an id in Istio.
    pub fn key_of_istio(&self, id: &str) -> Option<&str> {
        self.clusters.iter().find(|(key, cluster)| cluster.istio_id(key) == id).map(|(key, _)| key.as_str())
    }
}

/// The targets of the quick-start guide, with which a new mesh file begins.
pub fn guide_sla() -> SlaDefaults {
    SlaDefaults {
        availability: Some(Ratio::new(0.9995)),
        over: Some(Over::Window(TimeSpan::secs(30 * 86_400))),
        recovery_time: Some(TimeSpan::secs(300)),
        restart_time: Some(TimeSpan::secs(120)),
        latency: Some(Quantiles::Limits([("p99".to_owned(), TimeSpan::millis(500))].into())),
        confidence: Some(Ratio::new(0.95)),
    }
}

impl MeshFile {
    /// What its author should know.
    pub fn warnings(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (key, cluster) in &self.spec.clusters {
            for (name, places) in cluster.monitoring() {
                if places.iter().any(MonitoringPlace::has_password_in_url) {
                    found.push(format!(
                        "clusters.{key}.{name} has a password in its URL; put it in a file: `{{ url: URL, user: NAME, password: {{ file: FILE }} }}`"
                    ));
                }
            }
        }
        found
    }
}

impl MeshExpect {
    fn is_empty(&self) -> bool {
        self.mesh_id.is_none()
    }
}

impl ClusterSpec {
    /// A cluster of which nothing is known but its context.
    pub fn new(context: &str) -> Self {
        Self {
            context: context.to_owned(),
            istio_cluster: None,
            network: None,
            region: None,
            uid: None,
            faults: FaultPermission::Forbidden,
            expect: ClusterExpect::default(),
            oci: None,
            ingress: Vec::new(),
            east_west: Vec::new(),
            prometheus: Vec::new(),
            alertmanager: Vec::new(),
        }
    }

    /// The addresses of its monitoring APIs, by their key.
    pub fn monitoring(&self) -> [(&'static str, &[MonitoringPlace]); 2] {
        [("prometheus", &self.prometheus), ("alertmanager", &self.alertmanager)]
    }

    /// Its id in Istio.
    pub fn istio_id<'a>(&'a self, key: &'a str) -> &'a str {
        self.istio_cluster.as_deref().unwrap_or(key)
    }
}
