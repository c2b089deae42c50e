//! `HTTPRoutes` of the Gateway API, read into the routes and servers that a proxy needs.

use std::sync::Arc;

use serde_json::Value;

use super::hosts::host_matches;
use super::snapshot::Server;
use super::virtual_service::{Destination, HttpFault, PathMatch, Retries, Route};
use crate::clock::duration;
use crate::store::selector::Selector;
use crate::store::{Store, object, resources};

/// The label by which the pods of a Gateway are found.
pub(crate) const GATEWAY_NAME: &str = "gateway.networking.k8s.io/gateway-name";

/// The port of a Gateway in the status of a route.
pub(crate) type Parent<'a> = &'a Value;

/// The servers of the Gateways that proxies of the mesh serve.
pub(super) fn servers(store: &Store) -> Vec<Server> {
    let mut servers = Vec::new();
    for gateway in store.list(resources::api_gateways(), None) {
        let selector = Selector::map(Some(&serde_json::json!({ GATEWAY_NAME: object::name(gateway) })));
        for listener in object::items(gateway, "/spec/listeners") {
            let option = listener.pointer("/tls/options/gateway.istio.io~1listener-protocol").and_then(Value::as_str);
            servers.push(Server {
                selector: selector.clone(),
                port: object::int(listener, "/port").and_then(|port| u16::try_from(port).ok()).unwrap_or(0),
                passthrough: option == Some("auto-passthrough"),
                tls: listener.get("tls").is_some(),
                routes: attached(store, gateway, listener).into_iter().map(Arc::new).collect(),
            });
        }
    }
    servers
}

/// The routes for proxies of the mesh: those whose parent is a Service, with its full name.
pub(super) fn mesh_routes(store: &Store) -> Vec<(String, Vec<Arc<Route>>)> {
    let mut found = Vec::new();
    for route in store.list(resources::httproutes(), None) {
        let parents = object::items(route, "/spec/parentRefs").iter();
        for parent in parents.filter(|parent| object::text(parent, "/kind") == "Service") {
            let namespace = namespace_of(parent, route);
            let host = format!("{}.{namespace}.svc.cluster.local", object::text(parent, "/name"));
            let rules = rules(store, route, std::slice::from_ref(&host));
            found.push((host, rules.into_iter().map(Arc::new).collect()));
        }
    }
    found
}

/// The routes on a listener, in the order in which they are tried.
fn attached(store: &Store, gateway: &Value, listener: &Value) -> Vec<Route> {
    let mut list: Vec<Route> = store
        .list(resources::httproutes(), None)
        .filter(|route| attaches(store, route, gateway, listener))
        .flat_map(|route| rules(store, route, &hosts(route, listener)))
        .collect();
    list.sort_by_key(|route| std::cmp::Reverse(precedence(route)));
    list
}

/// Exact paths come first, then longer prefixes, then more headers.
fn precedence(route: &Route) -> (bool, usize, usize) {
    let length = |path: &PathMatch| match path {
        PathMatch::Exact(text) | PathMatch::Prefix(text) | PathMatch::Elements(text) => text.len(),
        PathMatch::Regex(_) | PathMatch::Any => 0,
    };
    let exact = route.paths.iter().any(|path| matches!(path, PathMatch::Exact(_)));
    (exact, route.paths.iter().map(length).max().unwrap_or(0), route.headers.len())
}

/// Whether a route attaches to a listener of a Gateway: it names it, and both hosts and namespaces are allowed.
pub(crate) fn attaches(store: &Store, route: &Value, gateway: &Value, listener: &Value) -> bool {
    let named = object::items(route, "/spec/parentRefs").iter().any(|parent| refers(parent, route, gateway, listener));
    named && allows(store, route, gateway, listener) && !hosts(route, listener).is_empty()
}

/// Whether a parent reference of a route names a listener of a Gateway.
pub(crate) fn refers(parent: Parent<'_>, route: &Value, gateway: &Value, listener: &Value) -> bool {
    let section = object::text(parent, "/sectionName");
    ["", "Gateway"].contains(&object::text(parent, "/kind"))
        && object::text(parent, "/name") == object::name(gateway)
        && namespace_of(parent, route) == object::namespace(gateway)
        && (section.is_empty() || section == object::text(listener, "/name"))
        && object::int(parent, "/port").is_none_or(|port| Some(port) == object::int(listener, "/port"))
}

/// Whether a listener allows routes of the namespace of a route.
pub(crate) fn allows(store: &Store, route: &Value, gateway: &Value, listener: &Value) -> bool {
    if !["HTTP", "HTTPS"].contains(&object::text(listener, "/protocol")) {
        return false;
    }
    match object::text(listener, "/allowedRoutes/namespaces/from") {
        "All" => true,
        "Selector" => {
            let selector = listener.pointer("/allowedRoutes/namespaces/selector");
            let space = store.get(resources::namespaces(), "", object::namespace(route));
            let labels = space.and_then(|space| object::labels(space));
            selector.is_some_and(|selector| Selector::object(selector).matches(labels))
        }
        _ => object::namespace(route) == object::namespace(gateway),
    }
}

/// The namespace in a reference; that of the object with the reference if none is set.
fn namespace_of<'a>(reference: &'a Value, object: &'a Value) -> &'a str {
    match object::text(reference, "/namespace") {
        "" => object::namespace(object),
        namespace => namespace,
    }
}

/// The hosts that both a route and a listener have.
pub(crate) fn hosts(route: &Value, listener: &Value) -> Vec<String> {
    let own = match object::text(listener, "/hostname") {
        "" => "*",
        host => host,
    };
    let names: Vec<&str> = object::items(route, "/spec/hostnames").iter().filter_map(Value::as_str).collect();
    if names.is_empty() {
        return vec![own.to_owned()];
    }
    let narrower = |host: &str| {
        if host_matches(own, host) { Some(host.to_owned()) } else { host_matches(host, own).then(|| own.to_owned()) }
    };
    names.into_iter().filter_map(narrower).collect()
}

/// Why a backend of a route cannot be used: the reason and message of the condition `ResolvedRefs`.
pub(crate) fn unresolved(store: &Store, route: &Value, backend: &Value) -> Option<(&'static str, String)> {
    let (namespace, name) = (namespace_of(backend, route), object::text(backend, "/name"));
    let own = object::namespace(route);
    if !["", "Service"].contains(&object::text(backend, "/kind")) {
        let kind = object::text(backend, "/kind");
        return Some(("InvalidKind", format!("referencing unsupported backendRef: kind {kind:?}")));
    }
    if namespace != own && !is_granted(store, own, (namespace, name)) {
        let text = format!(
            "backendRef {name}/{namespace} not accessible to a HTTPRoute in namespace {own:?} (missing a ReferenceGrant?)"
        );
        return Some(("RefNotPermitted", text));
    }
    if store.get(resources::services(), namespace, name).is_none() {
        let text = format!("backend({name}.{namespace}.svc.cluster.local) not found");
        return Some(("BackendNotFound", text));
    }
    None
}

/// Whether a `ReferenceGrant` lets `HTTPRoutes` of a namespace refer to a Service.
fn is_granted(store: &Store, from: &str, (namespace, name): (&str, &str)) -> bool {
    store.list(resources::referencegrants(), Some(namespace)).any(|grant| {
        let from = object::items(grant, "/spec/from")
            .iter()
            .any(|one| object::text(one, "/kind") == "HTTPRoute" && object::text(one, "/namespace") == from);
        let to = object::items(grant, "/spec/to")
            .iter()
            .any(|one| object::text(one, "/kind") == "Service" && ["", name].contains(&object::text(one, "/name")));
        from && to
    })
}

/// The backends of all rules of a route.
pub(crate) fn backends(route: &Value) -> impl Iterator<Item = &Value> {
    object::items(route, "/spec/rules").iter().flat_map(|rule| object::items(rule, "/backendRefs"))
}

fn rules(store: &Store, value: &Value, hosts: &[String]) -> Vec<Route> {
    let mut list = Vec::new();
    for rule in object::items(value, "/spec/rules") {
        let none = [Value::Null];
        let matches = object::items(rule, "/matches");
        for one in if matches.is_empty() { none.as_slice() } else { matches } {
            list.push(rule_route(store, value, rule, one, hosts));
        }
    }
    list
}

fn rule_route(store: &Store, value: &Value, rule: &Value, one: &Value, hosts: &[String]) -> Route {
    let path = object::text(one, "/path/value").to_owned();
    let path = match object::text(one, "/path/type") {
        "Exact" => PathMatch::Exact(path),
        "RegularExpression" => regex::Regex::new(&path).map_or(PathMatch::Any, PathMatch::Regex),
        _ if path.is_empty() || path == "/" => PathMatch::Elements(String::new()),
        _ => PathMatch::Elements(path.trim_end_matches('/').to_owned()),
    };
    let headers = object::items(one, "/headers").iter();
    let destinations = object::items(rule, "/backendRefs").iter().map(|backend| Destination {
        // A backend that cannot be used has no Envoy cluster.
        host: match unresolved(store, value, backend) {
            Some(_) => String::new(),
            None => {
                format!("{}.{}.svc.cluster.local", object::text(backend, "/name"), namespace_of(backend, value))
            }
        },
        port: object::int(backend, "/port").and_then(|port| u16::try_from(port).ok()),
        subset: String::new(),
        weight: object::int(backend, "/weight").and_then(|weight| u32::try_from(weight).ok()).unwrap_or(1),
    });
    Route {
        paths: vec![path],
        headers: headers
            .map(|header| (object::text(header, "/name").to_lowercase(), object::text(header, "/value").to_owned()))
            .collect(),
        destinations: destinations.collect(),
        timeout: duration(object::text(rule, "/timeouts/request")),
        retries: Retries::default(),
        fault: HttpFault::default(),
        origin: (object::namespace(value).to_owned(), object::name(value).to_owned()),
        kind: "http-route",
        // As the specification of the Gateway API has it.
        unresolved: 500,
        name: format!("{}.{}", object::namespace(value), object::name(value)),
        hosts: hosts.to_vec(),
        exported: None,
    }
}
