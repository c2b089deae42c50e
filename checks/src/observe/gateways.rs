//! Istio's `Gateway`s, read from their JSON: which pods they configure, where those listen, and whether routes are
//! bound to them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::routing::{bound_gateways, matches_host, texts};

/// One `Gateway`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Labels of the pods it configures; without any it configures every gateway.
    pub selector: BTreeMap<String, String>,
    /// Where it listens.
    pub servers: Vec<Server>,
}

/// One server of a `Gateway`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Its port.
    pub port: u16,
    /// The hosts that it takes: names or patterns. None where requests are distinguished by something else than the host they name.
    pub hosts: Option<Vec<String>>,
}

impl Server {
    fn read(server: &Value) -> Option<Self> {
        let port = u16::try_from(server["port"]["number"].as_u64()?).ok()?;
        let protocol = server["port"]["protocol"].as_str().unwrap_or_default().to_ascii_uppercase();
        let by_host = ["HTTP", "HTTP2", "HTTPS", "GRPC", "GRPC-WEB"].contains(&protocol.as_str());
        let passes = server["tls"]["mode"].as_str().is_some_and(|mode| mode.ends_with("PASSTHROUGH"));
        // A host may be restricted to the routes of one namespace, written before it.
        let hosts = texts(&server["hosts"]).map(|host| host.rsplit('/').next().unwrap_or(host).to_owned());
        Some(Self { port, hosts: (by_host && !passes).then(|| hosts.collect()) })
    }

    /// Whether it may take requests to a host.
    pub fn may_take(&self, host: &str) -> bool {
        self.hosts.as_ref().is_none_or(|hosts| hosts.iter().any(|pattern| matches_host(pattern, host)))
    }
}

impl Gateway {
    /// Reads one.
    pub fn read(object: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let selector = object["spec"]["selector"].as_object().into_iter().flatten();
        let servers = object["spec"]["servers"].as_array().into_iter().flatten();
        Self {
            namespace: text(&object["metadata"]["namespace"]),
            name: text(&object["metadata"]["name"]),
            selector: selector.map(|(key, value)| (key.clone(), text(value))).collect(),
            servers: servers.filter_map(Server::read).collect(),
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
            "spec": { "selector": selector, "servers": [
                { "port": { "number": 80, "protocol": "HTTP" }, "hosts": ["*.example", "./b.test"] },
                { "port": { "number": 443, "protocol": "HTTPS" }, "hosts": ["*"] },
                { "port": { "number": 9443, "protocol": "HTTPS" }, "tls": { "mode": "PASSTHROUGH" }, "hosts": ["c.test"] }
            ] }
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
        assert_eq!(edge.to_string(), "Gateway shop/edge");
    }

    #[test]
    fn its_servers_take_some_hosts() {
        let gateway = gateway(&Value::Null);
        let takes = |port: u16, host: &str| {
            gateway.servers.iter().find(|server| server.port == port).is_some_and(|server| server.may_take(host))
        };
        assert!(takes(80, "a.Example") && takes(80, "b.test") && !takes(80, "example") && !takes(80, "a.test"));
        assert!(takes(443, "198.51.100.7"));
        assert!(takes(9443, "a.test"), "its requests are told apart by what TLS names");
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
