//! Why a proxy has too few endpoints of a service.

use std::collections::BTreeSet;
use std::sync::Arc;

use meshdrill_checks::observe::gateways::service_of;
use meshdrill_checks::observe::routing::{rule_host, turns_tls_off};
use serde_json::Value;

use super::gateway::{Configured, of_gateway};
use super::service::of_service;
use super::{DESTINATION_RULES, objects, of_pods};
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
    let defined = subset_labels(at, host).await;
    for subset in subsets.iter().filter(|subset| !subset.is_empty()) {
        if let Some(defined) = &defined
            && !defined.iter().any(|(own, _)| own == subset)
        {
            causes.push(format!("no DestinationRule in {} defines subset {subset} of {host}", at.key));
        }
    }
    for owner in owners.iter().filter_map(|key| world.clusters.get(key)) {
        let empty = of_service(owner, namespace, name).await;
        if !empty.is_empty() {
            causes.extend(empty);
            continue;
        }
        let before = causes.len();
        let selector = service_selector(owner, namespace, name).await;
        for (subset, labels) in defined.iter().flatten().filter(|(subset, _)| subsets.contains(subset)) {
            let selector: Vec<&str> =
                [&selector, labels].into_iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
            causes.extend(of_subset(owner, namespace, subset, &selector.join(",")).await);
        }
        if causes.len() == before && owner.key != at.key {
            causes.extend(plain(at, host).await);
            causes.extend(accepts_plain(at, namespace).await);
            causes.extend(accepts_plain(owner, namespace).await);
            causes.extend(istiod::all_unsynced(at, &[owner.istio_id().to_owned()]).await.unwrap_or_default());
            causes.extend(of_way(owner).await);
        }
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
async fn accepts_plain(cluster: &Cluster, namespace: &str) -> Vec<String> {
    let path = "/apis/security.istio.io/v1/peerauthentications";
    let all = objects(cluster, path, None).await.unwrap_or_default();
    let near = all.iter().map(|policy| (policy, PodRef::of(policy))).filter(|(policy, of)| {
        let near = of.namespace == namespace || of.namespace == istiod::NAMESPACE;
        near && policy["spec"]["selector"].is_null() && policy["spec"]["mtls"]["mode"] == "DISABLE"
    });
    near.map(|(_, of)| format!("PeerAuthentication {of} in {} turns mutual TLS off, {NEEDED}", cluster.key)).collect()
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
        if empty.is_empty()
            && let Some(Configured::Not(why)) = of_gateway(cluster, service, Some(15443)).await
        {
            causes.extend(why);
        }
        causes.extend(empty);
    }
    causes
}
