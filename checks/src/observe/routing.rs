//! `VirtualServices`, read from their JSON: whose proxies take the routes of which hosts, and which of them are in each
//! other's way.

use std::borrow::Borrow;
use std::collections::BTreeSet;

use regex::Regex;
use serde_json::Value;

/// The full name of a Service as a person or a resolver may abbreviate it.
pub fn full_host(host: &str, namespace: &str) -> String {
    match host.split('.').collect::<Vec<_>>().as_slice() {
        [name, namespace] | [name, namespace, "svc"] if *name != "*" => format!("{name}.{namespace}.svc.cluster.local"),
        _ => configured_host(host, namespace),
    }
}

/// The full name of a host in a routing object of `namespace`: Istio completes a name without a dot, and takes every other
/// as it stands.
pub fn configured_host(host: &str, namespace: &str) -> String {
    let whole = host.contains('.') || host.starts_with('*');
    if whole { host.to_owned() } else { format!("{host}.{namespace}.svc.cluster.local") }
}

/// The full name of the host that a `DestinationRule` is for.
pub fn rule_host(rule: &Value) -> String {
    configured_host(rule["spec"]["host"].as_str().unwrap_or_default(), namespace(rule))
}

/// Whether a `DestinationRule` turns TLS off.
pub fn turns_tls_off(rule: &Value) -> bool {
    rule["spec"]["trafficPolicy"]["tls"]["mode"] == "DISABLE"
}

/// The `PeerAuthentication` that turns mutual TLS off for all of a namespace, if one does: the namespace's own, or that of the
/// mesh's root namespace where it has none.
pub fn accepts_plain<'a, T: Borrow<Value>>(policies: &'a [T], of: &str, root: &str) -> Option<&'a T> {
    let mode =
        |policy: &Value| policy["spec"]["mtls"]["mode"].as_str().filter(|mode| *mode != "UNSET").map(str::to_owned);
    let whole = |of: &str| {
        policies.iter().find(|policy| {
            let policy = (*policy).borrow();
            namespace(policy) == of && policy["spec"]["selector"].is_null() && mode(policy).is_some()
        })
    };
    whole(of).or_else(|| whole(root)).filter(|policy| mode((*policy).borrow()).as_deref() == Some("DISABLE"))
}

/// The texts in a list; none of anything else.
pub fn texts(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// Whether the sidecars take its routes; if not, only gateways do.
pub fn is_for_sidecars(service: &Value) -> bool {
    let mut gateways = texts(&service["spec"]["gateways"]).peekable();
    gateways.peek().is_none() || gateways.any(|gateway| gateway == "mesh")
}

/// The namespaces whose proxies a `VirtualService` is exported to; none if it is exported to all.
pub fn exported(service: &Value) -> Option<Vec<String>> {
    let own = namespace(service);
    let listed = texts(&service["spec"]["exportTo"]).map(|one| if one == "." { own } else { one }.to_owned());
    let listed: Vec<String> = listed.collect();
    (!listed.is_empty() && !listed.iter().any(|one| one == "*")).then_some(listed)
}

/// Where a `VirtualService` has its routes: those of one protocol do not meet those of another.
const PROTOCOLS: [&str; 3] = ["http", "tls", "tcp"];

/// Another `VirtualService` that claims a host of this one for the same sidecars.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rival<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
    /// The host that both claim, by its full name.
    pub host: String,
}

/// The others that claim a host of this one for the same sidecars: of those Istio keeps the oldest and drops the rest.
/// Gateways are another matter, as it merges what is bound to one gateway.
pub fn rivals<'a, T: Borrow<Value>>(services: &'a [T], service: &Value) -> Vec<Rival<'a>> {
    if !is_for_sidecars(service) {
        return Vec::new();
    }
    let (mine, to) = (hosts(service), exported(service));
    let same = |other: &Value| name(other) == name(service) && namespace(other) == namespace(service);
    let meet = |other: &Value| match (&to, exported(other)) {
        (Some(to), Some(others)) => to.iter().any(|one| others.contains(one)),
        _ => true,
    };
    let alike = |other: &Value| PROTOCOLS.iter().any(|key| has_routes(service, key) && has_routes(other, key));
    let others = services
        .iter()
        .map(Borrow::borrow)
        .filter(|other: &&Value| !same(other) && is_for_sidecars(other) && meet(other) && alike(other));
    others
        .filter_map(|other| {
            let host = hosts(other).into_iter().find(|host| mine.contains(host))?;
            Some(Rival { namespace: namespace(other), name: name(other), host })
        })
        .collect()
}

/// The gateways that a `VirtualService` is bound to, sidecars left out: namespace and name.
pub fn bound_gateways(service: &Value) -> Vec<(&str, &str)> {
    let own = namespace(service);
    let named = texts(&service["spec"]["gateways"]).filter(|gateway| *gateway != "mesh");
    named
        .map(|gateway| match gateway.split_once('/') {
            Some((".", name)) => (own, name),
            Some(both) => both,
            // The long form of before: NAME.NAMESPACE, with or without the rest of a Service's name.
            None => match gateway.split('.').collect::<Vec<_>>().as_slice() {
                [name, namespace, ..] => (*namespace, *name),
                _ => (own, gateway),
            },
        })
        .collect()
}

fn http_routes(service: &Value) -> impl Iterator<Item = &Value> {
    service["spec"]["http"].as_array().into_iter().flatten()
}

/// The destinations of a route, each with its weight.
fn parts(route: &Value) -> impl Iterator<Item = &Value> {
    route["route"].as_array().into_iter().flatten()
}

/// The full names of the hosts that a `VirtualService` sends HTTP requests to, each once, with the subset if one is named.
pub fn destinations(service: &Value) -> Vec<(String, Option<String>)> {
    let mut all: Vec<(String, Option<String>)> = Vec::new();
    for to in http_routes(service).flat_map(parts).map(|part| &part["destination"]) {
        let Some(host) = to["host"].as_str() else { continue };
        let one = (configured_host(host, namespace(service)), to["subset"].as_str().map(str::to_owned));
        if !all.contains(&one) {
            all.push(one);
        }
    }
    all
}

/// How an HTTP route divides its requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Division<'a> {
    /// Host, subset and weight of every part.
    pub parts: Vec<(&'a str, Option<&'a str>, u64)>,
    /// Whether it is for some requests only.
    pub matches: bool,
}

/// How the HTTP routes of a `VirtualService` divide requests: those with several destinations, or with a subset.
pub fn divisions(service: &Value) -> Vec<Division<'_>> {
    let divisions = http_routes(service).map(|route| {
        let alone = parts(route).count() == 1;
        // What is alone gets everything, whatever its weight.
        let weight = |part: &Value| if alone { 100 } else { part["weight"].as_u64().unwrap_or(0) };
        let parts = parts(route).filter_map(|part| {
            let to = &part["destination"];
            Some((to["host"].as_str()?, to["subset"].as_str(), weight(part)))
        });
        let matches = route["match"].as_array().is_some_and(|matches| !matches.is_empty());
        Division { parts: parts.collect(), matches }
    });
    let divides = |one: &Division<'_>| one.parts.len() > 1 || one.parts.iter().any(|(_, subset, _)| subset.is_some());
    divisions.filter(divides).collect()
}

/// Whether a `VirtualService` is for requests to a host, as a gateway meets them.
pub fn is_for_host(service: &Value, host: &str) -> bool {
    texts(&service["spec"]["hosts"]).any(|pattern| matches_host(pattern, host))
}

/// Whether a name or a pattern, such as `*` or `*.example.com`, is for a host.
pub fn matches_host(pattern: &str, host: &str) -> bool {
    let (pattern, host) = (pattern.to_ascii_lowercase(), host.to_ascii_lowercase());
    match pattern.strip_prefix('*') {
        Some(end) => host.ends_with(end),
        None => pattern == host,
    }
}

/// Whether a `VirtualService` may have an HTTP route for a path, as far as paths decide; whatever it routes otherwise, it may.
pub fn may_route(service: &Value, path: &str) -> bool {
    if !has_routes(service, "http") {
        return true;
    }
    let path = path.split('?').next().unwrap_or(path);
    http_routes(service).any(|route| match route["match"].as_array() {
        Some(matches) if !matches.is_empty() => matches.iter().any(|one| may_match(one, path)),
        _ => true,
    })
}

fn may_match(one: &Value, path: &str) -> bool {
    let uri = &one["uri"];
    let ignores_case = one["ignoreUriCase"] == true;
    let alike = |text: &str| if ignores_case { text.to_lowercase() } else { text.to_owned() };
    match (uri["exact"].as_str(), uri["prefix"].as_str(), uri["regex"].as_str()) {
        (Some(exact), ..) => alike(exact) == alike(path),
        (_, Some(prefix), _) => alike(path).starts_with(&alike(prefix)),
        // A pattern that cannot be read here may be one there.
        (.., Some(regex)) => Regex::new(&format!("^(?:{regex})$")).ok().is_none_or(|regex| regex.is_match(path)),
        _ => true,
    }
}

/// The ports that a `VirtualService` names for hosts it sends HTTP requests to, by their full names.
pub fn named_ports(service: &Value) -> BTreeSet<(String, u16)> {
    let named = http_routes(service).flat_map(parts).filter_map(|part| {
        let to = &part["destination"];
        let port = u16::try_from(to["port"]["number"].as_u64()?).ok()?;
        Some((configured_host(to["host"].as_str()?, namespace(service)), port))
    });
    named.collect()
}

/// Whether a `VirtualService` delays or aborts requests on purpose.
pub fn injects_faults(service: &Value) -> bool {
    http_routes(service).any(|route| route["fault"].as_object().is_some_and(|fault| !fault.is_empty()))
}

/// The namespace and name of the Service that a full host name belongs to; none if it is none of the cluster's own.
pub fn service_of(host: &str) -> Option<(&str, &str)> {
    let (name, rest) = host.split_once('.')?;
    let namespace = rest.strip_suffix(".svc.cluster.local")?;
    (!namespace.contains('.')).then_some((namespace, name))
}

/// Whether a `VirtualService` has routes of a protocol.
pub fn has_routes(service: &Value, protocol: &str) -> bool {
    service["spec"][protocol].as_array().is_some_and(|routes| !routes.is_empty())
}

/// The full names of the hosts that a `VirtualService` claims.
pub fn hosts(service: &Value) -> Vec<String> {
    texts(&service["spec"]["hosts"]).map(|host| configured_host(host, namespace(service))).collect()
}

fn namespace(service: &Value) -> &str {
    service["metadata"]["namespace"].as_str().unwrap_or_default()
}

fn name(service: &Value) -> &str {
    service["metadata"]["name"].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn service(name: &str, hosts: &[&str], gateways: &[&str], export: &[&str]) -> Value {
        json!({ "metadata": { "namespace": "shop", "name": name },
            "spec": { "hosts": hosts, "gateways": gateways, "exportTo": export, "http": [{ "name": "only" }] } })
    }

    #[test]
    fn hosts_are_compared_by_their_full_names() {
        for (host, full) in [
            ("cart", "cart.shop.svc.cluster.local"),
            ("cart.op.svc.cluster.local", "cart.op.svc.cluster.local"),
            ("*", "*"),
            ("*.op", "*.op"),
            ("www.example.com", "www.example.com"),
        ] {
            assert_eq!((full_host(host, "shop").as_str(), configured_host(host, "shop").as_str()), (full, full));
        }
        for host in ["cart.op", "cart.op.svc"] {
            assert_eq!(full_host(host, "shop"), "cart.op.svc.cluster.local");
            assert_eq!(configured_host(host, "shop"), host, "Istio takes it as it stands");
        }
    }

    #[test]
    fn rules_are_for_a_host() {
        let rule = |mode: &str| {
            json!({ "metadata": { "namespace": "shop" },
                "spec": { "host": "cart", "trafficPolicy": { "tls": { "mode": mode } } } })
        };
        assert_eq!(rule_host(&rule("SIMPLE")), "cart.shop.svc.cluster.local");
        assert!(turns_tls_off(&rule("DISABLE")) && !turns_tls_off(&rule("ISTIO_MUTUAL")));
        assert!(!turns_tls_off(&json!({ "spec": { "host": "cart" } })));
    }

    #[test]
    fn the_nearest_policy_counts() {
        let policy = |namespace: &str, mode: &str| json!({ "metadata": { "namespace": namespace, "name": mode }, "spec": { "mtls": { "mode": mode } } });
        let off = |policies: &[Value]| accepts_plain(policies, "shop", "istio-system").is_some();
        assert!(off(&[policy("shop", "DISABLE")]) && off(&[policy("istio-system", "DISABLE")]));
        assert!(off(&[policy("istio-system", "DISABLE"), policy("shop", "UNSET")]));
        assert!(!off(&[policy("istio-system", "DISABLE"), policy("shop", "STRICT")]));
        assert!(!off(&[policy("team", "DISABLE")]) && !off(&[]));
        let mut one = policy("shop", "DISABLE");
        one["spec"]["selector"] = json!({ "matchLabels": { "app": "cart" } });
        assert!(!off(&[one]));
    }

    #[test]
    fn it_counts_whom_it_is_exported_to() {
        let exported_to = |to: &[&str]| exported(&service("x", &[], &[], to));
        assert_eq!(exported_to(&[]), None);
        assert_eq!(exported_to(&[".", "team"]), Some(vec!["shop".to_owned(), "team".to_owned()]));
        assert_eq!(exported_to(&["team", "*"]), None);
    }

    #[test]
    fn rivals_claim_one_host_for_one_sidecar() {
        let full = "cart.shop.svc.cluster.local";
        let cart = service("cart", &["cart", "pay"], &[], &[]);
        let all = [
            cart.clone(),
            service("same", &[full], &["edge", "mesh"], &["team"]),
            service("edge", &["cart"], &["edge"], &[]),
            service("other", &["cart.op"], &[], &[]),
            service("as-it-stands", &["cart.shop"], &[], &[]),
        ];
        let mut streams = service("streams", &["cart"], &[], &[]);
        streams["spec"]["tcp"] = streams["spec"]["http"].take();
        assert!(rivals(&all, &streams).is_empty());
        assert_eq!(rivals(&all, &cart), [Rival { namespace: "shop", name: "same", host: full.to_owned() }]);
        assert!(rivals(&all, &all[2]).is_empty() && rivals(&all, &all[3]).is_empty());
        let private = service("private", &["cart"], &[], &["."]);
        let names =
            |services: &[Value]| rivals(services, &private).iter().map(|one| one.name.to_owned()).collect::<Vec<_>>();
        assert_eq!(names(&all), ["cart"], "what is exported to `team` alone does not meet it");
    }

    #[test]
    fn every_gateway_counts() {
        let bound = service("x", &["cart"], &["edge/one", "mesh", "two"], &[]);
        assert_eq!(bound_gateways(&bound), [("edge", "one"), ("shop", "two")]);
    }

    #[test]
    fn destinations_are_told_once() {
        let to = |host: &str, subset: Option<&str>| json!({ "destination": { "host": host, "subset": subset } });
        let service = json!({ "metadata": { "namespace": "shop" }, "spec": { "http": [
            { "route": [to("cart", Some("v1")), to("cart", Some("v2"))] },
            { "route": [to("cart", Some("v1")), to("pay.team.svc.cluster.local", None)] },
            { "redirect": { "uri": "/" } },
        ] } });
        let cart = "cart.shop.svc.cluster.local".to_owned();
        assert_eq!(
            destinations(&service),
            [
                (cart.clone(), Some("v1".to_owned())),
                (cart, Some("v2".to_owned())),
                ("pay.team.svc.cluster.local".to_owned(), None)
            ]
        );
    }

    #[test]
    fn hosts_are_met_by_patterns() {
        let service = |hosts: &[&str]| json!({ "spec": { "hosts": hosts } });
        for (hosts, good) in
            [(vec!["*"], true), (vec!["*.Example"], true), (vec!["a.example"], true), (vec!["b.example"], false)]
        {
            assert_eq!(is_for_host(&service(&hosts), "a.example"), good, "{hosts:?}");
        }
    }

    #[test]
    fn paths_are_routed_where_one_route_may_take_them() {
        let with = |matches: Value| json!({ "spec": { "http": [{ "match": matches }] } });
        let exact = with(json!([{ "uri": { "exact": "/cart" } }, { "uri": { "prefix": "/api/" } }]));
        assert!(may_route(&exact, "/cart?id=1") && may_route(&exact, "/api/v1") && !may_route(&exact, "/carts"));
        let regex = with(json!([{ "uri": { "regex": "/c[a-z]+" } }]));
        assert!(may_route(&regex, "/cart") && !may_route(&regex, "/cart/1"));
        assert!(may_route(&with(json!([{ "uri": { "regex": "(" } }])), "/cart"), "who knows");
        assert!(may_route(&with(json!([{ "uri": { "exact": "/CART" }, "ignoreUriCase": true }])), "/cart"));
        assert!(may_route(&with(json!([{ "headers": { "x": { "exact": "1" } } }])), "/cart"));
        for open in [json!([]), Value::Null] {
            assert!(may_route(&with(open), "/cart"));
        }
        assert!(may_route(&json!({ "spec": { "tls": [{}] } }), "/cart"));
    }

    #[test]
    fn routes_name_ports_and_weights() {
        let to = |host: &str, subset: Option<&str>, port: Option<u16>, weight: Option<u32>| json!({ "destination": { "host": host, "subset": subset, "port": { "number": port } }, "weight": weight });
        let service = json!({ "metadata": { "namespace": "shop" }, "spec": { "http": [
            { "route": [to("cart", Some("v1"), None, Some(90)), to("cart", Some("v2"), Some(81), Some(10))] },
            { "route": [to("cart", None, Some(80), None)] },
            { "match": [{ "headers": {} }], "route": [to("cart", Some("v1"), None, Some(50))] },
            { "delegate": { "name": "pay" } }
        ] } });
        let full = |port| ("cart.shop.svc.cluster.local".to_owned(), port);
        assert_eq!(named_ports(&service), BTreeSet::from([full(80), full(81)]));
        let split = Division { parts: vec![("cart", Some("v1"), 90), ("cart", Some("v2"), 10)], matches: false };
        let alone = Division { parts: vec![("cart", Some("v1"), 100)], matches: true };
        assert_eq!(divisions(&service), [split, alone]);
    }

    #[test]
    fn faults_are_seen_in_any_route() {
        let with = |fault: Value| json!({ "spec": { "http": [{ "route": [] }, { "fault": fault }] } });
        assert!(injects_faults(&with(json!({ "delay": { "fixedDelay": "3s" } }))));
        assert!(!injects_faults(&with(json!({}))) && !injects_faults(&with(Value::Null)));
    }

    #[test]
    fn hosts_belong_to_services_or_to_the_outside() {
        assert_eq!(service_of("cart.shop.svc.cluster.local"), Some(("shop", "cart")));
        for host in ["www.example.com", "cart", "a.b.c.svc.cluster.local", "*.shop"] {
            assert_eq!(service_of(host), None, "{host}");
        }
    }
}
