//! One cluster as istiod knows it: Services with their ports and ready endpoints, and the addresses of gateways.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde_json::{Map, Value};

/// One ready endpoint.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) ip: Ipv4Addr,
    pub(crate) name: String,
    pub(crate) labels: Map<String, Value>,
}

/// One Service.
#[derive(Debug, Clone, Default)]
pub(crate) struct ServiceView {
    pub(crate) ports: Vec<ServicePort>,
    pub(crate) members: Vec<Member>,
}

/// One port of a Service.
#[derive(Debug, Clone)]
pub(crate) struct ServicePort {
    pub(crate) number: u16,
    pub(crate) target: u16,
    pub(crate) name: String,
    /// Declared as TCP or TLS: HTTP routes do not apply.
    pub(crate) opaque: bool,
}

/// What istiod has read from one cluster.
#[derive(Debug, Default)]
pub(crate) struct ClusterView {
    /// By namespace and name.
    pub(crate) services: BTreeMap<(String, String), ServiceView>,
    /// East-west gateway addresses.
    pub(crate) gateways: Vec<Ipv4Addr>,
}
