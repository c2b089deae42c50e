//! What istiod reads from one cluster's API: Services with their ports and ready endpoints, and the gateways' addresses.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde_json::{Map, Value};

use crate::kube::controllers::endpoints::target_port;
use crate::store::{object, resources};
use crate::world::World;

/// One ready endpoint.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) ip: Ipv4Addr,
    pub(crate) name: String,
    pub(crate) labels: Map<String, Value>,
}

/// One Service.
#[derive(Debug, Clone, Default)]
pub(crate) struct Entry {
    pub(crate) ports: Vec<Port>,
    pub(crate) members: Vec<Member>,
}

/// One port of a Service.
#[derive(Debug, Clone)]
pub(crate) struct Port {
    pub(crate) number: u16,
    pub(crate) target: u16,
    pub(crate) name: String,
    /// Declared as something for which HTTP routes do not count.
    pub(crate) opaque: bool,
}

/// One cluster as istiod sees it.
#[derive(Debug, Default)]
pub(crate) struct View {
    /// By namespace and name.
    pub(crate) services: BTreeMap<(String, String), Entry>,
    /// East-west gateway addresses.
    pub(crate) gateways: Vec<Ipv4Addr>,
}

/// Reads a cluster.
pub(crate) fn read(world: &World, c: usize) -> View {
    let cluster = &world.clusters[c];
    let mut view = View::default();
    for service in cluster.store.list(resources::services(), None) {
        let ports = object::items(service, "/spec/ports").iter().filter_map(port).collect();
        let key = (object::namespace(service).to_owned(), object::name(service).to_owned());
        view.services.insert(key, Entry { ports, members: Vec::new() });
        if object::label(service, "topology.istio.io/network").is_some() {
            let addresses = object::items(service, "/status/loadBalancer/ingress").iter();
            view.gateways.extend(addresses.filter_map(|i| object::text(i, "/ip").parse::<Ipv4Addr>().ok()));
        }
    }
    for slice in cluster.store.list(resources::endpointslices(), None) {
        let service = object::label(slice, "kubernetes.io/service-name").unwrap_or("").to_owned();
        let Some(entry) = view.services.get_mut(&(object::namespace(slice).to_owned(), service)) else { continue };
        for endpoint in object::items(slice, "/endpoints").iter().filter(|e| object::flag(e, "/conditions/ready")) {
            let uid = object::text(endpoint, "/targetRef/uid");
            let Some(pod) = cluster.pods.get(uid) else { continue };
            let Some(ip) = pod.ip else { continue };
            entry.members.push(Member { ip, name: pod.name.clone(), labels: pod.labels.clone() });
        }
    }
    view
}

fn port(port: &Value) -> Option<Port> {
    Some(Port {
        number: u16::try_from(object::int(port, "/port")?).ok()?,
        target: target_port(port),
        name: object::text(port, "/name").to_owned(),
        opaque: is_opaque(port),
    })
}

/// Whether a Service's port is declared, by `appProtocol` or the beginning of its name, as something that is not HTTP.
fn is_opaque(port: &Value) -> bool {
    let told = match object::text(port, "/appProtocol") {
        "" => object::text(port, "/name").split('-').next().unwrap_or_default(),
        told => told,
    };
    ["tcp", "tls", "https", "mongo", "mysql", "redis", "udp"].contains(&told.to_ascii_lowercase().as_str())
}
