//! A cluster without istiod, and what the cluster with it needs for that.

use serde_json::json;

use super::istio::{Revision, SPACE, injector};
use super::workload::istio_object;
use crate::seed::pki::Files;
use crate::seed::put::put;
use crate::store::{object, resources};
use crate::world::World;

/// The routes by which the east-west gateway passes on to istiod.
pub(crate) fn expose_istiod(world: &mut World, cluster: usize) {
    let server = |port: u16, name: &str| json!({"port": {"number": port, "name": name, "protocol": "TLS"}, "tls": {"mode": "PASSTHROUGH"}, "hosts": ["*"]});
    let servers = json!([server(15012, "tls-istiod"), server(15017, "tls-istiodwebhook")]);
    let gateway = json!({"selector": {"istio": "eastwestgateway"}, "servers": servers});
    put(world, cluster, resources::gateways(), istio_object("Gateway", SPACE, "istiod-gateway", gateway));
    let host = "istiod.istio-system.svc.cluster.local";
    let route = |from: u16, to: u16| json!({"match": [{"port": from, "sniHosts": ["*"]}], "route": [{"destination": {"host": host, "port": {"number": to}}}]});
    let service =
        json!({"hosts": ["*"], "gateways": ["istiod-gateway"], "tls": [route(15012, 15012), route(15017, 443)]});
    put(world, cluster, resources::virtualservices(), istio_object("VirtualService", SPACE, "istiod-vs", service));
}

/// The Service of istiod without selector, whose endpoint is the east-west gateway of another cluster, and the webhook of the
/// injection that calls it.
pub(crate) fn use_istiod_of(world: &mut World, cluster: usize, primary: usize, revision: &Revision, files: &Files) {
    let address = gateway_address(world, primary);
    let id = world.clusters[primary].ident.istio.clone();
    world.edit(cluster, resources::namespaces(), "", SPACE, |space| {
        object::set(space, "/metadata/annotations/topology.istio.io~1controlPlaneClusters", json!(id));
    });
    let (name, labels) =
        (revision.istiod(), json!({"app.kubernetes.io/name": "istiod", "istio.io/rev": revision.name}));
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": SPACE, "labels": labels},
        "spec": {"ports": [{"name": "tcp-istiod", "port": 15012, "protocol": "TCP"}, {"name": "tcp-webhook", "port": 443, "targetPort": 15017, "protocol": "TCP"}]}});
    put(world, cluster, resources::services(), service);
    let slice = json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {"name": name, "namespace": SPACE, "labels": {"kubernetes.io/service-name": name, "app.kubernetes.io/name": "istiod"}},
        "endpoints": [{"addresses": [address]}],
        "ports": [{"name": "tcp-istiod", "port": 15012, "protocol": "TCP"}, {"name": "tcp-webhook", "port": 15017, "protocol": "TCP"}]});
    put(world, cluster, resources::endpointslices(), slice);
    injector(world, cluster, revision, files);
}

/// The address of the east-west gateway of a cluster.
fn gateway_address(world: &World, cluster: usize) -> Option<String> {
    let mut services = world.clusters[cluster].store.list(resources::services(), Some(SPACE));
    let gateway = services.find(|service| object::label(service, "topology.istio.io/network").is_some())?;
    Some(object::text(gateway, "/status/loadBalancer/ingress/0/ip").to_owned())
}
