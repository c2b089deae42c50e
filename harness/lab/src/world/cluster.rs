//! One cluster: its objects, its pods, its network rules and the programs that keep state.

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;

use super::{ClusterNames, Ident, Pod, Quirks, Role, Uid};
use crate::alerts::Alertmanager;
use crate::api::grants::Grants;
use crate::api::tally::Tally;
use crate::kube::network_policy::{self, End, NetworkPolicy};
use crate::kube::proxy_rules::Rules;
use crate::mesh::istiod::Istiod;
use crate::prom::{Monitoring, Prometheus};
use crate::store::{Store, resources};

/// One cluster.
pub(crate) struct Cluster {
    pub(crate) ident: Ident,
    pub(crate) store: Store,
    pub(crate) pods: BTreeMap<Uid, Pod>,
    pub(crate) ips: HashMap<Ipv4Addr, Uid>,
    pub(crate) next_pod: Vec<u16>,
    pub(crate) next_service: u16,
    pub(crate) next_lb: u8,
    pub(crate) rules: Rules,
    pub(crate) policies: Vec<NetworkPolicy>,
    pub(crate) istiod: Istiod,
    pub(crate) prometheus: Prometheus,
    pub(crate) alertmanager: Alertmanager,
    /// How the cluster is monitored.
    pub(crate) monitoring: Monitoring,
    /// The notifications that the `oncall` receiver got.
    pub(crate) oncall: Vec<serde_json::Value>,
    pub(crate) quirks: Quirks,
    pub(crate) grants: Grants,
    /// What its API server and its proxies were asked.
    pub(crate) tally: Tally,
    pub(crate) token: String,
}

impl Cluster {
    pub(crate) fn new(index: usize, seed: u64, names: &ClusterNames, mesh_id: &'static str) -> Self {
        let ident = Ident::new(index, names, mesh_id);
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
            monitoring: Monitoring::default(),
            oncall: Vec::new(),
            quirks: Quirks::default(),
            grants: Grants::default(),
            tally: Tally::default(),
            ident,
        }
    }

    /// A ready pod of a role, if there is one.
    pub(crate) fn ready(&self, role: Role) -> Option<&Pod> {
        self.pods.values().find(|pod| pod.role == role && pod.ready && !pod.terminating())
    }

    /// The pod with an address.
    pub(crate) fn pod_at(&self, ip: Ipv4Addr) -> Option<&Pod> {
        self.pods.get(self.ips.get(&ip)?)
    }

    /// Reads the network policies from the store again.
    pub(crate) fn read_network_policies(&mut self) {
        self.policies = if self.quirks.ignore_policies {
            Vec::new()
        } else {
            self.store.list(resources::networkpolicies(), None).map(|value| network_policy::parse(value)).collect()
        };
    }

    /// Whether the network policies let a connection through.
    pub(crate) fn allows(&self, from: End<'_>, to: End<'_>, port: u16) -> bool {
        network_policy::allow(&self.policies, &self.store, from, to, port)
    }
}
