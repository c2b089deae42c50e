//! Why a proxy has too few endpoints of a service.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::future::join_all;
use meshdrill_checks::observe::routing::{accepts_plain, rule_host, service_of, turns_tls_off};
use serde_json::Value;

use super::gateway::{Configured, gateway_configuration};
use super::pods::found_pod_causes;
use super::ports::port_name_cause;
use super::service::{find, found_service_causes};
use super::{DESTINATION_RULES, objects, within};
use crate::cluster::{
    Cluster, Object, World, advertised_port, east_west_services, is_serving, label_selector, select_pods,
};
use crate::probe::istiod;

/// Why mutual TLS matters between networks.
const NEEDED: &str = "which traffic to another network needs";

/// Why a proxy in cluster `at` has too few endpoints of a host, in these subsets and of these clusters.
pub(in crate::probe) async fn endpoint_causes(
    world: &World,
    at: &Arc<Cluster>,
    host: &str,
    subsets: &BTreeSet<String>,
    owners: &BTreeSet<String>,
) -> Vec<String> {
    let Some((namespace, name)) = service_of(host) else { return Vec::new() };
    let mut causes = Vec::new();
    let rules = objects(at, DESTINATION_RULES, None).await;
    let rules: Option<Vec<&Object>> =
        rules.as_ref().map(|rules| rules.iter().filter(|rule| rule_host(rule) == host).collect());
    // With an external control plane, the rules are elsewhere too.
    let defined = if istiod::is_there(at).await { rules.as_deref().map(subset_labels) } else { None };
    let plain = plain(at, rules.as_deref().unwrap_or_default());
    for subset in subsets.iter().filter(|subset| !subset.is_empty()) {
        if let Some(defined) = &defined
            && !defined.iter().any(|(own, _)| own == subset)
        {
            causes.push(format!("no DestinationRule in {} defines subset {subset} of {host}", at.key));
        }
    }
    let (defined, plain) = (defined.as_deref(), plain.as_slice());
    let of = owners.iter().map(|key| {
        within(async move {
            let Some(owner) = world.reach(key).await else { return Vec::new() };
            owner_causes(at, &owner, (namespace, name), subsets, defined, plain).await
        })
    });
    causes.extend(join_all(of).await.concat());
    causes
}

/// Why endpoints of one cluster are missing.
async fn owner_causes(
    at: &Arc<Cluster>,
    owner: &Cluster,
    (namespace, name): (&str, &str),
    subsets: &BTreeSet<String>,
    defined: Option<&[(String, String)]>,
    plain: &[String],
) -> Vec<String> {
    let service = match find(owner, namespace, name).await {
        Ok(service) => service,
        Err(cause) => return vec![cause],
    };
    let mut causes = found_service_causes(owner, &service).await;
    if !causes.is_empty() {
        return causes;
    }
    let selector = label_selector(&service["spec"]["selector"]);
    for (subset, labels) in defined.into_iter().flatten().filter(|(subset, _)| subsets.contains(subset)) {
        let parts = [&selector, labels].into_iter().map(String::as_str).filter(|part| !part.is_empty());
        let selector = parts.collect::<Vec<_>>().join(",");
        causes.extend(subset_causes(owner, namespace, subset, &selector).await);
    }
    if causes.is_empty() && owner.key != at.key {
        causes.extend(port_name_cause(at, owner, namespace, name).await);
        causes.extend(between(at, owner, &BTreeSet::from([namespace]), plain).await);
    }
    causes
}

/// What blocks traffic from one cluster to namespaces of another, where these rules turn mutual TLS off.
pub(super) async fn between(
    at: &Arc<Cluster>,
    owner: &Cluster,
    namespaces: &BTreeSet<&str>,
    plain: &[String],
) -> Vec<String> {
    let mut causes = Vec::new();
    let networks = (at.spec.network.as_deref(), owner.spec.network.as_deref());
    if let (Some(here), Some(there)) = networks
        && here != there
    {
        causes.extend_from_slice(plain);
        for namespace in namespaces {
            causes.extend(accepting_plain(at, namespace).await);
            causes.extend(accepting_plain(owner, namespace).await);
        }
        causes.extend(east_west_causes(owner).await);
    }
    causes.extend(istiod::all_unsynced(at, &[owner.istio_id().to_owned()]).await.unwrap_or_default());
    causes
}

/// Reports rules that turn mutual TLS to a host off: plain text does not reach another network.
fn plain(cluster: &Cluster, rules: &[&Object]) -> Vec<String> {
    let of = rules.iter().filter(|rule| turns_tls_off(rule));
    of.map(|rule| format!("DestinationRule {} in {} turns mutual TLS off, {NEEDED}", rule.object_ref(), cluster.key))
        .collect()
}

/// Reports a policy that turns mutual TLS off for a namespace.
async fn accepting_plain(cluster: &Cluster, namespace: &str) -> Option<String> {
    let all = objects(cluster, "/apis/security.istio.io/v1/peerauthentications", None).await?;
    let policy = accepts_plain(&all, namespace, istiod::NAMESPACE)?.object_ref();
    Some(format!("PeerAuthentication {policy} in {} turns mutual TLS off, {NEEDED}", cluster.key))
}

/// The subsets that `DestinationRules` define, with their labels.
fn subset_labels(rules: &[&Object]) -> Vec<(String, String)> {
    let subsets = rules.iter().flat_map(|rule| rule["spec"]["subsets"].as_array().into_iter().flatten());
    let name = |subset: &Value| subset["name"].as_str().unwrap_or_default().to_owned();
    subsets.map(|subset| (name(subset), label_selector(&subset["labels"]))).collect()
}

/// Why no pod of a subset is ready.
async fn subset_causes(cluster: &Cluster, namespace: &str, subset: &str, selector: &str) -> Vec<String> {
    match select_pods(cluster, namespace, selector).await {
        Ok(pods) if !pods.iter().any(is_serving) => {
            let what = format!("no ready pod in {namespace} ({}) belongs to subset {subset} ({selector})", cluster.key);
            let mut causes = found_pod_causes(cluster, namespace, selector, &pods).await;
            causes.insert(0, what);
            causes
        }
        _ => Vec::new(),
    }
}

/// What is wrong with the east-west gateways of a cluster.
async fn east_west_causes(cluster: &Cluster) -> Vec<String> {
    let Ok(services) = east_west_services(cluster).await else { return Vec::new() };
    let mut causes = Vec::new();
    for service in &services {
        let empty = found_service_causes(cluster, service).await;
        if empty.is_empty()
            && let Some(Configured::Not(why)) = gateway_configuration(cluster, service, advertised_port(service)).await
        {
            causes.extend(why);
        }
        causes.extend(empty);
    }
    causes
}
