//! One cluster: its API's objects, its pods, its network rules and the programs that keep state in it.

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;

use super::{Pod, Role, Uid};
use crate::alerts::Alertmanager;
use crate::api::grants::Grants;
use crate::defects::Quirks;
use crate::kube::policy::Policy;
use crate::kube::proxy_rules::Rules;
use crate::mesh::istiod::Istiod;
use crate::prom::Prometheus;
use crate::store::Store;

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

/// One cluster.
pub(crate) struct Cluster {
    pub(crate) ident: Ident,
    pub(crate) store: Store,
    pub(crate) pods: BTreeMap<Uid, Pod>,
    pub(crate) ips: HashMap<Ipv4Addr, Uid>,
    pub(crate) next_pod: Vec<u16>,
    pub(crate) next_service: u8,
    pub(crate) next_lb: u8,
    pub(crate) rules: Rules,
    pub(crate) policies: Vec<Policy>,
    pub(crate) istiod: Istiod,
    pub(crate) prometheus: Prometheus,
    pub(crate) alertmanager: Alertmanager,
    /// What the `oncall` receiver was sent.
    pub(crate) oncall: Vec<serde_json::Value>,
    pub(crate) quirks: Quirks,
    pub(crate) grants: Grants,
    pub(crate) token: String,
}

impl Cluster {
    pub(crate) fn new(index: usize, seed: u64) -> Self {
        let ident = Ident::new(index);
        Self {
            token: format!("lab-{}-token", ident.key),
            store: Store::new(seed.wrapping_mul(31).wrapping_add(index as u64)),
            pods: BTreeMap::new(),
            ips: HashMap::new(),
            next_pod: vec![0; 16],
            next_service: 20,
            next_lb: 30,
            rules: Rules::default(),
            policies: Vec::new(),
            istiod: Istiod::default(),
            prometheus: Prometheus::default(),
            alertmanager: Alertmanager::default(),
            oncall: Vec::new(),
            quirks: Quirks::default(),
            grants: Grants::default(),
            ident,
        }
    }

    /// A ready pod of a role, if there is one.
    pub(crate) fn ready(&self, role: Role) -> Option<&Pod> {
        self.pods.values().find(|pod| pod.role == role && pod.ready && !pod.terminating())
    }

    /// The pod that has an address now.
    pub(crate) fn pod_at(&self, ip: Ipv4Addr) -> Option<&Pod> {
        self.pods.get(self.ips.get(&ip)?)
    }
}
