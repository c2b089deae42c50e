//! Why requests that have come through a gateway are not answered as expected.

use std::collections::BTreeSet;

use meshdrill_checks::observe::gateways::{destinations, injects_faults, service_of};
use meshdrill_checks::observe::kube::Endpoints;
use meshdrill_checks::observe::routing::{configured_host, rule_host, turns_tls_off};
use serde_json::Value;

use super::service::of_service;
use super::{DESTINATION_RULES, VIRTUAL_SERVICES, objects, of_pods};
use crate::cluster::{Cluster, PodRef};

/// The status of a proxy that a policy tells to let nobody pass.
const DENIED: u64 = 403;

/// Why a workload of a namespace, asked directly, does not answer as expected.
pub(super) async fn of_inside(cluster: &Cluster, namespace: &str, status: Option<u64>) -> Vec<String> {
    let all = objects(cluster, VIRTUAL_SERVICES, None).await.unwrap_or_default();
    of_routes(cluster, &all, &[], BTreeSet::from([namespace.to_owned()]), status).await
}

/// Of all `VirtualServices` of a cluster, those bound to the gateway that was asked, and the status that was answered: why that
/// may be so. What answers is often farther behind, so the namespaces that those lead to are looked through as well.
pub(super) async fn of_routes(
    cluster: &Cluster,
    all: &[Value],
    bound: &[&Value],
    mut namespaces: BTreeSet<String>,
    status: Option<u64>,
) -> Vec<String> {
    let to = |routes: &[&Value]| {
        routes.iter().flat_map(|route| destinations(route)).map(|(host, _)| host).collect::<BTreeSet<String>>()
    };
    let mut hosts = to(bound);
    namespaces.extend(hosts.iter().filter_map(|host| Some(service_of(host)?.0.to_owned())));
    let near: Vec<&Value> = all.iter().filter(|route| namespaces.contains(&PodRef::of(route).namespace)).collect();
    hosts.extend(to(&near));
    let mut causes = Vec::new();
    if status == Some(DENIED) {
        causes.extend(policies(cluster, &namespaces).await);
    }
    let told = |what: &str, of: &Value| format!("{what} {} in {}", PodRef::of(of), cluster.key);
    let faulty = near.iter().filter(|route| injects_faults(route));
    causes.extend(faulty.map(|route| told("VirtualService", route) + " injects faults"));
    let rules = objects(cluster, DESTINATION_RULES, None).await;
    let near_rules = rules.iter().flatten().filter(|rule| namespaces.contains(&PodRef::of(rule).namespace));
    causes.extend(near_rules.filter(|rule| turns_tls_off(rule)).map(|rule| {
        let host = rule["spec"]["host"].as_str().unwrap_or_default();
        told("DestinationRule", rule) + &format!(" turns mutual TLS to {host} off")
    }));
    for (route, host, subset) in near.iter().flat_map(|route| {
        destinations(route).into_iter().filter_map(move |(host, subset)| Some((route, host, subset?)))
    }) {
        if rules.as_ref().is_some_and(|rules| !rules.iter().any(|rule| defines(rule, &host, &subset))) {
            let what = format!(" leads to subset {subset} of {host}, which no DestinationRule defines");
            causes.push(told("VirtualService", route) + &what);
        }
    }
    // Those with something behind them need no closer look.
    let mut served = BTreeSet::new();
    for namespace in &namespaces {
        for (name, ready) in services(cluster, namespace).await.unwrap_or_default() {
            let host = configured_host(&name, namespace);
            if ready {
                served.insert(host.clone());
            }
            hosts.insert(host);
        }
    }
    for (namespace, name) in hosts.difference(&served).filter_map(|host| service_of(host)) {
        causes.extend(of_service(cluster, namespace, name).await);
    }
    for namespace in &namespaces {
        causes.extend(of_pods(cluster, namespace, "").await);
    }
    causes
}

/// Whether a `DestinationRule` defines a subset of a host.
fn defines(rule: &Value, host: &str, subset: &str) -> bool {
    let subsets = rule["spec"]["subsets"].as_array();
    rule_host(rule) == host && subsets.into_iter().flatten().any(|one| one["name"] == subset)
}

/// The Services of a namespace, and whether something ready stands behind each.
async fn services(cluster: &Cluster, namespace: &str) -> Option<Vec<(String, bool)>> {
    let services = objects(cluster, &format!("/api/v1/namespaces/{namespace}/services"), None).await?;
    let slices = format!("/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices");
    let slices = objects(cluster, &slices, None).await?;
    let names = services.iter().map(|service| PodRef::of(service).name);
    let ready = |name: &str| Endpoints::read(&slices, name).is_ok_and(|endpoints| endpoints.ready() > 0);
    Some(
        names
            .map(|name| {
                let ready = ready(&name);
                (name, ready)
            })
            .collect(),
    )
}

/// The policies that let pass or hold back in these namespaces.
async fn policies(cluster: &Cluster, namespaces: &BTreeSet<String>) -> Vec<String> {
    let path = "/apis/security.istio.io/v1/authorizationpolicies";
    let all = objects(cluster, path, None).await.unwrap_or_default();
    let near = all.iter().filter(|policy| {
        let own = PodRef::of(policy).namespace;
        namespaces.contains(&own) || own == crate::probe::istiod::NAMESPACE
    });
    near.map(|policy| format!("AuthorizationPolicy {} in {} may deny it", PodRef::of(policy), cluster.key)).collect()
}
