//! Why the shares of the responders are not as declared, though each response is good.

use std::collections::BTreeSet;
use std::iter;
use std::sync::Arc;

use futures::future::join_all;
use meshdrill_checks::observe::routing::{Division, bound_gateways, divisions, is_for_sidecars, rule_host, service_of};
use serde_json::Value;

use super::endpoints::between;
use super::hosts::route_hosts;
use super::ports::port_name_cause;
use super::service::is_served;
use super::{Asked, DESTINATION_RULES, objects, within};
use crate::cluster::{Cluster, Object, World};
use crate::probe::istiod;

/// What the routes, and the rules for their hosts and namespaces, set for the shares.
pub(super) async fn split_causes(
    cluster: &Cluster,
    routes: &[&Object],
    namespaces: &BTreeSet<String>,
    asked: &Asked,
) -> Vec<String> {
    if !asked.divided || !istiod::is_there(cluster).await {
        return Vec::new();
    }
    let hosts = route_hosts(routes);
    let near = |rule: &&Object| hosts.contains(&rule_host(rule)) || namespaces.contains(&rule.object_ref().namespace);
    let rules = objects(cluster, DESTINATION_RULES, None).await.unwrap_or_default();
    let balanced = rules.iter().filter(near).flat_map(|rule| balanced(&cluster.key, rule));
    routes.iter().flat_map(|route| weighed(&cluster.key, route)).chain(balanced).collect()
}

/// What blocks traffic to other clusters that serve the hosts of the routes.
pub(super) async fn remote_route_causes(
    world: &World,
    at: &Arc<Cluster>,
    routes: &[&Object],
    asked: &Asked,
) -> Vec<String> {
    if !asked.divided {
        return Vec::new();
    }
    let hosts = route_hosts(routes);
    let others = world.others(&at.key);
    join_all(others.iter().map(|other| within(remote_cluster_causes(world, at, other, &hosts)))).await.concat()
}

async fn remote_cluster_causes(world: &World, at: &Arc<Cluster>, other: &str, hosts: &BTreeSet<String>) -> Vec<String> {
    let Some(other) = world.reach(other).await else { return Vec::new() };
    let other = other.as_ref();
    let (mut served, mut causes) = (BTreeSet::new(), Vec::new());
    for host in hosts {
        let Some((namespace, name)) = service_of(host) else { continue };
        if is_served(other, namespace, name).await {
            served.insert(namespace);
            causes.extend(port_name_cause(at, other, namespace, name).await);
        }
    }
    if !served.is_empty() {
        causes.extend(between(at, other, &served, &[]).await);
    }
    causes
}

/// The weights of a route.
fn weighed(cluster: &str, route: &Object) -> Vec<String> {
    if !is_for_sidecars(route) && bound_gateways(route).is_empty() {
        return Vec::new();
    }
    let part = |(host, subset, weight): (&str, Option<&str>, u64)| match subset {
        Some(subset) => format!("{host} {subset} {weight}"),
        None => format!("{host} {weight}"),
    };
    let messages = divisions(route).into_iter().map(|Division { parts, matches }| {
        let (of, some) = (route.object_ref(), if matches { "some requests" } else { "requests" });
        let parts = parts.into_iter().map(part).collect::<Vec<_>>().join(", ");
        format!("VirtualService {of} in {cluster} splits {some}: {parts}")
    });
    messages.collect()
}

/// What a rule sets for the choice of endpoints.
fn balanced(cluster: &str, rule: &Object) -> Vec<String> {
    let subsets = rule["spec"]["subsets"].as_array().into_iter().flatten();
    let own = subsets.map(|subset| (subset["name"].as_str().unwrap_or_default(), &subset["trafficPolicy"]));
    let policies = iter::once(("", &rule["spec"]["trafficPolicy"])).chain(own);
    let messages = policies.flat_map(|(subset, policy)| {
        let of = if subset.is_empty() { String::new() } else { format!(" of subset {subset}") };
        let rule = format!("DestinationRule {} in {cluster}", rule.object_ref());
        let hashed = policy["loadBalancer"]["consistentHash"].is_object();
        let hashed = hashed.then(|| format!("{rule} sends similar requests{of} to one endpoint (consistentHash)"));
        let near = localities(policy).map(|near| format!("{rule} splits requests{of} among localities: {near}"));
        hashed.into_iter().chain(near)
    });
    messages.collect()
}

/// Where a policy sends requests, by locality.
fn localities(policy: &Value) -> Option<String> {
    let setting = &policy["loadBalancer"]["localityLbSetting"];
    if setting["enabled"] == false {
        return None;
    }
    let rows = setting["distribute"].as_array().into_iter().flatten().filter_map(|row| {
        let shares = row["to"].as_object()?.iter().map(|(to, share)| format!("{to} {share}"));
        Some(format!("from {} to {}", row["from"].as_str()?, shares.collect::<Vec<_>>().join(", ")))
    });
    let rows = rows.collect::<Vec<_>>().join("; ");
    if !rows.is_empty() {
        return Some(rows);
    }
    let nearest = policy["outlierDetection"].is_object() || setting["failover"].is_array();
    (nearest || setting["failoverPriority"].is_array()).then(|| "the nearest healthy one".to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn routes_say_who_answers_how_much() {
        let to = |subset: &str, weight: u32| json!({ "destination": { "host": "cart", "subset": subset }, "weight": weight });
        let route = |gateways: &[&str]| {
            Object::from(
                json!({ "metadata": { "namespace": "shop", "name": "split" }, "spec": { "gateways": gateways, "http": [
                { "match": [{ "headers": {} }], "route": [to("v2", 0)] }, { "route": [to("v1", 90), to("v2", 10)] }
            ] } }),
            )
        };
        assert_eq!(
            weighed("east", &route(&[])),
            [
                "VirtualService shop/split in east splits some requests: cart v2 100",
                "VirtualService shop/split in east splits requests: cart v1 90, cart v2 10"
            ]
        );
        assert_eq!(weighed("east", &route(&["edge"])).len(), 2);
    }

    #[test]
    fn rules_say_which_endpoints_are_preferred() {
        let causes = |policy: Value, subset: Value| {
            balanced(
                "east",
                &Object::from(json!({ "metadata": { "namespace": "shop", "name": "cart" },
                "spec": { "trafficPolicy": policy, "subsets": [{ "name": "v1", "trafficPolicy": subset }] } })),
            )
        };
        let distribute = json!([{ "from": "a/*", "to": { "a/*": 70, "b/*": 30 } }]);
        let near = |setting: Value| json!({ "loadBalancer": { "localityLbSetting": setting }, "outlierDetection": {} });
        assert_eq!(
            causes(near(json!({ "distribute": distribute })), json!({ "loadBalancer": { "consistentHash": {} } })),
            [
                "DestinationRule shop/cart in east splits requests among localities: from a/* to a/* 70, b/* 30",
                "DestinationRule shop/cart in east sends similar requests of subset v1 to one endpoint (consistentHash)"
            ]
        );
        assert!(causes(near(Value::Null), Value::Null)[0].ends_with("the nearest healthy one"));
        assert!(causes(near(json!({ "enabled": false, "distribute": distribute })), Value::Null).is_empty());
        assert!(causes(json!({ "loadBalancer": { "simple": "RANDOM" } }), Value::Null).is_empty());
    }
}
