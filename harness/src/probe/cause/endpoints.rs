//! Why a proxy has too few endpoints of a service.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::future::join_all;
use meshdrill_checks::observe::gateways::service_of;
use meshdrill_checks::observe::routing::{accepts_plain, rule_host, turns_tls_off};
use serde_json::Value;

use super::gateway::{Configured, of_gateway};
use super::service::of_service;
use super::{DESTINATION_RULES, objects, of_pods, within};
use crate::cluster::{Cluster, PodRef, World, east_west_services, label_selector};
use crate::probe::istiod;

/// Why mutual TLS matters between clusters.
const NEEDED: &str = "which the way to another network needs";

/// Why a proxy of cluster `at` has too few endpoints of a host: in these subsets, of these clusters.
pub(in crate::probe) async fn of_endpoints(
    world: &World,
    at: &Arc<Cluster>,
    host: &str,
    subsets: &BTreeSet<String>,
    owners: &BTreeSet<String>,
) -> Vec<String> {
    let Some((namespace, name)) = service_of(host) else { return Vec::new() };
    let mut causes = Vec::new();
    // Where the control plane is elsewhere, so are the rules.
    let defined = if istiod::is_there(at).await { subset_labels(at, host).await } else { None };
    for subset in subsets.iter().filter(|subset| !subset.is_empty()) {
        if let Some(defined) = &defined
            && !defined.iter().any(|(own, _)| own == subset)
        {
            causes.push(format!("no DestinationRule in {} defines subset {subset} of {host}", at.key));
        }
    }
    let owners = owners.iter().filter_map(|key| world.clusters.get(key));
    let of = owners.map(|owner| within(of_owner(at, owner, (namespace, name), host, subsets, defined.as_deref())));
    causes.extend(join_all(of).await.concat());
    causes
}

/// Why endpoints of one cluster are missing.
async fn of_owner(
    at: &Arc<Cluster>,
    owner: &Cluster,
    (namespace, name): (&str, &str),
    host: &str,
    subsets: &BTreeSet<String>,
    defined: Option<&[(String, String)]>,
) -> Vec<String> {
    let mut causes = of_service(owner, namespace, name).await;
    if !causes.is_empty() {
        return causes;
    }
    let selector = service_selector(owner, namespace, name).await;
    for (subset, labels) in defined.into_iter().flatten().filter(|(subset, _)| subsets.contains(subset)) {
        let parts = [&selector, labels].into_iter().map(String::as_str).filter(|part| !part.is_empty());
        let selector = parts.collect::<Vec<_>>().join(",");
        causes.extend(of_subset(owner, namespace, subset, &selector).await);
    }
    if causes.is_empty() && owner.key != at.key {
        let networks = (at.spec.network.as_deref(), owner.spec.network.as_deref());
        if let (Some(here), Some(there)) = networks
            && here != there
        {
            causes.extend(plain(at, host).await);
            causes.extend(accepting_plain(at, namespace).await);
            causes.extend(accepting_plain(owner, namespace).await);
            causes.extend(of_way(owner).await);
        }
        causes.extend(istiod::all_unsynced(at, &[owner.istio_id().to_owned()]).await.unwrap_or_default());
    }
    causes
}

/// That a rule turns mutual TLS to a host off, if so: what is sent in plain text does not reach another network.
async fn plain(cluster: &Cluster, host: &str) -> Vec<String> {
    let all = objects(cluster, DESTINATION_RULES, None).await.unwrap_or_default();
    let of = all.iter().filter(|rule| rule_host(rule) == host && turns_tls_off(rule));
    of.map(|rule| format!("DestinationRule {} in {} turns mutual TLS off, {NEEDED}", PodRef::of(rule), cluster.key))
        .collect()
}

/// The same of a policy for what a namespace accepts.
async fn accepting_plain(cluster: &Cluster, namespace: &str) -> Option<String> {
    let all = objects(cluster, "/apis/security.istio.io/v1/peerauthentications", None).await?;
    let policy = PodRef::of(accepts_plain(&all, namespace, istiod::NAMESPACE)?);
    Some(format!("PeerAuthentication {policy} in {} turns mutual TLS off, {NEEDED}", cluster.key))
}

/// The subsets of a host that `DestinationRules` define, with their labels; nothing if that may not be asked.
async fn subset_labels(cluster: &Cluster, host: &str) -> Option<Vec<(String, String)>> {
    let rules = objects(cluster, DESTINATION_RULES, None).await?;
    let of = rules.iter().filter(|rule| rule_host(rule) == host);
    let subsets = of.flat_map(|rule| rule["spec"]["subsets"].as_array().into_iter().flatten());
    Some(
        subsets
            .map(|one| (one["name"].as_str().unwrap_or_default().to_owned(), label_selector(&one["labels"])))
            .collect(),
    )
}

async fn service_selector(cluster: &Cluster, namespace: &str, name: &str) -> String {
    let path = format!("/api/v1/namespaces/{namespace}/services/{name}");
    cluster.get::<Value>(&path).await.map(|service| label_selector(&service["spec"]["selector"])).unwrap_or_default()
}

/// That no pod of a subset is ready, and why.
async fn of_subset(cluster: &Cluster, namespace: &str, subset: &str, selector: &str) -> Vec<String> {
    match crate::cluster::ready_pods(cluster, namespace, selector).await {
        Ok(pods) if pods.is_empty() => {
            let mut causes = of_pods(cluster, namespace, selector).await;
            causes.insert(
                0,
                format!("no ready pod of {namespace} in {} is of subset {subset} ({selector})", cluster.key),
            );
            causes
        }
        _ => Vec::new(),
    }
}

/// What is wrong with the way into a cluster: its east-west gateways.
async fn of_way(cluster: &Cluster) -> Vec<String> {
    let Ok(services) = east_west_services(cluster).await else { return Vec::new() };
    let mut causes = Vec::new();
    for service in &services {
        let of = PodRef::of(service);
        let empty = of_service(cluster, &of.namespace, &of.name).await;
        let told = service["metadata"]["labels"]["networking.istio.io/gatewayPort"].as_str();
        let port = told.and_then(|port| port.parse().ok()).unwrap_or(15443);
        if empty.is_empty()
            && let Some(Configured::Not(why)) = of_gateway(cluster, service, port).await
        {
            causes.extend(why);
        }
        causes.extend(empty);
    }
    causes
}
