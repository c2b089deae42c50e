//! Reads a cluster as istiod does: Services, `EndpointSlices` and the addresses of gateways.

use std::net::Ipv4Addr;

use serde_json::Value;

use super::view::{ClusterView, Member, ServicePort, ServiceView};
use crate::kube::service_port::target_port;
use crate::store::{object, resources};
use crate::world::Cluster;

/// Reads a cluster.
pub(super) fn read(cluster: &Cluster) -> ClusterView {
    let mut view = ClusterView::default();
    for service in cluster.store.list(resources::services(), None) {
        let ports = object::items(service, "/spec/ports").iter().filter_map(port).collect();
        let key = (object::namespace(service).to_owned(), object::name(service).to_owned());
        view.services.insert(key, ServiceView { ports, members: Vec::new() });
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

fn port(port: &Value) -> Option<ServicePort> {
    Some(ServicePort {
        number: u16::try_from(object::int(port, "/port")?).ok()?,
        target: target_port(port),
        name: object::text(port, "/name").to_owned(),
        opaque: is_opaque(port),
    })
}

/// Whether a Service port is declared as not HTTP, by `appProtocol` or the prefix of its name.
fn is_opaque(port: &Value) -> bool {
    let protocol = match object::text(port, "/appProtocol") {
        "" => object::text(port, "/name").split('-').next().unwrap_or_default(),
        protocol => protocol,
    };
    ["tcp", "tls", "https", "mongo", "mysql", "redis", "udp"].contains(&protocol.to_ascii_lowercase().as_str())
}
