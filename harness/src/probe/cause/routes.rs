//! Why requests that passed a gateway do not get the expected response.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::future::join_all;
use meshdrill_checks::observe::kube::Endpoints;
use meshdrill_checks::observe::routing::{
    configured_host, destinations, injects_faults, rule_host, service_of, turns_tls_off,
};
use serde_json::Value;

use super::hosts::route_hosts;
use super::ports::port_causes;
use super::service::{is_served, service_causes};
use super::split::{remote_route_causes, split_causes};
use super::{Asked, DESTINATION_RULES, objects, pod_causes, within};
use crate::cluster::{Cluster, Object, VIRTUAL_SERVICES, World};
use crate::probe::istiod;

/// The status of a proxy that an `AuthorizationPolicy` makes refuse a request.
const DENIED: u64 = 403;

/// Why a workload of a namespace does not respond as expected to a direct request.
pub(super) async fn workload_causes(
    world: &World,
    cluster: &Arc<Cluster>,
    namespace: &str,
    asked: &Asked,
) -> Vec<String> {
    let all = objects(cluster, VIRTUAL_SERVICES, None).await.unwrap_or_default();
    route_causes(world, cluster, &all, &[], BTreeSet::from([namespace.to_owned()]), asked).await
}

/// Why a request does not get the expected response; `bound` are the `VirtualServices` of its gateway among all. The cause is
/// often in the namespaces that these route to, in this cluster or in another one.
pub(super) async fn route_causes(
    world: &World,
    cluster: &Arc<Cluster>,
    all: &[Object],
    bound: &[&Object],
    mut namespaces: BTreeSet<String>,
    asked: &Asked,
) -> Vec<String> {
    let direct = route_hosts(bound);
    namespaces.extend(direct.iter().filter_map(|host| Some(service_of(host)?.0.to_owned())));
    let is_near = |route: &&Object| namespaces.contains(&route.object_ref().namespace) || bound.contains(route);
    let near: Vec<&Object> = all.iter().filter(is_near).collect();
    let others = world.others(&cluster.key);
    let others = others.iter().map(|other| within(remote_causes(world, other, &namespaces, asked)));
    let pods = async {
        let pods = namespaces.iter().map(|namespace| pod_causes(cluster, namespace, ""));
        join_all(pods).await.concat()
    };
    let ports = async {
        // With an external control plane, the effective routes are elsewhere too.
        let counted: &[&Object] = if istiod::is_there(cluster).await { &near } else { &[] };
        port_causes(cluster, counted, &namespaces).await
    };
    let (written, services, pods, denied, ways, ports, others, divided) = tokio::join!(
        within(written(cluster, &near, &namespaces)),
        within(unserved(world, cluster, &direct, &near, &namespaces)),
        within(pods),
        within(denied(cluster, &namespaces, asked)),
        remote_route_causes(world, cluster, &near, asked),
        within(ports),
        join_all(others),
        within(split_causes(cluster, &near, &namespaces, asked)),
    );
    // Certain causes come before settings that may be intended.
    [written, services, pods, denied, ways, ports, others.concat(), divided].concat()
}

/// What the routes, rules, policies and ports show in another cluster that may serve the request.
async fn remote_causes(world: &World, key: &str, namespaces: &BTreeSet<String>, asked: &Asked) -> Vec<String> {
    let Some(cluster) = world.reach(key).await else { return Vec::new() };
    let cluster = cluster.as_ref();
    // With an external control plane, the objects of this cluster have no effect.
    if !istiod::is_there(cluster).await {
        return Vec::new();
    }
    let all = objects(cluster, VIRTUAL_SERVICES, None).await.unwrap_or_default();
    let near: Vec<&Object> = all.iter().filter(|route| namespaces.contains(&route.object_ref().namespace)).collect();
    let (written, denied, ports) = tokio::join!(
        written(cluster, &near, namespaces),
        denied(cluster, namespaces, asked),
        port_causes(cluster, &near, namespaces)
    );
    [written, denied, ports].concat()
}

/// What the routes, and the rules of their namespaces, show.
async fn written(cluster: &Cluster, routes: &[&Object], namespaces: &BTreeSet<String>) -> Vec<String> {
    let name = |kind: &str, of: &Object| format!("{kind} {} in {}", of.object_ref(), cluster.key);
    let faulty = routes.iter().filter(|route| injects_faults(route));
    let mut causes: Vec<String> = faulty.map(|route| name("VirtualService", route) + " injects faults").collect();
    let filters = objects(cluster, "/apis/networking.istio.io/v1alpha3/envoyfilters", None).await.unwrap_or_default();
    let near = filters.iter().filter(|filter| namespaces.contains(&filter.object_ref().namespace));
    causes.extend(near.filter_map(|filter| {
        Some(name("EnvoyFilter", filter) + &format!(" adds {} to proxies", intervening(&filter["spec"])?))
    }));
    let Some(rules) = objects(cluster, DESTINATION_RULES, None).await else { return causes };
    let near = rules.iter().filter(|rule| namespaces.contains(&rule.object_ref().namespace));
    causes.extend(near.filter(|rule| turns_tls_off(rule)).map(|rule| {
        let host = rule["spec"]["host"].as_str().unwrap_or_default();
        name("DestinationRule", rule) + &format!(" turns mutual TLS to {host} off")
    }));
    let named = routes.iter().flat_map(|route| destinations(route).into_iter().map(move |to| (route, to)));
    for (route, (host, subset)) in named {
        if let Some(subset) = subset.filter(|subset| !rules.iter().any(|rule| defines(rule, &host, subset))) {
            let what = format!(" leads to subset {subset} of {host}, which no DestinationRule defines");
            causes.push(name("VirtualService", route) + &what);
        }
    }
    causes
}

/// The first filter in a part of an `EnvoyFilter` that may delay or refuse requests.
fn intervening(part: &Value) -> Option<&str> {
    const FILTERS: [&str; 6] = ["fault", "local_ratelimit", "ratelimit", "ext_authz", "lua", "wasm"];
    match part {
        Value::String(text) => {
            FILTERS.iter().any(|one| text.strip_prefix("envoy.filters.http.") == Some(*one)).then_some(text.as_str())
        }
        Value::Array(items) => items.iter().find_map(intervening),
        Value::Object(members) => members.values().find_map(intervening),
        _ => None,
    }
}

/// Reports the Services of these namespaces, and of the hosts that routes name, without endpoints in any cluster. A Service
/// that does not exist here counts even if another cluster has it: pods resolve names in their own cluster. Only a gateway
/// can route to it.
async fn unserved(
    world: &World,
    cluster: &Cluster,
    direct: &BTreeSet<String>,
    routes: &[&Object],
    namespaces: &BTreeSet<String>,
) -> Vec<String> {
    let mut served = BTreeMap::new();
    for namespace in namespaces {
        let Some(services) = services(cluster, namespace).await else { continue };
        served.extend(services.into_iter().map(|(name, ready)| (configured_host(&name, namespace), ready)));
    }
    let hosts: BTreeSet<String> =
        direct.iter().cloned().chain(route_hosts(routes)).chain(served.keys().cloned()).collect();
    let looked = hosts.iter().filter(|host| served.get(*host) != Some(&true)).map(|host| {
        let (exists, direct) = (served.contains_key(host), direct.contains(host));
        async move {
            let Some((namespace, name)) = service_of(host) else { return Vec::new() };
            let causes = service_causes(cluster, namespace, name).await;
            let elsewhere = (exists || direct) && !causes.is_empty();
            if elsewhere && is_served_elsewhere(world, cluster, namespace, name).await { Vec::new() } else { causes }
        }
    });
    join_all(looked).await.concat()
}

/// Whether another cluster has a ready endpoint of a Service.
async fn is_served_elsewhere(world: &World, cluster: &Cluster, namespace: &str, name: &str) -> bool {
    let others = world.others(&cluster.key);
    let served = others.iter().map(|other| async move {
        let Some(other) = world.reach(other).await else { return false };
        is_served(&other, namespace, name).await
    });
    join_all(served).await.contains(&true)
}

/// Whether a `DestinationRule` defines a subset of a host.
fn defines(rule: &Object, host: &str, subset: &str) -> bool {
    let subsets = rule["spec"]["subsets"].as_array();
    rule_host(rule) == host && subsets.into_iter().flatten().any(|one| one["name"] == subset)
}

/// The Services of a namespace, and whether each has a ready endpoint.
async fn services(cluster: &Cluster, namespace: &str) -> Option<Vec<(String, bool)>> {
    let services = objects(cluster, &format!("/api/v1/namespaces/{namespace}/services"), None).await?;
    let slices = format!("/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices");
    let slices = objects(cluster, &slices, None).await?;
    let names = services.iter().map(|service| service.object_ref().name);
    let ready = |name: String| {
        let ready = Endpoints::read(&slices, &name).is_ok_and(|endpoints| endpoints.ready() > 0);
        (name, ready)
    };
    Some(names.map(ready).collect())
}

/// The policies of these namespaces, and of Istio's root namespace, that may deny the request; none if it was not denied.
async fn denied(cluster: &Cluster, namespaces: &BTreeSet<String>, asked: &Asked) -> Vec<String> {
    if asked.status != Some(DENIED) {
        return Vec::new();
    }
    let path = "/apis/security.istio.io/v1/authorizationpolicies";
    let all = objects(cluster, path, None).await.unwrap_or_default();
    let near = all.iter().filter(|policy| {
        let own = policy.object_ref().namespace;
        let counts = policy["spec"]["action"] != "AUDIT" && policy.annotation("istio.io/dry-run") != Some("true");
        counts && (namespaces.contains(&own) || own == istiod::NAMESPACE)
    });
    near.map(|policy| format!("AuthorizationPolicy {} in {} may deny it", policy.object_ref(), cluster.key)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn some_filters_intervene() {
        let added = |name: &str| json!({ "configPatches": [{ "patch": { "value": { "name": name } } }] });
        assert_eq!(intervening(&added("envoy.filters.http.fault")), Some("envoy.filters.http.fault"));
        for harmless in ["envoy.filters.http.router", "fault", "envoy.filters.network.tcp_proxy"] {
            assert_eq!(intervening(&added(harmless)), None, "{harmless}");
        }
    }
}
