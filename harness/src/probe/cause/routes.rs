//! Why requests that have come through a gateway are not answered as expected.

use std::collections::BTreeSet;

use meshdrill_checks::observe::gateways::{destinations, injects_faults, service_of};
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
    let mut hosts: Vec<String> = Vec::new();
    let to = |routes: &[&Value]| {
        routes.iter().flat_map(|route| destinations(route)).map(|(host, _)| host).collect::<BTreeSet<String>>()
    };
    hosts.extend(to(bound));
    namespaces.extend(hosts.iter().filter_map(|host| Some(service_of(host)?.0.to_owned())));
    let near: Vec<&Value> = all.iter().filter(|route| namespaces.contains(&PodRef::of(route).namespace)).collect();
    hosts.extend(to(&near));
    for namespace in &namespaces {
        let path = format!("/api/v1/namespaces/{namespace}/services");
        let services = objects(cluster, &path, None).await.unwrap_or_default();
        hosts.extend(services.iter().map(|service| configured_host(&PodRef::of(service).name, namespace)));
    }
    let mut causes = Vec::new();
    if status == Some(DENIED) {
        causes.extend(policies(cluster, &namespaces).await);
    }
    let told = |what: &str, of: &Value| format!("{what} {} in {}", PodRef::of(of), cluster.key);
    causes.extend(
        near.iter()
            .filter(|route| injects_faults(route))
            .map(|route| told("VirtualService", route) + " injects faults"),
    );
    let rules = objects(cluster, DESTINATION_RULES, None).await;
    let near_rules = rules.iter().flatten().filter(|rule| namespaces.contains(&PodRef::of(rule).namespace));
    causes.extend(near_rules.filter(|rule| turns_tls_off(rule)).map(|rule| {
        let host = rule["spec"]["host"].as_str().unwrap_or_default();
        told("DestinationRule", rule) + &format!(" turns mutual TLS to {host} off")
    }));
    for (route, host, subset) in near.iter().flat_map(|route| {
        destinations(route).into_iter().filter_map(move |(host, subset)| Some((route, host, subset?)))
    }) {
        let defines = |rule: &Value| {
            let subsets = rule["spec"]["subsets"].as_array();
            rule_host(rule) == host && subsets.into_iter().flatten().any(|one| one["name"] == subset.as_str())
        };
        if rules.as_ref().is_some_and(|rules| !rules.iter().any(defines)) {
            causes.push(
                told("VirtualService", route)
                    + &format!(" leads to subset {subset} of {host}, which no DestinationRule defines"),
            );
        }
    }
    let mut seen = BTreeSet::new();
    for host in hosts {
        if let Some((namespace, name)) = service_of(&host)
            && seen.insert(host.clone())
        {
            causes.extend(of_service(cluster, namespace, name).await);
        }
    }
    for namespace in &namespaces {
        causes.extend(of_pods(cluster, namespace, "").await);
    }
    causes
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
