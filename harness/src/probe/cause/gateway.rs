//! Why a gateway does not answer as expected.

use std::collections::BTreeSet;
use std::sync::Arc;

use meshdrill_checks::observe::gateways::Gateway;
use meshdrill_checks::observe::kube::{Pod, Service};
use meshdrill_checks::observe::routing::{is_for_host, may_route};
use serde_json::Value;

use super::routes::of_routes;
use super::service::of_found_service;
use super::{Asked, objects, some};
use crate::cluster::{Cluster, VIRTUAL_SERVICES, World, ingress_services, label_selector, select_pods};
use crate::probe::istiod;

/// Why the ingress gateways that have the asked address do not answer as expected.
pub(super) async fn of_ingress(world: &World, cluster: &Arc<Cluster>, asked: &Asked) -> Vec<String> {
    let Ok(services) = ingress_services(cluster).await else { return Vec::new() };
    let has_address = |service: &&Value| {
        let read = Service::read(service);
        read.is_ok_and(|read| read.load_balancer.iter().any(|address| address.as_str() == asked.address))
    };
    let mut causes = Vec::new();
    for service in services.iter().filter(has_address) {
        let empty = of_found_service(cluster, service).await;
        if empty.is_empty() {
            causes.extend(configured(world, cluster, service, asked).await.unwrap_or_default());
        }
        causes.extend(empty);
    }
    causes
}

/// What the configuration of a gateway with pods lacks.
async fn configured(world: &World, cluster: &Arc<Cluster>, service: &Value, asked: &Asked) -> Option<Vec<String>> {
    let gateways = match of_gateway(cluster, service, asked.port).await? {
        Configured::By(gateways) => gateways,
        Configured::Not(causes) => return Some(causes),
    };
    if !asked.connected {
        return None;
    }
    let routes = objects(cluster, VIRTUAL_SERVICES, None).await?;
    let bound = match bound(cluster, gateways, &routes, asked) {
        Ok(bound) => bound,
        // Whatever the status, it comes from what stands behind, or from something that routes otherwise.
        Err(_) if asked.answered || is_configured_otherwise(cluster).await => Vec::new(),
        Err(why) => return Some(vec![why]),
    };
    Some(of_routes(world, cluster, &routes, &bound, BTreeSet::new(), asked).await)
}

/// The routes that requests like this one may take at the servers of these gateways; why they can take none, if so.
fn bound<'a>(
    cluster: &Cluster,
    mut gateways: Vec<Gateway>,
    routes: &'a [Value],
    asked: &Asked,
) -> Result<Vec<&'a Value>, String> {
    let names = |gateways: &[Gateway]| some(&gateways.iter().map(Gateway::to_string).collect::<Vec<_>>());
    let Asked { host, port, path, .. } = asked;
    let all = names(&gateways);
    gateways.retain(|gateway| gateway.servers.iter().any(|server| server.may_take(host)));
    if gateways.is_empty() {
        return Err(format!("no server of {all} in {} is for host {host} at port {port}", cluster.key));
    }
    let none = format!("no VirtualService in {}", cluster.key);
    let to = format!("bound to {}", names(&gateways));
    let is_bound = |route: &&Value| gateways.iter().any(|gateway| gateway.is_bound(route));
    let mut bound: Vec<&Value> = routes.iter().filter(is_bound).collect();
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

/// Whether a gateway is configured at all.
pub(super) enum Configured {
    /// By these, of which only the servers at that port are told.
    By(Vec<Gateway>),
    /// It is not, for these reasons.
    Not(Vec<String>),
}

/// What configures the pods of a gateway's Service at a port. Nothing where that cannot be told, as of gateways that are not, or
/// may not be, configured by `Gateway`s of their own cluster.
pub(super) async fn of_gateway(cluster: &Cluster, service: &Value, port: u16) -> Option<Configured> {
    let read = Service::read(service).ok()?;
    if read.labels.contains_key("gateway.networking.k8s.io/gateway-name") {
        return None;
    }
    let place = format!("{}/{} in {}", read.namespace, read.name, cluster.key);
    let pods = select_pods(cluster, &read.namespace, &label_selector(&service["spec"]["selector"])).await.ok()?;
    let labels = pods.iter().find_map(|pod| Some(Pod::read(pod).ok()?.labels))?;
    let all = objects(cluster, "/apis/networking.istio.io/v1/gateways", None).await?;
    let all: Vec<Gateway> = all.iter().map(Gateway::read).collect();
    let (own, others): (Vec<Gateway>, Vec<Gateway>) = all.into_iter().partition(|gateway| gateway.selects(&labels));
    if own.is_empty() {
        if is_configured_otherwise(cluster).await {
            return None;
        }
        let mut causes = vec![format!("no Gateway selects the pods of {place}")];
        for gateway in &others {
            causes.extend(missed(cluster, gateway).await);
        }
        return Some(Configured::Not(causes));
    }
    let target: Option<u16> = read.port(port).and_then(|port| port.target.parse().ok());
    let mut listening = own.clone();
    for gateway in &mut listening {
        gateway.servers.retain(|server| server.port == port || Some(server.port) == target);
    }
    listening.retain(|gateway| !gateway.servers.is_empty());
    if !listening.is_empty() {
        return Some(Configured::By(listening));
    }
    // A port that leads to a named one, or that the Service does not have, says nothing.
    target?;
    let names: Vec<String> = own.iter().map(Gateway::to_string).collect();
    Some(Configured::Not(vec![format!("{} of {} has no server at port {port}", some(&names), cluster.key)]))
}

/// Whether something else than `Gateway`s of this cluster may configure its gateways: a control plane elsewhere, Ingresses, or
/// the Gateway API attached to them by their addresses.
async fn is_configured_otherwise(cluster: &Cluster) -> bool {
    let ingresses = objects(cluster, "/apis/networking.k8s.io/v1/ingresses", None).await;
    let attached = objects(cluster, "/apis/gateway.networking.k8s.io/v1/gateways", None).await;
    let has_addresses = |gateway: &Value| gateway["spec"]["addresses"].as_array().is_some_and(|all| !all.is_empty());
    !istiod::is_there(cluster).await
        || ingresses.is_some_and(|all| !all.is_empty())
        || attached.is_some_and(|all| all.iter().any(has_addresses))
}

/// That a Gateway selects no pod of its cluster, if so.
async fn missed(cluster: &Cluster, gateway: &Gateway) -> Option<String> {
    let labels: Vec<String> = gateway.selector.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let selector = labels.join(",");
    let pods = objects(cluster, "/api/v1/pods", Some(&selector)).await?;
    pods.is_empty().then(|| format!("{gateway} selects no pod: none in {} has {selector}", cluster.key))
}
