//! `NetworkPolicies`, enforced on new connections between pods.
//!
//! Peers are pod and namespace selectors or CIDRs; ports are numbers. Traffic from outside the cluster has no pod.

use std::net::Ipv4Addr;

use serde_json::{Map, Value};

use crate::store::selector::Selector;
use crate::store::{Store, object, resources};
use crate::world::Pod;

#[derive(Debug, Clone)]
struct Peer {
    pods: Option<Selector>,
    namespaces: Option<Selector>,
    cidr: Option<(Ipv4Addr, u32)>,
}

#[derive(Debug, Clone)]
struct Rule {
    peers: Vec<Peer>,
    ports: Vec<u16>,
}

/// One policy; `None` rules mean the direction is not restricted by it.
#[derive(Debug, Clone)]
pub(crate) struct NetworkPolicy {
    namespace: String,
    pods: Selector,
    ingress: Option<Vec<Rule>>,
    egress: Option<Vec<Rule>>,
}

/// Reads a `NetworkPolicy`.
pub(crate) fn parse(value: &Value) -> NetworkPolicy {
    let types: Vec<&str> = object::items(value, "/spec/policyTypes").iter().filter_map(Value::as_str).collect();
    let declared = |kind: &str, field: &str| {
        if types.is_empty() { kind == "Ingress" || value.pointer(field).is_some() } else { types.contains(&kind) }
    };
    let rules = |field: &str, peers: &str| object::items(value, field).iter().map(|r| rule(r, peers)).collect();
    NetworkPolicy {
        namespace: object::namespace(value).to_owned(),
        pods: value.pointer("/spec/podSelector").map(Selector::object).unwrap_or_default(),
        ingress: declared("Ingress", "/spec/ingress").then(|| rules("/spec/ingress", "/from")),
        egress: declared("Egress", "/spec/egress").then(|| rules("/spec/egress", "/to")),
    }
}

fn rule(value: &Value, peers: &str) -> Rule {
    let peer = |p: &Value| Peer {
        pods: p.get("podSelector").map(Selector::object),
        namespaces: p.get("namespaceSelector").map(Selector::object),
        cidr: p.pointer("/ipBlock/cidr").and_then(Value::as_str).and_then(|text| {
            let (ip, bits) = text.split_once('/')?;
            Some((ip.parse().ok()?, bits.parse().ok()?))
        }),
    };
    Rule {
        peers: object::items(value, peers).iter().map(peer).collect(),
        ports: object::items(value, "/ports").iter().filter_map(|p| p.get("port")?.as_u64()?.try_into().ok()).collect(),
    }
}

/// One end of a connection: the pod where it is one of this cluster's, and the address.
#[derive(Clone, Copy)]
pub(crate) struct End<'a> {
    pub(crate) pod: Option<&'a Pod>,
    pub(crate) ip: Ipv4Addr,
}

/// Whether policies let a connection through; `store` holds the namespaces of their cluster.
pub(crate) fn allow(policies: &[NetworkPolicy], store: &Store, from: End<'_>, to: End<'_>, port: u16) -> bool {
    if policies.is_empty() {
        return true;
    }
    let side = |subject: End<'_>, peer: End<'_>, pick: fn(&NetworkPolicy) -> Option<&Vec<Rule>>| {
        let Some(pod) = subject.pod else { return true };
        let mut applying = policies
            .iter()
            .filter(|p| p.namespace == pod.namespace && p.pods.matches(Some(&pod.labels)))
            .filter_map(|p| Some((p, pick(p)?)))
            .peekable();
        applying.peek().is_none()
            || applying.any(|(policy, rules)| rules.iter().any(|r| admits(store, policy, r, peer, port)))
    };
    side(from, to, |p| p.egress.as_ref()) && side(to, from, |p| p.ingress.as_ref())
}

fn admits(store: &Store, policy: &NetworkPolicy, rule: &Rule, peer: End<'_>, port: u16) -> bool {
    let matches = |p: &Peer| {
        if let Some((net, bits)) = p.cidr {
            let mask = if bits == 0 { 0 } else { u32::MAX << (32 - bits.min(32)) };
            return u32::from(peer.ip) & mask == u32::from(net) & mask;
        }
        let Some(pod) = peer.pod else { return false };
        let space = match &p.namespaces {
            Some(selector) => selector.matches(namespace_labels(store, &pod.namespace).as_ref()),
            None => pod.namespace == policy.namespace,
        };
        space && p.pods.as_ref().is_none_or(|s| s.matches(Some(&pod.labels)))
    };
    (rule.ports.is_empty() || rule.ports.contains(&port)) && (rule.peers.is_empty() || rule.peers.iter().any(matches))
}

fn namespace_labels(store: &Store, name: &str) -> Option<Map<String, Value>> {
    object::labels(store.get(resources::namespaces(), "", name)?).cloned()
}
