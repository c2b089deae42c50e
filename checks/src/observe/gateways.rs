//! Istio's `Gateway`s, read from their JSON: which pods they configure, where those listen, and whether routes are
//! bound to them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::routing::bound_gateways;

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
        bound_gateways(service).contains(&(self.namespace.as_str(), self.name.as_str()))
    }
}

impl std::fmt::Display for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Gateway {}/{}", self.namespace, self.name)
    }
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
}
