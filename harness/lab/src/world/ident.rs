//! The names and addresses of a cluster.

use std::net::Ipv4Addr;

/// The names that a mesh gives to one of its clusters.
#[derive(Debug)]
pub(crate) struct ClusterNames {
    /// The key in a mesh file.
    pub(crate) key: &'static str,
    /// The kubeconfig context.
    pub(crate) context: &'static str,
    /// Istio's cluster id.
    pub(crate) istio: &'static str,
    /// Istio's network; empty where the mesh names none.
    pub(crate) network: &'static str,
    pub(crate) region: &'static str,
    pub(crate) zone: &'static str,
}

/// Names and addresses that never change.
#[derive(Debug, Clone)]
pub(crate) struct Ident {
    /// From 1, as it appears in addresses.
    pub(crate) number: u8,
    pub(crate) key: &'static str,
    pub(crate) context: String,
    /// Istio's cluster id.
    pub(crate) istio: String,
    /// Empty where the mesh names no network.
    pub(crate) network: String,
    pub(crate) mesh_id: &'static str,
    pub(crate) region: &'static str,
    pub(crate) zone: String,
}

impl Ident {
    pub(crate) fn new(index: usize, names: &ClusterNames, mesh_id: &'static str) -> Self {
        Self {
            number: u8::try_from(index + 1).unwrap_or(1),
            key: names.key,
            context: names.context.into(),
            istio: names.istio.into(),
            network: names.network.into(),
            mesh_id,
            region: names.region,
            zone: names.zone.into(),
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
    pub(crate) fn service_ip(&self, n: u16) -> Ipv4Addr {
        let [high, low] = n.to_be_bytes();
        Ipv4Addr::new(198, 18, 160 + 8 * self.number + high, low)
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
