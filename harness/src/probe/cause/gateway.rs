//! Whether a `Gateway` configures the pods of a gateway at a port.

use meshdrill_checks::observe::gateways::Gateway;
use meshdrill_checks::observe::kube::{Pod, Service};

use super::{objects, some};
use crate::cluster::{Cluster, Object, label_selector, select_pods};
use crate::probe::istiod;

/// The configuration of a gateway.
pub(super) enum Configured {
    /// The `Gateway`s that configure it, with only their servers at that port.
    By(Vec<Gateway>),
    /// Nothing configures it, for these reasons.
    Not(Vec<String>),
}

/// The configuration of the pods of a gateway's Service at a port. None if it is unknown, such as for gateways that
/// something other than a `Gateway` of their own cluster configures, or may configure.
pub(super) async fn gateway_configuration(cluster: &Cluster, service: &Object, port: u16) -> Option<Configured> {
    let read = Service::read(service).ok()?;
    if read.labels.contains_key("gateway.networking.k8s.io/gateway-name") {
        return None;
    }
    let place = format!("{}/{} in {}", read.namespace, read.name, cluster.key);
    let pods = select_pods(cluster, &read.namespace, &label_selector(&service["spec"]["selector"])).await.ok()?;
    let labels = pods.iter().find_map(|pod| Some(Pod::read(pod).ok()?.labels))?;
    let all = objects(cluster, "/apis/networking.istio.io/v1/gateways", None).await?;
    let all: Vec<Gateway> = all.iter().map(|gateway| Gateway::read(gateway)).collect();
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
    // A named target port, or a port that the Service does not have, shows nothing.
    target?;
    let names: Vec<String> = own.iter().map(Gateway::to_string).collect();
    Some(Configured::Not(vec![format!("{} of {} has no server at port {port}", some(&names), cluster.key)]))
}

/// Whether something other than a `Gateway` of this cluster may configure its gateways: an external control plane, an
/// Ingress, or the Gateway API attached by address.
pub(in crate::probe) async fn is_configured_otherwise(cluster: &Cluster) -> bool {
    let ingresses = objects(cluster, "/apis/networking.k8s.io/v1/ingresses", None).await;
    let attached = objects(cluster, "/apis/gateway.networking.k8s.io/v1/gateways", None).await;
    let has_addresses = |gateway: &Object| gateway["spec"]["addresses"].as_array().is_some_and(|all| !all.is_empty());
    !istiod::is_there(cluster).await
        || ingresses.is_some_and(|all| !all.is_empty())
        || attached.is_some_and(|all| all.iter().any(has_addresses))
}

/// Reports a `Gateway` that selects no pod of its cluster.
async fn missed(cluster: &Cluster, gateway: &Gateway) -> Option<String> {
    let labels: Vec<String> = gateway.selector.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let selector = labels.join(",");
    let pods = objects(cluster, "/api/v1/pods", Some(&selector)).await?;
    pods.is_empty().then(|| format!("{gateway} selects no pod: none in {} has {selector}", cluster.key))
}
