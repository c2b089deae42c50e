//! Services: their ports and where a load balancer answers for them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::field::{self, KubeError};

/// One service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its labels; `topology.istio.io/network` marks a network's gateway.
    pub labels: BTreeMap<String, String>,
    /// `ClusterIP`, `NodePort`, `LoadBalancer` or `ExternalName`.
    pub kind: String,
    /// Labels of its pods. Empty means that nobody keeps its endpoints up to date.
    pub selector: BTreeMap<String, String>,
    /// Its ports.
    pub ports: Vec<Port>,
    /// Its addresses inside the cluster; empty for a headless one.
    pub cluster_ips: Vec<String>,
    /// Every entry of the load balancer. The first may be a private address.
    pub load_balancer: Vec<LoadBalancerAddress>,
}

/// One port of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// Its name, empty for an only port without one.
    pub name: String,
    /// The port.
    pub port: u16,
    /// Port of the pods, a number or a name; the port itself where not set.
    pub target: String,
    /// Port on every node, where it has one.
    pub node_port: Option<u16>,
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: String,
    /// Its protocol, where it is set.
    pub app_protocol: Option<String>,
}

impl Port {
    /// What Istio takes to be spoken there, if that is something for which HTTP routes do not count: known by `appProtocol`, or
    /// else by what the name begins with. Without a word of it Istio finds out by itself.
    pub fn opaque(&self) -> Option<&str> {
        const OPAQUE: [&str; 7] = ["tcp", "tls", "https", "mongo", "mysql", "redis", "udp"];
        let named = self.name.split('-').next().unwrap_or_default();
        let told = self.app_protocol.as_deref().unwrap_or(named);
        OPAQUE.into_iter().find(|one| one.eq_ignore_ascii_case(told))
    }
}

/// One entry of a load balancer's status: some clouds give addresses, others names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LoadBalancerAddress {
    /// An IP address.
    Ip(String),
    /// A name, to be resolved.
    Hostname(String),
}

impl LoadBalancerAddress {
    /// Address or name.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Ip(address) | Self::Hostname(address) => address,
        }
    }
}

impl Service {
    /// Reads a service.
    pub fn read(object: &Value) -> Result<Self, KubeError> {
        let mut cluster_ips = field::strings(object, "/spec/clusterIPs");
        if cluster_ips.is_empty() {
            cluster_ips.extend(field::text(object, "/spec/clusterIP").map(str::to_owned));
        }
        cluster_ips.retain(|ip| !ip.is_empty() && ip != "None");
        Ok(Self {
            name: field::named(object, "Service")?,
            namespace: field::string(object, "/metadata/namespace"),
            labels: field::map(object, "/metadata/labels"),
            kind: field::text(object, "/spec/type").unwrap_or("ClusterIP").to_owned(),
            selector: field::map(object, "/spec/selector"),
            ports: field::list(object, "/spec/ports").iter().filter_map(port).collect(),
            cluster_ips,
            load_balancer: field::list(object, "/status/loadBalancer/ingress").iter().flat_map(addresses).collect(),
        })
    }

    /// Names among the load balancer's entries; they have to be resolved before an address can be compared with them.
    pub fn hostnames(&self) -> impl Iterator<Item = &str> {
        self.load_balancer.iter().filter_map(|entry| match entry {
            LoadBalancerAddress::Hostname(name) => Some(name.as_str()),
            LoadBalancerAddress::Ip(_) => None,
        })
    }

    /// The port of this number.
    pub fn port(&self, number: u16) -> Option<&Port> {
        self.ports.iter().find(|p| p.port == number)
    }
}

fn port(port: &Value) -> Option<Port> {
    let number = u16::try_from(field::number(port, "/port")?).ok()?;
    let target = match port.get("targetPort") {
        Some(Value::String(name)) => name.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => number.to_string(),
    };
    Some(Port {
        name: field::string(port, "/name"),
        port: number,
        target,
        node_port: field::number(port, "/nodePort").and_then(|n| u16::try_from(n).ok()),
        protocol: field::text(port, "/protocol").unwrap_or("TCP").to_owned(),
        app_protocol: field::text(port, "/appProtocol").map(str::to_owned),
    })
}

fn addresses(entry: &Value) -> Vec<LoadBalancerAddress> {
    let present = |pointer| field::text(entry, pointer).filter(|text| !text.is_empty()).map(str::to_owned);
    let ip = present("/ip").map(LoadBalancerAddress::Ip);
    ip.into_iter().chain(present("/hostname").map(LoadBalancerAddress::Hostname)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn gateway(ingress: &Value) -> Service {
        Service::read(&json!({
            "kind": "Service",
            "metadata": {"name": "eastwest", "namespace": "istio-system", "labels": {"topology.istio.io/network": "n1"}},
            "spec": {"type": "LoadBalancer", "clusterIP": "10.96.0.7", "ports": [
                {"name": "tls", "port": 15443, "targetPort": 15443, "nodePort": 31443, "protocol": "TCP"},
                {"name": "status", "port": 15021, "targetPort": "status"}]},
            "status": {"loadBalancer": {"ingress": ingress}}
        }))
        .unwrap()
    }

    #[test]
    fn all_entries_of_every_cloud() {
        let oci = gateway(&json!([{"ip": "10.0.20.9", "ipMode": "VIP"}, {"ip": "170.9.229.9"}]));
        let seen: Vec<&str> = oci.load_balancer.iter().map(LoadBalancerAddress::as_str).collect();
        assert_eq!((seen, oci.hostnames().count()), (vec!["10.0.20.9", "170.9.229.9"], 0));
        let named = gateway(&json!([{"hostname": "lb.example"}]));
        assert_eq!(named.hostnames().collect::<Vec<_>>(), ["lb.example"]);
        assert!(gateway(&Value::Null).load_balancer.is_empty());
        assert_eq!(oci.port(15443).unwrap().node_port, Some(31443));
        assert_eq!((oci.port(15021).unwrap().target.as_str(), oci.port(80)), ("status", None));
        assert_eq!(oci.cluster_ips, ["10.96.0.7"]);
    }

    #[test]
    fn some_ports_say_that_no_http_is_spoken() {
        let opaque = |name: &str, told: Option<&str>| {
            let port = port(&json!({"name": name, "port": 80, "appProtocol": told})).unwrap();
            port.opaque().map(str::to_owned)
        };
        assert_eq!(opaque("tcp-web", None).as_deref(), Some("tcp"));
        assert_eq!(opaque("web", Some("TLS")).as_deref(), Some("tls"));
        for (name, told) in [("http-web", None), ("http2", None), ("web", None), ("", None), ("tcp-web", Some("http"))]
        {
            assert_eq!(opaque(name, told), None, "{name} {told:?}");
        }
    }

    #[test]
    fn a_headless_service_has_no_address() {
        let headless = Service::read(&json!({"metadata": {"name": "h"}, "spec": {"clusterIP": "None"}})).unwrap();
        assert!(headless.cluster_ips.is_empty());
    }

    proptest! {
        #[test]
        fn any_object_is_survived(object in field::tests::any_object()) {
            let _ = Service::read(&object);
        }
    }
}
