//! Istio's `Gateway`s, read from their JSON: which pods they configure, where those listen, and what is routed through them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::routing::{configured_host, texts};

/// One `Gateway`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Labels of the pods it configures; without any it configures every gateway.
    pub selector: BTreeMap<String, String>,
    /// The ports of its servers.
    pub ports: Vec<u16>,
}

impl Gateway {
    /// Reads one.
    pub fn read(object: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let selector = object["spec"]["selector"].as_object().into_iter().flatten();
        let servers = object["spec"]["servers"].as_array().into_iter().flatten();
        let port = |server: &Value| server["port"]["number"].as_u64().and_then(|port| u16::try_from(port).ok());
        Self {
            namespace: text(&object["metadata"]["namespace"]),
            name: text(&object["metadata"]["name"]),
            selector: selector.map(|(key, value)| (key.clone(), text(value))).collect(),
            ports: servers.filter_map(port).collect(),
        }
    }

    /// Whether it configures a pod with these labels.
    pub fn selects(&self, labels: &BTreeMap<String, String>) -> bool {
        self.selector.iter().all(|(key, value)| labels.get(key) == Some(value))
    }

    /// Whether a `VirtualService` is bound to it.
    pub fn is_bound(&self, service: &Value) -> bool {
        let own = service["metadata"]["namespace"].as_str().unwrap_or_default();
        texts(&service["spec"]["gateways"]).any(|gateway| {
            let (namespace, name) = match gateway.split_once('/') {
                Some((".", name)) => (own, name),
                Some(both) => both,
                // The long form of before: NAME.NAMESPACE, with or without the rest of a Service's name.
                None => match gateway.split('.').collect::<Vec<_>>().as_slice() {
                    [name, namespace, ..] => (*namespace, *name),
                    _ => (own, gateway),
                },
            };
            (namespace, name) == (self.namespace.as_str(), self.name.as_str())
        })
    }
}

impl std::fmt::Display for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Gateway {}/{}", self.namespace, self.name)
    }
}

/// The full names of the hosts that a `VirtualService` sends HTTP requests to, each once, with the subset if one is named.
pub fn destinations(service: &Value) -> Vec<(String, Option<String>)> {
    let namespace = service["metadata"]["namespace"].as_str().unwrap_or_default();
    let routes = service["spec"]["http"].as_array().into_iter().flatten();
    let mut all: Vec<(String, Option<String>)> = Vec::new();
    for weighted in routes.flat_map(|route| route["route"].as_array().into_iter().flatten()) {
        let to = &weighted["destination"];
        let Some(host) = to["host"].as_str() else { continue };
        let one = (configured_host(host, namespace), to["subset"].as_str().map(str::to_owned));
        if !all.contains(&one) {
            all.push(one);
        }
    }
    all
}

/// Whether a `VirtualService` is for requests to a host, as a gateway meets them.
pub fn is_for_host(service: &Value, host: &str) -> bool {
    texts(&service["spec"]["hosts"]).any(|pattern| match pattern.strip_prefix('*') {
        Some(end) => host.ends_with(end),
        None => pattern == host,
    })
}

/// Whether a `VirtualService` delays or aborts requests on purpose.
pub fn injects_faults(service: &Value) -> bool {
    let routes = service["spec"]["http"].as_array();
    routes.into_iter().flatten().any(|route| route["fault"].as_object().is_some_and(|fault| !fault.is_empty()))
}

/// The namespace and name of the Service that a full host name belongs to; none if it is none of the cluster's own.
pub fn service_of(host: &str) -> Option<(&str, &str)> {
    let (name, rest) = host.split_once('.')?;
    let namespace = rest.strip_suffix(".svc.cluster.local")?;
    (!namespace.contains('.')).then_some((namespace, name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn gateway(selector: &Value) -> Gateway {
        Gateway::read(&json!({
            "metadata": { "namespace": "shop", "name": "edge" },
            "spec": { "selector": selector, "servers": [{ "port": { "number": 80 } }, { "port": { "number": 443 } }] }
        }))
    }

    #[test]
    fn it_configures_pods_with_all_its_labels() {
        let labels = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect::<BTreeMap<_, _>>()
        };
        let edge = gateway(&json!({ "istio": "ingress", "tier": "a" }));
        assert!(edge.selects(&labels(&[("istio", "ingress"), ("tier", "a"), ("more", "x")])));
        assert!(!edge.selects(&labels(&[("istio", "ingress")])));
        assert!(!edge.selects(&labels(&[("istio", "ingress"), ("tier", "b")])));
        assert!(gateway(&Value::Null).selects(&labels(&[])));
        assert_eq!((edge.ports.as_slice(), edge.to_string().as_str()), ([80, 443].as_slice(), "Gateway shop/edge"));
    }

    #[test]
    fn routes_name_gateways_of_their_own_namespace_or_of_another() {
        let edge = gateway(&Value::Null);
        let bound = |namespace: &str, gateways: &[&str]| {
            edge.is_bound(&json!({ "metadata": { "namespace": namespace }, "spec": { "gateways": gateways } }))
        };
        assert!(bound("shop", &["edge"]) && bound("team", &["mesh", "shop/edge"]));
        assert!(bound("shop", &["./edge"]) && bound("team", &["edge.shop.svc.cluster.local"]));
        assert!(!bound("team", &["edge"]) && !bound("shop", &["team/edge"]) && !bound("shop", &[]));
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
            [(vec!["*"], true), (vec!["*.example"], true), (vec!["a.example"], true), (vec!["b.example"], false)]
        {
            assert_eq!(is_for_host(&service(&hosts), "a.example"), good, "{hosts:?}");
        }
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
