//! What one istiod last pushed to the proxies of its cluster: clusters with endpoints, routes and gateways.

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;
use std::sync::Arc;

use super::destination_rule::TrafficPolicy;
use super::virtual_service::{Route, reaches};
use crate::clock::Ms;
use crate::store::selector::Selector;

/// The port every east-west gateway passes mutual TLS through on.
pub(crate) const PASSTHROUGH: u16 = 15443;

/// One endpoint of a cluster.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    pub(crate) ip: Ipv4Addr,
    pub(crate) port: u16,
    pub(crate) weight: u32,
    /// The lab's number of the owning cluster.
    pub(crate) owner: usize,
    pub(crate) region: &'static str,
    pub(crate) zone: String,
    /// Through the owner's east-west gateway.
    pub(crate) gateway: bool,
    pub(crate) priority: u32,
    /// `workload;namespace;service;revision;cluster`, as the metadata has it.
    pub(crate) workload: String,
    /// Locality weight where the `DestinationRule` distributes.
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
    pub(crate) routes: Vec<Arc<Route>>,
}

impl Server {
    /// The hosts it has routes for, as a gateway in a namespace has them, the most exact first.
    pub(crate) fn hosts(&self, namespace: &str) -> Vec<&str> {
        let visible = self.routes.iter().filter(|route| reaches(route.exported.as_deref(), namespace));
        let mut hosts: Vec<&str> = visible.flat_map(|route| &route.hosts).map(String::as_str).collect();
        hosts.sort_by_key(|host| (host.starts_with('*'), std::cmp::Reverse(host.len()), *host));
        hosts.dedup();
        hosts
    }

    /// The routes of one of those hosts.
    pub(crate) fn of_host<'a>(&'a self, host: &'a str, namespace: &'a str) -> impl Iterator<Item = &'a Arc<Route>> {
        let visible = self.routes.iter().filter(move |route| reaches(route.exported.as_deref(), namespace));
        visible.filter(move |route| route.hosts.iter().any(|own| own == host))
    }
}

/// The routes of one `VirtualService` for a host, and the namespaces whose proxies get them.
#[derive(Debug, Clone)]
pub(crate) struct HostRoutes {
    pub(super) exported: Option<Vec<String>>,
    pub(super) routes: Vec<Arc<Route>>,
}

/// Everything pushed at once.
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
    /// Those of the ports for which routes do not count.
    pub(super) opaque: HashMap<String, Vec<u16>>,
}

impl Snapshot {
    /// The routes that sidecars of a namespace have for a port of a host.
    pub(crate) fn routes_at(&self, host: &str, port: u16, namespace: &str) -> Option<&[Arc<Route>]> {
        let opaque = self.opaque.get(host).is_some_and(|ports| ports.contains(&port));
        if opaque { None } else { self.routes(host, namespace) }
    }

    /// The routes that proxies of a namespace have for a host. Of two tables for one host the older wins.
    pub(crate) fn routes(&self, host: &str, namespace: &str) -> Option<&[Arc<Route>]> {
        let mut tables = self.routes.get(host)?.iter();
        let table = tables.find(|table| reaches(table.exported.as_deref(), namespace))?;
        Some(&table.routes)
    }

    /// The hosts with routes.
    pub(crate) fn routed(&self) -> impl Iterator<Item = &String> {
        self.routes.keys()
    }

    /// Keeps the faults an older state injected, whatever the objects say now.
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

/// The name istiod gives a cluster.
pub(crate) fn upstream_name(port: u16, subset: &str, host: &str) -> String {
    format!("outbound|{port}|{subset}|{host}")
}
