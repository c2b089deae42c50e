//! The rules of kube-proxy: the pods of a Service address.
//!
//! The rules lag behind the endpoints: connections see the state of the last sync.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use serde_json::Value;

use super::service_port::target_port;
use crate::store::{Store, object, resources};

/// The pods of a Service.
#[derive(Debug, Clone, Default)]
pub(crate) struct Backends {
    pub(crate) ready: Vec<Ipv4Addr>,
    /// Terminating but still serving; used when no pod is ready.
    pub(crate) terminating: Vec<Ipv4Addr>,
    /// Port, node port, target port.
    pub(crate) ports: Vec<(u16, u16, u16)>,
}

/// The rules of one cluster.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    backends: HashMap<(String, String), Backends>,
    addresses: HashMap<Ipv4Addr, (String, String)>,
    /// Whether a sync is due.
    pub(crate) scheduled: bool,
}

impl Rules {
    /// The rules for the Services and `EndpointSlices` of a cluster.
    pub(crate) fn read(store: &Store) -> Self {
        let mut rules = Self::default();
        for service in store.list(resources::services(), None) {
            let key = (object::namespace(service).to_owned(), object::name(service).to_owned());
            for ip in addresses(service) {
                rules.addresses.insert(ip, key.clone());
            }
            let mut backends = Backends::default();
            let number = |port: &Value, field: &str| {
                port.get(field).and_then(Value::as_u64).and_then(|n| u16::try_from(n).ok()).unwrap_or(0)
            };
            for port in object::items(service, "/spec/ports") {
                let target = target_port(port);
                backends.ports.push((number(port, "port"), number(port, "nodePort"), target));
            }
            rules.backends.insert(key, backends);
        }
        for slice in store.list(resources::endpointslices(), None) {
            let service = object::label(slice, "kubernetes.io/service-name").unwrap_or("").to_owned();
            let Some(backends) = rules.backends.get_mut(&(object::namespace(slice).to_owned(), service)) else {
                continue;
            };
            for endpoint in object::items(slice, "/endpoints") {
                let Some(ip) = object::text(endpoint, "/addresses/0").parse().ok() else { continue };
                if object::flag(endpoint, "/conditions/ready") {
                    backends.ready.push(ip);
                } else if object::flag(endpoint, "/conditions/serving")
                    && object::flag(endpoint, "/conditions/terminating")
                {
                    backends.terminating.push(ip);
                }
            }
        }
        rules
    }

    pub(crate) fn service_at(&self, ip: Ipv4Addr) -> Option<&Backends> {
        self.backends.get(self.addresses.get(&ip)?)
    }

    /// The Service that has a node port.
    pub(crate) fn node_port(&self, port: u16) -> Option<(&Backends, u16)> {
        self.backends.values().find_map(|b| b.ports.iter().find(|p| p.1 == port).map(|p| (b, p.0)))
    }
}

impl Backends {
    /// Addresses a new connection may go to.
    pub(crate) fn usable(&self) -> &[Ipv4Addr] {
        if self.ready.is_empty() { &self.terminating } else { &self.ready }
    }

    pub(crate) fn target(&self, port: u16) -> Option<u16> {
        self.ports.iter().find(|p| p.0 == port).map(|p| p.2)
    }
}

/// Every address of a Service: cluster address and load balancer addresses.
fn addresses(service: &Value) -> Vec<Ipv4Addr> {
    let balanced = object::items(service, "/status/loadBalancer/ingress").iter().map(|i| object::text(i, "/ip"));
    std::iter::once(object::text(service, "/spec/clusterIP")).chain(balanced).filter_map(|ip| ip.parse().ok()).collect()
}
