//! Why a gateway does not answer as expected.

use std::collections::BTreeSet;

use meshdrill_checks::observe::gateways::Gateway;
use meshdrill_checks::observe::kube::{Pod, Service};
use serde_json::Value;

use super::routes::of_routes;
use super::service::of_service;
use super::{VIRTUAL_SERVICES, objects, some};
use crate::cluster::{Cluster, PodRef, ingress_services, label_selector, select_pods};

/// Why a cluster's ingress gateways do not answer at a port, or that of HTTP, as expected: not at all, or with this status.
pub(super) async fn of_ingress(cluster: &Cluster, port: Option<u16>, status: Option<u64>) -> Vec<String> {
    let Ok(services) = ingress_services(cluster).await else { return Vec::new() };
    let mut causes = Vec::new();
    for service in &services {
        let of = PodRef::of(service);
        let empty = of_service(cluster, &of.namespace, &of.name).await;
        if empty.is_empty() {
            causes.extend(configured(cluster, service, port, status).await.unwrap_or_default());
        }
        causes.extend(empty);
    }
    causes
}

/// What the configuration of a gateway with pods lacks.
async fn configured(cluster: &Cluster, service: &Value, port: Option<u16>, status: Option<u64>) -> Option<Vec<String>> {
    let gateways = match of_gateway(cluster, service, port).await? {
        Configured::By(gateways) => gateways,
        Configured::Not(causes) => return Some(causes),
    };
    let routes = objects(cluster, VIRTUAL_SERVICES, None).await?;
    let bound: Vec<&Value> =
        routes.iter().filter(|route| gateways.iter().any(|gateway| gateway.is_bound(route))).collect();
    if bound.is_empty() {
        let names: Vec<String> = gateways.iter().map(Gateway::to_string).collect();
        return Some(vec![format!("no VirtualService in {} is bound to {}", cluster.key, some(&names))]);
    }
    Some(of_routes(cluster, &routes, &bound, BTreeSet::new(), status).await)
}

/// Whether a gateway is configured at all.
pub(super) enum Configured {
    /// By these.
    By(Vec<Gateway>),
    /// It is not, for these reasons.
    Not(Vec<String>),
}

/// What configures the pods of a gateway's Service at a port: one that is named, or that of HTTP. Nothing where that cannot be
/// told, as of gateways that are not configured by Istio's `Gateway`s.
pub(super) async fn of_gateway(cluster: &Cluster, service: &Value, port: Option<u16>) -> Option<Configured> {
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
        let mut causes = vec![format!("no Gateway selects the pods of {place}")];
        for gateway in &others {
            causes.extend(missed(cluster, gateway).await);
        }
        return Some(Configured::Not(causes));
    }
    let port = port.or_else(|| {
        read.ports.iter().find(|port| port.port == 80 || port.name.starts_with("http")).map(|port| port.port)
    });
    let Some(port) = port.and_then(|port| read.port(port)) else { return Some(Configured::By(own)) };
    let target: Option<u16> = port.target.parse().ok();
    let open = |gateway: &Gateway| gateway.ports.iter().any(|own| *own == port.port || Some(*own) == target);
    let listening: Vec<Gateway> = own.iter().filter(|gateway| open(gateway)).cloned().collect();
    if listening.is_empty() && target.is_some() {
        let names: Vec<String> = own.iter().map(Gateway::to_string).collect();
        return Some(Configured::Not(vec![format!(
            "{} of {} has no server at port {}",
            some(&names),
            cluster.key,
            port.port
        )]));
    }
    Some(Configured::By(if listening.is_empty() { own } else { listening }))
}

/// That a Gateway selects no pod of its cluster, if so.
async fn missed(cluster: &Cluster, gateway: &Gateway) -> Option<String> {
    let labels: Vec<String> = gateway.selector.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let selector = labels.join(",");
    let pods = objects(cluster, "/api/v1/pods", Some(&selector)).await?;
    pods.is_empty().then(|| format!("{gateway} selects no pod: none in {} has {selector}", cluster.key))
}
