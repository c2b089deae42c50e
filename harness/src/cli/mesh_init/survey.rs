//! What one cluster shows of itself: identity, versions, pod addresses, and the names of the mesh's parts.

use std::collections::BTreeMap;

use meshdrill_checks::observe::Cidr;
use meshdrill_checks::observe::kube::Image;
use serde_json::Value;

use super::pod_ranges;
use crate::cluster::{AccessError, Cluster, Object, discover_alertmanager};
use crate::format::DEFAULT_VARS;
use crate::net::Net;
use crate::run::unroutable_pods;

/// CNIs that enforce `NetworkPolicies`, by the names of their pods.
const ENFORCING: [&str; 5] = ["calico", "cilium", "antrea", "weave", "kube-router"];

/// What was detected in one cluster.
#[derive(Debug)]
pub(super) struct Survey {
    pub key: String,
    pub context: String,
    pub uid: String,
    pub nodes: usize,
    pub region: Option<String>,
    pub kubernetes: Option<String>,
    pub istio: Option<String>,
    pub istio_cluster: Option<String>,
    pub network: Option<String>,
    pub mesh_id: Option<String>,
    /// Ranges of nodes and addresses of pods.
    pub pod_ranges: Vec<Cidr>,
    /// Whether a node has a provider id of Oracle's cloud.
    pub oci: bool,
    pub enforces_policies: bool,
    /// Why pods are not reachable from this machine; none if one is.
    pub unroutable_pods: Option<String>,
    /// Why no Alertmanager was found; none if there is one.
    pub no_alertmanager: Option<String>,
    /// Names of the mesh's parts that differ from the defaults.
    pub vars: BTreeMap<&'static str, String>,
}

impl Survey {
    /// Looks at a cluster. Only its identity, version and nodes must be readable; what else may not be read is left out.
    pub(super) async fn of(cluster: &Cluster) -> Result<Self, AccessError> {
        let system: Object = cluster.get("/api/v1/namespaces/kube-system").await?;
        let version: Value = cluster.get("/version").await?;
        let nodes = cluster.list("/api/v1/nodes", None).await?;
        let list = async |path: &str, selector: Option<&str>| cluster.list(path, selector).await.unwrap_or_default();
        let pods = list("/api/v1/pods", None).await;
        let istiods = list("/api/v1/pods", Some("app=istiod")).await;
        let gateways = list("/api/v1/services", Some(NETWORK)).await;
        let istio_system: Object = cluster.get("/api/v1/namespaces/istio-system").await.unwrap_or_default();
        let image = istiods.iter().find_map(|pod| pod["spec"]["containers"][0]["image"].as_str());
        let image = image.or_else(|| containers(&pods).find(|one| one["name"] == "istio-proxy")?["image"].as_str());
        let provider = |node: &Object| {
            node["spec"]["providerID"].as_str().is_some_and(|id| id.starts_with("ocid1.") || id.starts_with("oci://"))
        };
        let is_enforcing = |pod: &Object| {
            let name = pod.name();
            ENFORCING.iter().any(|agent| name.contains(agent))
        };
        Ok(Self {
            key: cluster.key.clone(),
            context: cluster.spec.context.clone(),
            uid: system.uid().to_owned(),
            nodes: nodes.len(),
            region: nodes.first().and_then(|node| label(node, "topology.kubernetes.io/region")),
            kubernetes: version["gitVersion"].as_str().map(str::to_owned),
            istio: image.and_then(|image| Image::parse(image).version().map(str::to_owned)),
            istio_cluster: env(&istiods, "CLUSTER_ID").or_else(|| env(&pods, "ISTIO_META_CLUSTER_ID")),
            network: label(&istio_system, NETWORK)
                .or_else(|| gateways.first().and_then(|one| label(one, NETWORK)))
                .or_else(|| env(&pods, "ISTIO_META_NETWORK")),
            mesh_id: env(&pods, "ISTIO_META_MESH_ID"),
            pod_ranges: pod_ranges::seen(&nodes, &pods),
            oci: nodes.iter().any(provider),
            enforces_policies: pods.iter().any(is_enforcing),
            unroutable_pods: unreachable_pods(cluster).await,
            no_alertmanager: discover_alertmanager(cluster).await.err().map(|error| error.to_string()),
            vars: vars(cluster).await,
        })
    }
}

const NETWORK: &str = "topology.istio.io/network";

fn label(object: &Object, key: &str) -> Option<String> {
    object.label(key).map(str::to_owned)
}

/// All containers, native sidecars among them.
fn containers(pods: &[Object]) -> impl Iterator<Item = &Value> {
    let lists = pods.iter().flat_map(|pod| ["containers", "initContainers"].map(|list| &pod["spec"][list]));
    lists.filter_map(Value::as_array).flatten()
}

/// The value of an environment variable of the first container that has it.
fn env(pods: &[Object], name: &str) -> Option<String> {
    let variables = containers(pods).flat_map(|container| container["env"].as_array().into_iter().flatten());
    variables
        .filter(|one| one["name"] == name)
        .find_map(|one| one["value"].as_str().filter(|value| !value.is_empty()).map(str::to_owned))
}

/// Why no pod is reachable from this machine. Where the API server is on loopback (a tunnel, a local cluster), pods are not
/// tried: their addresses may belong to others on this machine's network.
async fn unreachable_pods(cluster: &Cluster) -> Option<String> {
    if cluster.is_on_loopback() {
        return Some("the API server is reached over loopback; pod addresses were not tried".to_owned());
    }
    unroutable_pods(&Net::Machine, cluster).await
}

/// Names under which the guide's scenarios look for parts of the mesh, where this cluster has others than the default ones.
/// Control planes and gateways are in the inventory.
async fn vars(cluster: &Cluster) -> BTreeMap<&'static str, String> {
    let mut found = BTreeMap::new();
    let services = cluster.list("/api/v1/services", None).await.unwrap_or_default();
    let namespace_of = |name: &str| {
        services.iter().find(|service| service.name() == name).map(|service| service.namespace().to_owned())
    };
    if let Some(namespace) = namespace_of("prometheus") {
        found.insert("monitoringNamespace", namespace);
    }
    // The sample application, and the client pod beside it, which Istio has called by two names.
    if let Some(namespace) = namespace_of("helloworld") {
        for selector in ["app=sleep", "app=curl"] {
            let path = format!("/api/v1/namespaces/{namespace}/pods");
            if !cluster.list(&path, Some(selector)).await.unwrap_or_default().is_empty() {
                found.insert("clientSelector", selector.to_owned());
                break;
            }
        }
        found.insert("sampleNamespace", namespace);
    }
    found.retain(|name, value| DEFAULT_VARS.iter().any(|(known, default)| known == name && default != value));
    found
}
