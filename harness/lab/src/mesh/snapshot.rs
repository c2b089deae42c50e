//! What an istiod pushes to the proxies of its cluster: Envoy clusters with endpoints, routes and gateways.

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;
use std::sync::Arc;

use super::destination_rule::TrafficPolicy;
use super::virtual_service::{Route, reaches};
use crate::clock::Ms;
use crate::store::selector::Selector;

/// The port on which east-west gateways pass mutual TLS through.
pub(crate) const PASSTHROUGH: u16 = 15443;

/// One endpoint of a cluster.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    pub(crate) ip: Ipv4Addr,
    pub(crate) port: u16,
    pub(crate) weight: u32,
    /// The index of the cluster that owns it.
    pub(crate) owner: usize,
    pub(crate) region: &'static str,
    pub(crate) zone: String,
    /// The address is the owner's east-west gateway.
    pub(crate) gateway: bool,
    pub(crate) priority: u32,
    /// `workload;namespace;service;revision;cluster`, as in Envoy's metadata.
    pub(crate) workload: String,
    /// The locality weight, where the `DestinationRule` has `distribute`.
    pub(crate) share: Option<u32>,
}

/// One Envoy cluster: `outbound|9080|v1|reviews.bookinfo.svc.cluster.local`.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) name: Arc<str>,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) subset: String,
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) policy: Arc<TrafficPolicy>,
}

/// A server of a Gateway object.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    pub(crate) selector: Selector,
    pub(crate) port: u16,
    pub(crate) passthrough: bool,
    /// TLS is spoken on the port.
    pub(crate) tls: bool,
    pub(crate) routes: Vec<Arc<Route>>,
}

impl Server {
    /// The hosts with routes that a gateway in a namespace receives, the most specific first.
    pub(crate) fn hosts(&self, namespace: &str) -> Vec<&str> {
        let visible = self.routes.iter().filter(|route| reaches(route.exported.as_deref(), namespace));
        let mut hosts: Vec<&str> = visible.flat_map(|route| &route.hosts).map(String::as_str).collect();
        hosts.sort_by_key(|host| (host.starts_with('*'), std::cmp::Reverse(host.len()), *host));
        hosts.dedup();
        hosts
    }

    /// The routes of one of these hosts.
    pub(crate) fn routes_of_host<'a>(
        &'a self,
        host: &'a str,
        namespace: &'a str,
    ) -> impl Iterator<Item = &'a Arc<Route>> {
        let visible = self.routes.iter().filter(move |route| reaches(route.exported.as_deref(), namespace));
        visible.filter(move |route| route.hosts.iter().any(|own| own == host))
    }
}

/// The routes of one `VirtualService` for a host, and the namespaces whose proxies receive them.
#[derive(Debug, Clone)]
pub(crate) struct HostRoutes {
    pub(super) exported: Option<Vec<String>>,
    pub(super) routes: Vec<Arc<Route>>,
}

/// The complete configuration of one push.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) version: u64,
    pub(crate) at: Ms,
    pub(crate) upstreams: BTreeMap<String, Arc<Upstream>>,
    /// Routes of the mesh's `VirtualServices` by host.
    pub(super) routes: HashMap<String, Vec<HostRoutes>>,
    pub(crate) servers: Vec<Server>,
    /// Ports of every host.
    pub(crate) hosts: HashMap<String, Vec<u16>>,
    /// The ports to which HTTP routes do not apply.
    pub(super) opaque: HashMap<String, Vec<u16>>,
}

impl Snapshot {
    /// The routes of sidecars in a namespace, for a port of a host.
    pub(crate) fn routes_at(&self, host: &str, port: u16, namespace: &str) -> Option<&[Arc<Route>]> {
        let opaque = self.opaque.get(host).is_some_and(|ports| ports.contains(&port));
        if opaque { None } else { self.routes(host, namespace) }
    }

    /// The routes of proxies in a namespace, for a host. For two tables of one host, Istio uses the older one.
    pub(crate) fn routes(&self, host: &str, namespace: &str) -> Option<&[Arc<Route>]> {
        let mut tables = self.routes.get(host)?.iter();
        let table = tables.find(|table| reaches(table.exported.as_deref(), namespace))?;
        Some(&table.routes)
    }

    /// The hosts with routes.
    pub(crate) fn routed(&self) -> impl Iterator<Item = &String> {
        self.routes.keys()
    }

    /// Keeps the injected faults of an older snapshot, even if the objects no longer have them.
    pub(crate) fn keep_faults(&mut self, old: &Self) {
        let broken = |routes: &[Arc<Route>]| routes.iter().any(|r| r.fault.delay.is_some() || r.fault.abort.is_some());
        for (host, tables) in &old.routes {
            if tables.iter().any(|table| broken(&table.routes)) {
                self.routes.insert(host.clone(), tables.clone());
            }
        }
        for (server, before) in self.servers.iter_mut().zip(&old.servers) {
            if broken(&before.routes) {
                server.routes.clone_from(&before.routes);
            }
        }
    }
}

/// The name that istiod gives an Envoy cluster.
pub(crate) fn upstream_name(port: u16, subset: &str, host: &str) -> String {
    format!("outbound|{port}|{subset}|{host}")
}
