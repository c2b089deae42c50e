//! `VirtualServices` as faults see them: which one owns a host, faults in its HTTP routes, and whether proxies carry them.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::join_all;
use meshdrill_checks::observe::envoy::routes::{self, RouteFault};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::fields::Step;
use super::{FaultError, UndoOutcome};
use crate::cluster::{AccessError, Cluster, PodRef, is_serving};
use crate::probe::{CannotAsk, ProxyAdmin};

/// Routes and nothing else of a proxy's configuration.
const ROUTES: &str = "/config_dump?resource=dynamic_route_configs";

/// The path of a `VirtualService` in the API.
pub(super) fn path(namespace: &str, name: &str) -> String {
    format!("/apis/networking.istio.io/v1/namespaces/{namespace}/virtualservices/{name}")
}

/// The full name of a host as an object in `namespace` may abbreviate it.
pub(super) fn full_host(host: &str, namespace: &str) -> String {
    match host.split('.').collect::<Vec<_>>().as_slice() {
        [name] if *name != "*" => format!("{name}.{namespace}.svc.cluster.local"),
        [name, namespace] | [name, namespace, "svc"] if *name != "*" => format!("{name}.{namespace}.svc.cluster.local"),
        _ => host.to_owned(),
    }
}

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// Whether the sidecars take its routes; if not, only gateways do.
pub(super) fn is_for_sidecars(service: &Value) -> bool {
    let mut gateways = texts(&service["spec"]["gateways"]).peekable();
    gateways.peek().is_none() || gateways.any(|gateway| gateway == "mesh")
}

fn words(service: &Value) -> String {
    PodRef::of(service).to_string()
}

/// The one `VirtualService` of a cluster that routes HTTP for a host, given by its full name.
pub(super) fn owner<'a>(services: &'a [Value], host: &str) -> Result<&'a Value, FaultError> {
    let claims = |service: &&Value| {
        let namespace = service["metadata"]["namespace"].as_str().unwrap_or_default();
        texts(&service["spec"]["hosts"]).any(|claimed| full_host(claimed, namespace) == host)
    };
    let all: Vec<&Value> = services.iter().filter(claims).collect();
    // One for the sidecars and another for a gateway do not meet; two of a kind do, and Istio keeps only the older one.
    let inside: Vec<&Value> = all.iter().copied().filter(|service| is_for_sidecars(service)).collect();
    match if inside.is_empty() { all } else { inside }.as_slice() {
        [] => Err(FaultError::NoTarget(format!(
            "no VirtualService owns {host}; make one that routes HTTP for it (a wildcard is never broken: it routes for other hosts too)"
        ))),
        [service] if service["spec"]["http"].as_array().is_none_or(Vec::is_empty) => {
            Err(FaultError::NoTarget(format!("VirtualService {} owns {host} and has no `http` routes", words(service))))
        }
        [service] => Ok(service),
        several => Err(FaultError::Refused(format!(
            "{} all claim {host}, and Istio keeps only the oldest; remove all but one",
            several.iter().map(|service| format!("VirtualService {}", words(service))).collect::<Vec<_>>().join(", ")
        ))),
    }
}

/// Puts a fault into every HTTP route, or into the one of a name. Routes that carry another are someone else's.
pub(super) fn add(service: &Value, route: Option<&str>, fault: &Value, query: &'static str) -> Step {
    let mut list = service["spec"]["http"].clone();
    let meant = |one: &&mut Value| route.is_none_or(|name| one["name"] == name);
    let mut added = 0;
    for one in list.as_array_mut().into_iter().flatten().filter(meant) {
        if one["fault"].is_null() {
            one["fault"] = fault.clone();
            added += 1;
        } else if one["fault"] != *fault {
            return Step::Done(UndoOutcome::ChangedByOthers(format!(
                "a route carries a fault already: {}",
                one["fault"]
            )));
        }
    }
    if added == 0 {
        Step::Done(UndoOutcome::AlreadyRight)
    } else {
        Step::Write(query, json!({ "spec": { "http": list } }))
    }
}

/// Takes a fault out of every route that carries it, whatever else was changed in the routes since.
pub(super) fn remove(service: &Value, fault: &Value) -> Step {
    let mut list = service["spec"]["http"].clone();
    let mut others = Vec::new();
    let mut removed = 0;
    for one in list.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        if one.get("fault") == Some(fault) {
            one.remove("fault");
            removed += 1;
        } else if let Some(other) = one.get("fault") {
            others.push(format!("a route carries the fault {other}"));
        }
    }
    match (removed, others.is_empty()) {
        (0, true) => Step::Done(UndoOutcome::AlreadyRight),
        (0, false) => Step::Done(UndoOutcome::ChangedByOthers(others.join(", "))),
        _ => Step::Write("", json!({ "spec": { "http": list } })),
    }
}

/// A fault that a route carries, of all routes or of the one of a name.
pub(super) fn other_fault<'a>(service: &'a Value, route: Option<&str>) -> Option<&'a Value> {
    let routes = service["spec"]["http"].as_array().into_iter().flatten();
    let mut meant = routes.filter(|one| route.is_none_or(|name| one["name"] == name));
    meant.find_map(|one| one.get("fault"))
}

/// Whether a route of it still carries a fault.
pub(super) fn carries(service: &Value, fault: &Value) -> bool {
    service["spec"]["http"].as_array().into_iter().flatten().any(|one| one["fault"] == *fault)
}

/// A fault as proxies show it.
pub(super) fn as_seen(fault: &Value) -> RouteFault {
    RouteFault {
        delay: fault["delay"]["fixedDelay"].as_str().and_then(routes::seconds),
        abort: fault["abort"]["httpStatus"].as_u64().and_then(|status| u16::try_from(status).ok()),
    }
}

/// The proxies whose configuration is looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proxies {
    /// Their namespace; any without it.
    pub namespace: Option<String>,
    /// Their pods' labels; all that have a proxy without it.
    pub selector: Option<String>,
}

/// What the proxies that have routes of a `VirtualService` carry: in all of them, in some, in none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Carried {
    pub whole: Vec<String>,
    pub partly: Vec<String>,
    pub lacking: Vec<String>,
}

impl Proxies {
    async fn pods(&self, cluster: &Cluster) -> Result<Vec<PodRef>, AccessError> {
        let place = self.namespace.as_ref().map_or_else(String::new, |namespace| format!("/namespaces/{namespace}"));
        let pods = cluster.list(&format!("/api/v1{place}/pods"), self.selector.as_deref()).await?;
        let has_proxy = |pod: &&Value| {
            let lists = ["containers", "initContainers"].map(|list| pod["spec"][list].as_array());
            lists.into_iter().flatten().flatten().any(|container| container["name"] == "istio-proxy")
        };
        let live = pods.iter().filter(|pod| is_serving(pod));
        Ok(live.filter(has_proxy).map(PodRef::of).collect())
    }
}

/// Asks proxies again and again, over connections that it keeps.
pub(super) struct Watch {
    cluster: Arc<Cluster>,
    proxies: Proxies,
    admins: Mutex<BTreeMap<PodRef, Arc<ProxyAdmin>>>,
}

impl Watch {
    pub fn new(cluster: &Arc<Cluster>, proxies: &Proxies) -> Self {
        Self { cluster: Arc::clone(cluster), proxies: proxies.clone(), admins: Mutex::default() }
    }

    /// Asks each of them which routes of a `VirtualService` carry a fault.
    pub async fn ask(&self, (namespace, name): (&str, &str), fault: RouteFault) -> Result<Carried, CannotAsk> {
        let pods = self.proxies.pods(&self.cluster).await?;
        let mut admins = self.admins.lock().await;
        let known: Vec<Arc<ProxyAdmin>> = pods
            .into_iter()
            .map(|pod| {
                let fresh = || Arc::new(ProxyAdmin::of_pod(Arc::clone(&self.cluster), pod.clone()));
                Arc::clone(admins.entry(pod.clone()).or_insert_with(fresh))
            })
            .collect();
        drop(admins);
        let asked = known.into_iter().map(|admin| async move {
            let (body, pod) = admin.get(ROUTES).await?;
            let routes = routes::parse(&body).map_err(|error| CannotAsk(format!("{pod}: {error}")))?;
            let own: Vec<_> = routes.into_iter().filter(|route| route.is_of(namespace, name)).collect();
            let with = own.iter().filter(|route| route.fault == Some(fault)).count();
            Ok::<_, CannotAsk>((pod.to_string(), own.len(), with))
        });
        let mut carried = Carried::default();
        for answer in join_all(asked).await {
            let (pod, own, with) = answer?;
            match with {
                _ if own == 0 => {}
                0 => carried.lacking.push(pod),
                with if with == own => carried.whole.push(pod),
                _ => carried.partly.push(pod),
            }
        }
        Ok(carried)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn service(name: &str, hosts: &[&str], gateways: &[&str]) -> Value {
        json!({ "metadata": { "namespace": "shop", "name": name },
            "spec": { "hosts": hosts, "gateways": gateways, "http": [{ "name": "a", "route": [] }, { "route": [] }] } })
    }

    #[test]
    fn hosts_are_compared_by_their_full_names() {
        for (host, full) in [
            ("cart", "cart.shop.svc.cluster.local"),
            ("cart.op", "cart.op.svc.cluster.local"),
            ("cart.op.svc", "cart.op.svc.cluster.local"),
            ("cart.op.svc.cluster.local", "cart.op.svc.cluster.local"),
            ("*", "*"),
            ("*.op", "*.op"),
            ("www.example.com", "www.example.com"),
        ] {
            assert_eq!(full_host(host, "shop"), full);
        }
    }

    #[test]
    fn a_host_has_one_owner_or_none() {
        let cart = "cart.shop.svc.cluster.local";
        let all = [service("x", &["pay", "cart.shop"], &[]), service("any", &["*"], &["g"])];
        assert_eq!(owner(&all, cart).unwrap()["metadata"]["name"], "x");
        assert!(matches!(owner(&all, "other.shop.svc.cluster.local"), Err(FaultError::NoTarget(_))));
        let outside = [service("x", &["cart"], &[]), service("edge", &[cart], &["edge"])];
        assert_eq!(owner(&outside, cart).unwrap()["metadata"]["name"], "x");
        let two = [service("x", &["cart"], &["edge", "mesh"]), service("y", &[cart], &[])];
        assert!(
            matches!(owner(&two, cart), Err(FaultError::Refused(why)) if why.contains("shop/x, VirtualService shop/y"))
        );
        let mut no_http = service("x", &["cart"], &[]);
        no_http["spec"]["http"] = json!([]);
        assert!(matches!(owner(&[no_http], cart), Err(FaultError::NoTarget(_))));
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

    #[test]
    fn a_fault_is_recognised_in_a_proxy() {
        let fault = json!({ "delay": { "fixedDelay": "0.25s" }, "abort": { "httpStatus": 503 } });
        assert_eq!(as_seen(&fault), RouteFault { delay: Some(Duration::from_millis(250)), abort: Some(503) });
    }
}
