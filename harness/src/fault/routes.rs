//! `VirtualServices` for faults: which one owns a host, and the faults in its HTTP routes.

use meshdrill_checks::observe::routing::{configured_host, is_for_sidecars, texts};
use serde_json::{Value, json};

use super::fields::Step;
use super::{FaultError, UndoOutcome};
use crate::cluster::Object;

/// The API path of a `VirtualService`.
pub(super) fn path(namespace: &str, name: &str) -> String {
    format!("/apis/networking.istio.io/v1/namespaces/{namespace}/virtualservices/{name}")
}

/// Why a fault in delegating routes would not take effect: a delegate is missing, or has a fault of its own. A delegate
/// without a fault inherits the fault of its root.
pub(super) fn delegate_trouble(services: &[Object], service: &Object, route: Option<&str>) -> Option<String> {
    let routes = service["spec"]["http"].as_array().into_iter().flatten();
    let meant = routes.filter(|one| route.is_none_or(|name| one["name"] == name));
    meant.map(|one| &one["delegate"]).filter(|delegate| !delegate.is_null()).find_map(|delegate| {
        let namespace = delegate["namespace"].as_str().unwrap_or(service.namespace());
        let name = delegate["name"].as_str().unwrap_or_default();
        let Some(found) = services.iter().find(|other| other.name() == name && other.namespace() == namespace) else {
            return Some(format!("delegates to VirtualService {namespace}/{name}, which does not exist"));
        };
        let fault = other_fault(found, None)?;
        Some(format!("delegates to VirtualService {}, which already injects a fault: {fault}", words(found)))
    })
}

fn words(service: &Object) -> String {
    service.object_ref().to_string()
}

/// The one `VirtualService` that routes HTTP for a host, given by its fully qualified name.
pub(super) fn owner<'a>(services: &'a [Object], host: &str) -> Result<&'a Object, FaultError> {
    let claims = |service: &&Object| {
        let namespace = service.namespace();
        texts(&service["spec"]["hosts"]).any(|claimed| configured_host(claimed, namespace) == host)
    };
    let all: Vec<&Object> = services.iter().filter(claims).collect();
    // One for sidecars and another for a gateway do not conflict; two for sidecars do, and Istio applies only the older one.
    let inside: Vec<&Object> = all.iter().copied().filter(|service| is_for_sidecars(service)).collect();
    match if inside.is_empty() { all } else { inside }.as_slice() {
        [] => Err(FaultError::NoTarget(format!(
            "no VirtualService owns {host}; create one that routes HTTP for it (faults never change a wildcard, which routes for other hosts too)"
        ))),
        [service] if service["spec"]["http"].as_array().is_none_or(Vec::is_empty) => {
            Err(FaultError::NoTarget(format!("VirtualService {} owns {host} and has no `http` routes", words(service))))
        }
        [service] => Ok(service),
        several => Err(FaultError::Refused(format!(
            "{} all claim {host}, and Istio applies only the oldest; remove all but one",
            several.iter().map(|service| format!("VirtualService {}", words(service))).collect::<Vec<_>>().join(", ")
        ))),
    }
}

/// The `HTTPRoute` of the Gateway API that routes for a host, given by its fully qualified name: by its hostnames, or because the
/// Service of the host is its parent.
pub(super) fn http_route<'a>(routes: &'a [Object], host: &str) -> Option<&'a Object> {
    let claims = |route: &&Object| {
        let namespace = route.namespace();
        let spec = &route["spec"];
        let by_parent = spec["parentRefs"].as_array().into_iter().flatten().any(|parent| {
            let name = parent["name"].as_str().unwrap_or_default();
            let space = parent["namespace"].as_str().unwrap_or(namespace);
            parent["kind"] == "Service" && host == format!("{name}.{space}.svc.cluster.local")
        });
        by_parent || texts(&spec["hostnames"]).any(|hostname| hostname == host)
    };
    routes.iter().find(claims)
}

/// Adds a fault to every HTTP route, or to the one with a name. A route with another fault is an error.
pub(super) fn add(service: &Value, route: Option<&str>, fault: &Value, query: &'static str) -> Step {
    let mut list = service["spec"]["http"].clone();
    let meant = |one: &&mut Value| route.is_none_or(|name| one["name"] == name);
    let mut added = 0;
    for one in list.as_array_mut().into_iter().flatten().filter(meant) {
        if one["fault"].is_null() {
            one["fault"] = fault.clone();
            added += 1;
        } else if one["fault"] != *fault {
            return Step::Done(UndoOutcome::ChangedByOthers(format!("a route already has a fault: {}", one["fault"])));
        }
    }
    if added == 0 {
        Step::Done(UndoOutcome::AlreadyRight)
    } else {
        Step::Write(query, json!({ "spec": { "http": list } }))
    }
}

/// Removes a fault from every route that has it; other changes to the routes since are kept.
pub(super) fn remove(service: &Value, fault: &Value) -> Step {
    let mut list = service["spec"]["http"].clone();
    let mut others = Vec::new();
    let mut removed = 0;
    for one in list.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        if one.get("fault") == Some(fault) {
            one.remove("fault");
            removed += 1;
        } else if let Some(other) = one.get("fault") {
            others.push(format!("a route has the fault {other}"));
        }
    }
    match (removed, others.is_empty()) {
        (0, true) => Step::Done(UndoOutcome::AlreadyRight),
        (0, false) => Step::Done(UndoOutcome::ChangedByOthers(others.join(", "))),
        _ => Step::Write("", json!({ "spec": { "http": list } })),
    }
}

/// A fault that is already in a route: in any, or in the one with a name.
pub(super) fn other_fault<'a>(service: &'a Value, route: Option<&str>) -> Option<&'a Value> {
    let routes = service["spec"]["http"].as_array().into_iter().flatten();
    let mut meant = routes.filter(|one| route.is_none_or(|name| one["name"] == name));
    meant.find_map(|one| one.get("fault").filter(|fault| !fault.is_null()))
}

/// Whether every route, or the one with a name, has the fault.
pub(super) fn carry_all(service: &Value, route: Option<&str>, fault: &Value) -> bool {
    let routes = service["spec"]["http"].as_array().into_iter().flatten();
    let mut meant = routes.filter(|one| route.is_none_or(|name| one["name"] == name)).peekable();
    meant.peek().is_some() && meant.all(|one| one["fault"] == *fault)
}

/// Whether a route still has the fault.
pub(super) fn carries(service: &Value, fault: &Value) -> bool {
    service["spec"]["http"].as_array().into_iter().flatten().any(|one| one["fault"] == *fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(name: &str, hosts: &[&str], gateways: &[&str]) -> Object {
        Object::from(json!({ "metadata": { "namespace": "shop", "name": name },
            "spec": { "hosts": hosts, "gateways": gateways, "http": [{ "name": "a", "route": [] }, { "route": [] }] } }))
    }

    #[test]
    fn a_route_of_the_gateway_api_is_found_by_its_hostnames_or_its_parent_service() {
        let route = |name: &str, spec: Value| {
            Object::from(json!({ "metadata": { "namespace": "shop", "name": name }, "spec": spec }))
        };
        let parent = |namespace: Value| json!({ "parentRefs": [{ "kind": "Service", "group": "", "name": "cart", "namespace": namespace }] });
        let own = json!({ "parentRefs": [{ "kind": "Service", "group": "", "name": "cart" }] });
        let outside = json!({ "parentRefs": [{ "name": "web" }], "hostnames": ["shop.example"] });
        let all = [route("front", outside), route("mesh", own), route("other", parent(json!("pay")))];
        let of = |host: &str| http_route(&all, host).map(Object::name);
        assert_eq!(of("cart.shop.svc.cluster.local"), Some("mesh"));
        assert_eq!(of("cart.pay.svc.cluster.local"), Some("other"));
        assert_eq!((of("shop.example"), of("web.shop.svc.cluster.local")), (Some("front"), None));
    }

    #[test]
    fn a_host_has_one_owner_or_none() {
        let cart = "cart.shop.svc.cluster.local";
        let all =
            [service("x", &["pay", "cart"], &[]), service("dead", &["cart.shop"], &[]), service("any", &["*"], &["g"])];
        assert_eq!(owner(&all, cart).unwrap().name(), "x");
        assert!(matches!(owner(&all, "other.shop.svc.cluster.local"), Err(FaultError::NoTarget(_))));
        let outside = [service("x", &["cart"], &[]), service("edge", &[cart], &["edge"])];
        assert_eq!(owner(&outside, cart).unwrap().name(), "x");
        let two = [service("x", &["cart"], &["edge", "mesh"]), service("y", &[cart], &[])];
        assert!(
            matches!(owner(&two, cart), Err(FaultError::Refused(why)) if why.contains("shop/x, VirtualService shop/y"))
        );
        let mut no_http = service("x", &["cart"], &[]);
        no_http["spec"]["http"] = json!([]);
        assert!(matches!(owner(&[no_http], cart), Err(FaultError::NoTarget(_))));
    }

    #[test]
    fn a_delegate_takes_the_fault_of_its_root_unless_it_has_one() {
        let mut root = service("root", &["cart"], &[]);
        root["spec"]["http"][0]["delegate"] = json!({ "name": "part", "namespace": "team" });
        let mut part = Object::from(
            json!({ "metadata": { "namespace": "team", "name": "part" }, "spec": { "http": [{ "route": [] }] } }),
        );
        let missing = delegate_trouble(&[root.clone()], &root, None);
        assert!(missing.is_some_and(|why| why.contains("team/part, which does not exist")));
        assert_eq!(delegate_trouble(&[root.clone(), part.clone()], &root, None), None);
        part["spec"]["http"][0]["fault"] = json!({ "abort": { "httpStatus": 500 } });
        let all = [root.clone(), part];
        assert!(delegate_trouble(&all, &root, None).is_some_and(|why| why.contains("already injects a fault")));
        assert_eq!(delegate_trouble(&all, &root, Some("other")), None);
    }

    #[test]
    fn only_our_own_fault_is_removed_and_nothing_else_is_touched() {
        let fault = json!({ "delay": { "fixedDelay": "2s" } });
        let before = service("x", &["cart"], &[]);
        let Step::Write("", patch) = add(&before, None, &fault, "") else { panic!("nothing written") };
        let mut broken = before.clone();
        broken["spec"]["http"] = patch["spec"]["http"].clone();
        assert!(carries(&broken, &fault));
        broken["spec"]["http"][0]["timeout"] = json!("9s");
        let Step::Write("", patch) = remove(&broken, &fault) else { panic!("nothing written") };
        assert_eq!(patch["spec"]["http"], json!([{ "name": "a", "route": [], "timeout": "9s" }, { "route": [] }]));
        broken["spec"]["http"][1]["fault"] = json!({ "abort": { "httpStatus": 500 } });
        broken["spec"]["http"][0]["fault"] = Value::Null;
        assert!(matches!(add(&broken, None, &fault, ""), Step::Done(UndoOutcome::ChangedByOthers(_))));
        let Step::Write("", patch) = add(&broken, Some("a"), &fault, "") else { panic!("nothing written") };
        assert_eq!(patch["spec"]["http"][0]["fault"], fault);
        assert!(matches!(remove(&before, &fault), Step::Done(UndoOutcome::AlreadyRight)));
    }
}
