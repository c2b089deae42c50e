//! The names and addresses of a cluster.

use std::net::Ipv4Addr;

/// Names and addresses that never change.
#[derive(Debug, Clone)]
pub(crate) struct Ident {
    /// From 1, as it appears in addresses.
    pub(crate) number: u8,
    pub(crate) key: &'static str,
    pub(crate) context: String,
    /// Istio's cluster id.
    pub(crate) istio: String,
    pub(crate) network: String,
    pub(crate) region: &'static str,
    pub(crate) zone: String,
}

impl Ident {
    pub(crate) fn new(index: usize) -> Self {
        const KEYS: [&str; 5] = ["primary", "secondary", "third", "fourth", "fifth"];
        const REGIONS: [&str; 5] = ["us-sanjose-1", "us-chicago-1", "us-phoenix-1", "us-ashburn-1", "ca-toronto-1"];
        let key = KEYS[index.min(4)];
        let region = REGIONS[index.min(4)];
        Self {
            number: u8::try_from(index + 1).unwrap_or(1),
            key,
            context: if index == 0 { "primary-cluster-context".into() } else { format!("{key}-cluster") },
            istio: format!("{key}-cluster"),
            network: format!("{key}-network"),
            region,
            zone: format!("{region}-ad-1"),
        }
    }

    /// The address of a node, from 1.
    pub(crate) fn node_ip(&self, node: usize) -> Ipv4Addr {
        Ipv4Addr::new(198, 18, 0, 10 * self.number + u8::try_from(node).unwrap_or(1))
    }

    pub(crate) fn node_name(&self, node: usize) -> String {
        format!("{}-node-{node}", self.key)
    }

    /// A load balancer's address.
    pub(crate) fn lb_ip(&self, last: u8) -> Ipv4Addr {
        Ipv4Addr::new(198, 18, self.number, last)
    }

    /// The `n`th address of the Service network.
    pub(crate) fn service_ip(&self, n: u8) -> Ipv4Addr {
        Ipv4Addr::new(198, 18, 160 + 8 * self.number, n)
    }

    /// The `n`th pod address on a node, nodes counted from 1.
    pub(crate) fn pod_ip(&self, node: usize, n: u16) -> Ipv4Addr {
        let third =
            64 + 16 * self.number + u8::try_from(node - 1).unwrap_or(0) + u8::try_from(n / 250).unwrap_or(0) * 4;
        Ipv4Addr::new(198, 18, third, u8::try_from(n % 250).unwrap_or(0) + 2)
    }

    /// The name clients dial for the API server.
    pub(crate) fn api_host(&self) -> String {
        format!("api.{}.lab", self.key)
    }
}
