//! Why an ingress gateway does not respond as expected.

use std::collections::BTreeSet;
use std::sync::Arc;

use meshdrill_checks::observe::gateways::Gateway;
use meshdrill_checks::observe::kube::Service;
use meshdrill_checks::observe::routing::{is_for_host, may_route};

use super::gateway::{Configured, gateway_configuration, is_configured_otherwise};
use super::routes::route_causes;
use super::service::found_service_causes;
use super::{Asked, objects, some};
use crate::cluster::{Cluster, Object, VIRTUAL_SERVICES, World, ingress_services};

/// The causes, for the ingress gateways with the address of the request.
pub(super) async fn ingress_causes(world: &World, cluster: &Arc<Cluster>, asked: &Asked) -> Vec<String> {
    let Ok(services) = ingress_services(cluster).await else { return Vec::new() };
    let has_address = |service: &&Object| {
        let read = Service::read(service);
        read.is_ok_and(|read| read.load_balancer.iter().any(|address| address.as_str() == asked.address))
    };
    let mut causes = Vec::new();
    for service in services.iter().filter(has_address) {
        let empty = found_service_causes(cluster, service).await;
        if empty.is_empty() {
            causes.extend(configured(world, cluster, service, asked).await.unwrap_or_default());
        }
        causes.extend(empty);
    }
    causes
}

/// What is missing in the configuration of a gateway with pods.
async fn configured(world: &World, cluster: &Arc<Cluster>, service: &Object, asked: &Asked) -> Option<Vec<String>> {
    let gateways = match gateway_configuration(cluster, service, asked.port).await? {
        Configured::By(gateways) => gateways,
        Configured::Not(causes) => return Some(causes),
    };
    if !asked.connected {
        return None;
    }
    let routes = objects(cluster, VIRTUAL_SERVICES, None).await?;
    let bound = match bound(cluster, gateways, &routes, asked) {
        Ok(bound) => bound,
        // Any response comes from a workload, or from something that routes without a VirtualService.
        Err(_) if asked.answered || is_configured_otherwise(cluster).await => Vec::new(),
        Err(why) => return Some(vec![why]),
    };
    Some(route_causes(world, cluster, &routes, &bound, BTreeSet::new(), asked).await)
}

/// The routes that such a request may take at these gateways, or why it can take none.
fn bound<'a>(
    cluster: &Cluster,
    mut gateways: Vec<Gateway>,
    routes: &'a [Object],
    asked: &Asked,
) -> Result<Vec<&'a Object>, String> {
    let names = |gateways: &[Gateway]| some(&gateways.iter().map(Gateway::to_string).collect::<Vec<_>>());
    let Asked { host, port, path, .. } = asked;
    let all = names(&gateways);
    gateways.retain(|gateway| gateway.servers.iter().any(|server| server.may_take(host)));
    if gateways.is_empty() {
        return Err(format!("no server of {all} in {} is for host {host} at port {port}", cluster.key));
    }
    let none = format!("no VirtualService in {}", cluster.key);
    let to = format!("bound to {}", names(&gateways));
    let is_bound = |route: &&Object| gateways.iter().any(|gateway| gateway.is_bound(route));
    let mut bound: Vec<&Object> = routes.iter().filter(is_bound).collect();
    if bound.is_empty() {
        return Err(format!("{none} is {to}"));
    }
    bound.retain(|route| is_for_host(route, host));
    if bound.is_empty() {
        return Err(format!("{none} that is {to} is for host {host}"));
    }
    if !bound.iter().any(|route| may_route(route, path)) {
        return Err(format!("{none} that is {to} for host {host} has a route for path {path}"));
    }
    Ok(bound)
}
