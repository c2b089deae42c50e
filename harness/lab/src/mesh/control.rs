//! Which istiod configures which proxies: that of the own cluster with the revision of the proxy, or that of another cluster
//! to which the Service of istiod leads.

use std::net::Ipv4Addr;

use serde_json::Value;

use crate::rng::hash_name;
use crate::store::{Store, object, resources};
use crate::world::{Cluster, Pod, Role, Uid, World};

/// The port at which istiod serves proxies.
const XDS: u16 = 15012;

/// A ready pod of istiod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Instance {
    pub(crate) cluster: usize,
    pub(crate) uid: Uid,
    pub(crate) revision: String,
}

/// The ready pods of istiod that configure proxies of a cluster, of every revision.
pub(crate) fn instances(world: &World, cluster: usize) -> Vec<Instance> {
    let here = &world.clusters[cluster];
    let own = ready(here, cluster);
    if !own.is_empty() || here.pods.values().any(|pod| pod.role == Role::Istiod) {
        return own;
    }
    host(world, cluster).map(|host| ready(&world.clusters[host], host)).unwrap_or_default()
}

/// Whether a ready istiod configures the proxies of a revision in a cluster.
pub(crate) fn serves(world: &World, cluster: usize, revision: &str) -> bool {
    instances(world, cluster).iter().any(|instance| instance.revision == revision)
}

/// The pod of istiod that a proxy is connected to.
pub(crate) fn instance_of(world: &World, cluster: usize, pod: &Pod) -> Option<Instance> {
    let mut list = instances(world, cluster);
    list.retain(|instance| instance.revision == pod.revision);
    let place = hash_name(&pod.uid, 8).bytes().map(usize::from).sum::<usize>();
    (!list.is_empty()).then(|| list.swap_remove(place % list.len()))
}

/// Whether a webhook call to a Service reaches an istiod.
pub(crate) fn webhook_answers(world: &World, cluster: usize, namespace: &str, service: &str) -> bool {
    let here = &world.clusters[cluster];
    endpoints(&here.store, namespace, service).any(|endpoint| {
        let uid = object::text(endpoint, "/targetRef/uid");
        if uid.is_empty() {
            return leads_to(world, cluster, endpoint)
                .is_some_and(|host| !ready(&world.clusters[host], host).is_empty());
        }
        here.pods.get(uid).is_some_and(|pod| pod.role == Role::Istiod && pod.ready && !pod.terminating())
    })
}

/// The namespace of the control plane, as the mesh configuration shows it.
pub(crate) fn root_namespace(store: &Store) -> &str {
    let maps = store.list(resources::configmaps(), None);
    let mut meshes = maps.filter_map(|map| map.get("data")?.get("mesh")?.as_str());
    let found = meshes.find_map(|mesh| mesh.lines().find_map(|line| line.strip_prefix("rootNamespace: ")));
    found.unwrap_or("istio-system")
}

/// The secret with which istiod of a cluster reads the cluster of an id.
pub(crate) fn remote_secret<'a>(store: &'a Store, id: &str) -> Option<&'a Value> {
    let secrets = store.list(resources::secrets(), None);
    let mut remote = secrets.filter(|secret| object::label(secret, "istio/multiCluster") == Some("true"));
    remote.find(|secret| secret.get("data").is_some_and(|data| data.get(id).is_some())).map(|secret| &**secret)
}

/// The version of the Istio image in a pod.
pub(crate) fn version(cluster: &Cluster, pod: &Pod) -> String {
    pod.istio_tag.clone().unwrap_or_else(|| cluster.quirks.istio().to_owned())
}

fn ready(here: &Cluster, cluster: usize) -> Vec<Instance> {
    let ready = here.pods.values().filter(|pod| pod.role == Role::Istiod && pod.ready && !pod.terminating());
    ready.map(|pod| Instance { cluster, uid: pod.uid.clone(), revision: pod.revision.clone() }).collect()
}

/// The cluster whose istiod the Service of istiod in a cluster without one leads to.
pub(crate) fn host(world: &World, cluster: usize) -> Option<usize> {
    let store = &world.clusters[cluster].store;
    let namespace = root_namespace(store);
    let services = store.list(resources::services(), Some(namespace));
    let mut outside = services.filter(|service| service.pointer("/spec/selector").is_none_or(Value::is_null));
    outside.find_map(|service| {
        endpoints(store, namespace, object::name(service)).find_map(|endpoint| leads_to(world, cluster, endpoint))
    })
}

fn endpoints<'a>(store: &'a Store, namespace: &'a str, service: &'a str) -> impl Iterator<Item = &'a Value> {
    let slices = store.list(resources::endpointslices(), Some(namespace));
    slices
        .filter(move |slice| object::label(slice, "kubernetes.io/service-name") == Some(service))
        .flat_map(|slice| object::items(slice, "/endpoints"))
}

/// The other cluster whose gateway passes on to istiod what arrives at the address of an endpoint.
fn leads_to(world: &World, cluster: usize, endpoint: &Value) -> Option<usize> {
    let ip: Ipv4Addr = object::text(endpoint, "/addresses/0").parse().ok()?;
    (0..world.clusters.len()).filter(|other| *other != cluster).find(|other| {
        let there = &world.clusters[*other];
        let Some(backends) = there.rules.service_at(ip) else { return false };
        let Some(target) = backends.target(XDS) else { return false };
        backends.usable().iter().any(|ip| there.pod_at(*ip).is_some_and(|pod| listens(pod, target)))
    })
}

/// Whether a gateway has a server for the port in its configuration.
fn listens(pod: &Pod, port: u16) -> bool {
    let snapshot = pod.proxy.as_ref().and_then(|proxy| proxy.snapshot.as_ref());
    pod.network
        && pod.gateway()
        && snapshot.is_none_or(|snapshot| {
            snapshot.servers.iter().any(|server| server.port == port && server.selector.matches(Some(&pod.labels)))
        })
}
