//! What shows which cluster of the mesh owns an endpoint: gateways, localities and pods from the APIs of all clusters, and
//! the endpoints that istiod sent to the proxy.

use std::sync::Arc;

use meshdrill_checks::observe::envoy::owner::Known;
use meshdrill_checks::observe::envoy::{self, Clusters, Select, config_dump};

use tokio::sync::Semaphore;

use super::ProbeError;
use super::admin::ProxyAdmin;
use crate::cluster::{Cluster, Object, ObjectRef, Permission, World, advertised_east_west, parse_apart, pod_addresses};
use crate::format::MeshSpec;

/// The permissions of [`learn`]; an empty namespace stands for all of them.
pub(super) fn permissions(mesh: &MeshSpec, namespace: &str) -> Vec<Permission> {
    let of_cluster = |key: &String| {
        let need = |namespace: &str, resource| Permission::new(key, namespace, "", resource, "list");
        [need("", "services"), need("", "nodes"), need(namespace, "pods")]
    };
    mesh.clusters.keys().flat_map(of_cluster).collect()
}

/// Asks the proxy and the APIs of all clusters, for the pods of one namespace or of all.
pub(super) async fn learn(world: &World, admin: &ProxyAdmin, namespace: Option<&str>) -> Result<Known, ProbeError> {
    of_proxy(of_clusters(world, namespace).await?, admin).await
}

/// How many proxies are asked at the same time: a dump of a large mesh has megabytes.
static DUMPS: Semaphore = Semaphore::const_new(2);

/// What a proxy has of the mesh: its Envoy clusters, and whose their endpoints are.
#[derive(Debug)]
pub(super) struct ProxyView {
    pub clusters: Clusters,
    pub known: Known,
}

/// The view of the proxy of one pod, by what is known of the clusters. The checks of a suite read and parse its dumps once.
pub(super) async fn view_of(
    known: &Known,
    cluster: &Arc<Cluster>,
    pod: &ObjectRef,
) -> Result<Arc<ProxyView>, ProbeError> {
    let read = async || {
        // The semaphore is never closed.
        let _turn = DUMPS.acquire().await.ok();
        let admin = ProxyAdmin::for_pod(Arc::clone(cluster), pod.clone());
        let (body, _) = admin.get("/clusters?format=json").await?;
        let clusters = apart(move || envoy::parse(&body, Select::All)).await?;
        let clusters = clusters.map_err(|error| ProbeError(format!("{pod}: {error}")))?;
        let known = of_proxy(known.clone(), &admin).await?;
        Ok(ProxyView { clusters, known })
    };
    cluster.shared.read(&format!("proxy {}", pod.uid), read).await
}

/// Adds the endpoints that istiod sent to a proxy.
async fn of_proxy(known: Known, admin: &ProxyAdmin) -> Result<Known, ProbeError> {
    let (dump, _) = admin.get("/config_dump?include_eds&resource=dynamic_endpoint_configs").await?;
    let endpoints = apart(move || config_dump::parse(&dump).unwrap_or_default()).await?;
    Ok(Known { endpoints, ..known })
}

/// Parses a dump: that of a large mesh takes longer than samples may be late.
async fn apart<T: Send + 'static>(parse: impl FnOnce() -> T + Send + 'static) -> Result<T, ProbeError> {
    parse_apart(parse).await.map_err(|error| ProbeError(format!("a dump was not parsed: {error}")))
}

/// What the APIs of all clusters show, for the pods of all namespaces; the checks of a suite ask once.
pub(super) async fn of_mesh(world: &World) -> Result<Arc<Known>, ProbeError> {
    let ask = async || of_clusters(world, None).await;
    let keys: Vec<&str> = world.clusters.keys().map(String::as_str).collect();
    match world.clusters.values().next() {
        Some(first) => first.shared.read(&format!("owners of {}", keys.join(",")), ask).await,
        None => ask().await.map(Arc::new),
    }
}

/// Asks the APIs of all clusters, for the pods of one namespace or of all.
async fn of_clusters(world: &World, namespace: Option<&str>) -> Result<Known, ProbeError> {
    let mut known = Known::default();
    let pods = namespace.map_or_else(|| "/api/v1/pods".to_owned(), |name| format!("/api/v1/namespaces/{name}/pods"));
    for cluster in world.clusters.values() {
        let id = cluster.istio_id().to_owned();
        for address in advertised_east_west(cluster).await? {
            let resolved = match address.parse() {
                Ok(socket) => vec![socket],
                Err(_) => tokio::net::lookup_host(&address).await.map(Iterator::collect).unwrap_or_default(),
            };
            for socket in resolved {
                known.gateways.entry(socket).or_default().insert(id.clone());
            }
        }
        for node in cluster.list("/api/v1/nodes", None).await? {
            let label = |name: &str| node.labels()[name].as_str().unwrap_or_default().to_owned();
            let locality = (label("topology.kubernetes.io/region"), label("topology.kubernetes.io/zone"));
            known.localities.entry((locality.0.clone(), String::new())).or_default().insert(id.clone());
            known.localities.entry(locality).or_default().insert(id.clone());
        }
        add_pods(&mut known, &id, &cluster.list(&pods, None).await?);
    }
    Ok(known)
}

/// All addresses of the pods of a cluster, of both families.
fn add_pods(known: &mut Known, id: &str, pods: &[Object]) {
    for ip in pods.iter().flat_map(|pod| pod_addresses(pod)) {
        known.pods.entry(ip).or_default().insert(id.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    #[test]
    fn an_endpoint_is_found_by_any_address_of_its_pod() {
        let pod = json!({ "status": { "podIP": "10.0.0.7", "podIPs": [{ "ip": "10.0.0.7" }, { "ip": "fd00::7" }] } });
        let mut known = Known::default();
        add_pods(&mut known, "a", &[Object::from(pod)]);
        let owners = BTreeSet::from(["a".to_owned()]);
        for ip in ["10.0.0.7", "fd00::7"] {
            assert_eq!(known.pods.get(&ip.parse().unwrap()), Some(&owners), "{ip}");
        }
    }
}
