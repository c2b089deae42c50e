//! `VirtualServices`, read from their JSON into what a proxy needs.
//!
//! Mirroring, rewriting, header manipulation and TLS routes are not read.

use serde_json::Value;

use super::hosts::{claimed_hosts, full_host};
use crate::clock::{Ms, duration};
use crate::store::object;

/// What a path must match.
#[derive(Debug, Clone)]
pub(crate) enum PathMatch {
    Exact(String),
    Prefix(String),
    /// The path itself, or one below it.
    Elements(String),
    Regex(regex::Regex),
    Any,
}

/// One destination with its weight.
#[derive(Debug, Clone)]
pub(crate) struct Destination {
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
    pub(crate) subset: String,
    pub(crate) weight: u32,
}

#[derive(Debug, Clone)]
pub(crate) struct Retries {
    pub(crate) attempts: u32,
    pub(crate) per_try: Option<Ms>,
    /// 5xx responses are retried too, not only failed connections.
    pub(crate) on_5xx: bool,
    pub(crate) on_connect: bool,
    pub(crate) on_reset: bool,
}

impl Default for Retries {
    /// Istio's default for a route without `retries`.
    fn default() -> Self {
        Self { attempts: 2, per_try: None, on_5xx: false, on_connect: true, on_reset: false }
    }
}

/// An injected fault.
#[derive(Debug, Clone, Default)]
pub(crate) struct HttpFault {
    pub(crate) delay: Option<(Ms, f64)>,
    pub(crate) abort: Option<(u16, f64)>,
}

/// One entry of `spec.http`.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    pub(crate) paths: Vec<PathMatch>,
    /// Headers that must all be equal: lower-case name and value.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) destinations: Vec<Destination>,
    pub(crate) timeout: Option<Ms>,
    pub(crate) retries: Retries,
    pub(crate) fault: HttpFault,
    /// Namespace and name of the `VirtualService` or `HTTPRoute`.
    pub(crate) origin: (String, String),
    /// `virtual-service` or `http-route`, as Envoy's metadata names it.
    pub(crate) kind: &'static str,
    /// The status of a response for a destination that does not exist.
    pub(crate) unresolved: u16,
    /// Its name in the `VirtualService`; empty if it has none.
    pub(crate) name: String,
    /// The hosts of the `VirtualService`: full names or patterns.
    pub(crate) hosts: Vec<String>,
    /// The namespaces whose proxies receive it; all if none are set.
    pub(crate) exported: Option<Vec<String>>,
}

impl Route {
    pub(crate) fn matches(&self, path: &str) -> bool {
        let path = path.split('?').next().unwrap_or(path);
        self.paths.is_empty()
            || self.paths.iter().any(|p| match p {
                PathMatch::Exact(x) => x == path,
                PathMatch::Prefix(x) => path.starts_with(x.as_str()),
                PathMatch::Elements(x) => {
                    path.strip_prefix(x.as_str()).is_some_and(|r| r.is_empty() || r.starts_with('/'))
                }
                PathMatch::Regex(x) => x.find(path).is_some_and(|m| m.start() == 0 && m.end() == path.len()),
                PathMatch::Any => true,
            })
    }
}

/// The HTTP routes of a `VirtualService`. A route that delegates is replaced by those of the delegate.
pub(crate) fn routes(value: &Value, find: &dyn Fn(&str, &str) -> Option<Value>) -> Vec<Route> {
    let (namespace, name) = (object::namespace(value), object::name(value));
    let mut routes = Vec::new();
    for http in object::items(value, "/spec/http") {
        let Some(delegate) = http.get("delegate") else {
            routes.push(route(http, namespace, name));
            continue;
        };
        let place = delegate.get("namespace").and_then(Value::as_str).unwrap_or(namespace);
        let other = find(place, object::text(delegate, "/name")).unwrap_or_default();
        for own in object::items(&other, "/spec/http") {
            let own = inherit(own, http);
            // Short host names belong to the namespace of the object that contains them.
            let destinations = route(&own, place, name).destinations;
            routes.push(Route { destinations, ..route(&own, namespace, name) });
        }
    }
    let exported = exported(value);
    let hosts = claimed_hosts(value);
    for route in &mut routes {
        route.exported.clone_from(&exported);
        route.hosts.clone_from(&hosts);
    }
    routes
}

/// A delegate's route, with the fields that only the root sets.
fn inherit(own: &Value, root: &Value) -> Value {
    let mut merged = own.clone();
    for key in ["match", "timeout", "retries", "fault"] {
        if merged.get(key).is_none_or(Value::is_null)
            && let Some(value) = root.get(key)
        {
            merged[key] = value.clone();
        }
    }
    let names = [root, own].map(|one| object::text(one, "/name")).into_iter().filter(|name| !name.is_empty());
    merged["name"] = names.collect::<Vec<_>>().join("-").into();
    merged
}

/// `exportTo`: the namespaces whose proxies receive an object; none means all.
pub(crate) fn exported(value: &Value) -> Option<Vec<String>> {
    let own = object::namespace(value);
    let listed = object::items(value, "/spec/exportTo").iter().filter_map(Value::as_str);
    let listed: Vec<String> = listed.map(|one| if one == "." { own } else { one }.to_owned()).collect();
    (!listed.is_empty() && !listed.iter().any(|one| one == "*")).then_some(listed)
}

/// Whether a namespace is among those that an object is exported to.
pub(crate) fn reaches(exported: Option<&[String]>, namespace: &str) -> bool {
    exported.is_none_or(|list| list.iter().any(|one| one == namespace))
}

fn route(http: &Value, namespace: &str, name: &str) -> Route {
    let mut paths = Vec::new();
    let mut headers = Vec::new();
    for one in object::items(http, "/match") {
        let uri = |kind: &str| one.pointer(&format!("/uri/{kind}")).and_then(Value::as_str);
        paths.push(if let Some(x) = uri("exact") {
            PathMatch::Exact(x.into())
        } else if let Some(x) = uri("prefix") {
            PathMatch::Prefix(x.into())
        } else if let Some(x) = uri("regex").and_then(|x| regex::Regex::new(x).ok()) {
            PathMatch::Regex(x)
        } else {
            PathMatch::Any
        });
        for (name, value) in one.get("headers").and_then(Value::as_object).into_iter().flatten() {
            headers.push((name.to_lowercase(), object::text(value, "/exact").to_owned()));
        }
    }
    let destinations = object::items(http, "/route")
        .iter()
        .map(|r| Destination {
            host: full_host(object::text(r, "/destination/host"), namespace),
            port: object::int(r, "/destination/port/number").and_then(|p| u16::try_from(p).ok()),
            subset: object::text(r, "/destination/subset").to_owned(),
            weight: object::int(r, "/weight").and_then(|w| u32::try_from(w).ok()).unwrap_or(1),
        })
        .collect();
    let retries = http.get("retries").map_or_else(Retries::default, |r| {
        let on = object::text(r, "/retryOn");
        let has = |what: &str| on.split(',').any(|x| x.trim() == what);
        Retries {
            attempts: object::int(r, "/attempts").and_then(|n| u32::try_from(n).ok()).unwrap_or(2),
            per_try: duration(object::text(r, "/perTryTimeout")),
            on_5xx: has("5xx") || has("gateway-error"),
            on_connect: on.is_empty() || has("connect-failure") || has("5xx"),
            on_reset: has("reset") || has("5xx"),
        }
    });
    let percent = |x: &Value| x.pointer("/percentage/value").and_then(Value::as_f64).unwrap_or(100.0) / 100.0;
    let fault = HttpFault {
        delay: http.pointer("/fault/delay").and_then(|d| Some((duration(object::text(d, "/fixedDelay"))?, percent(d)))),
        abort: http
            .pointer("/fault/abort")
            .and_then(|a| Some((u16::try_from(object::int(a, "/httpStatus")?).ok()?, percent(a)))),
    };
    let origin = (namespace.to_owned(), name.to_owned());
    let own_name = object::text(http, "/name").to_owned();
    let timeout = duration(object::text(http, "/timeout"));
    Route {
        paths,
        headers,
        destinations,
        timeout,
        retries,
        fault,
        origin,
        kind: "virtual-service",
        unresolved: 503,
        name: own_name,
        hosts: Vec::new(),
        exported: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_that_delegates_is_those_of_the_delegate_with_what_only_the_root_says() {
        let root = serde_json::json!({ "metadata": { "namespace": "shop", "name": "root" }, "spec": { "exportTo": ["."],
            "http": [{ "delegate": { "name": "cart", "namespace": "team" }, "fault": { "abort": { "httpStatus": 503 } } }] } });
        let delegate = serde_json::json!({ "spec": { "http": [{ "timeout": "2s", "route": [{ "destination": { "host": "cart" } }] }] } });
        let found = routes(&root, &|place, name| (place == "team" && name == "cart").then(|| delegate.clone()));
        let [one] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!(one.destinations[0].host, "cart.team.svc.cluster.local");
        assert_eq!((one.timeout, one.fault.abort), (Some(2000), Some((503, 1.0))));
        assert_eq!((one.origin.1.as_str(), one.exported.as_deref()), ("root", Some(&["shop".to_owned()][..])));
        assert!(routes(&root, &|_, _| None).is_empty());
    }
}
