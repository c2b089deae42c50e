//! What one istiod last pushed to the proxies of its cluster: clusters with endpoints, routes and gateways.

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;
use std::sync::Arc;

use serde_json::Value;

use super::config::{self, Policy, Route};
use super::registry::{Member, Port, View};
use crate::clock::Ms;
use crate::store::selector::Selector;
use crate::store::{object, resources};
use crate::world::{Ident, World};

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
    pub(crate) policy: Arc<Policy>,
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
        let visible = self.routes.iter().filter(|route| config::reaches(route.exported.as_deref(), namespace));
        let mut hosts: Vec<&str> = visible.flat_map(|route| &route.hosts).map(String::as_str).collect();
        hosts.sort_by_key(|host| (host.starts_with('*'), std::cmp::Reverse(host.len()), *host));
        hosts.dedup();
        hosts
    }

    /// The routes of one of those hosts.
    pub(crate) fn of_host<'a>(&'a self, host: &'a str, namespace: &'a str) -> impl Iterator<Item = &'a Arc<Route>> {
        let visible = self.routes.iter().filter(move |route| config::reaches(route.exported.as_deref(), namespace));
        visible.filter(move |route| route.hosts.iter().any(|own| own == host))
    }
}

/// Whether a pattern, such as `*` or `*.shop.example`, is for a host.
pub(crate) fn is_for(pattern: &str, host: &str) -> bool {
    pattern.strip_prefix('*').map_or(pattern == host, |end| host.ends_with(end))
}

/// The routes of one `VirtualService` for a host, and the namespaces whose proxies get them.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    exported: Option<Vec<String>>,
    routes: Vec<Arc<Route>>,
}

/// Everything pushed at once.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) version: u64,
    pub(crate) at: Ms,
    pub(crate) upstreams: BTreeMap<String, Arc<Upstream>>,
    /// Routes of the mesh's `VirtualServices` by host.
    routes: HashMap<String, Vec<Table>>,
    pub(crate) servers: Vec<Server>,
    /// Ports of every host.
    pub(crate) hosts: HashMap<String, Vec<u16>>,
    /// Those of the ports for which routes do not count.
    opaque: HashMap<String, Vec<u16>>,
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
        let table = tables.find(|table| config::reaches(table.exported.as_deref(), namespace))?;
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

/// Computes what istiod of cluster `c` would push now, given what it knows of every cluster.
pub(crate) fn build(world: &World, c: usize, views: &[Option<Arc<View>>], version: u64) -> Snapshot {
    let store = &world.clusters[c].store;
    let mut policies: HashMap<String, Arc<Policy>> = HashMap::new();
    for rule in store.list(resources::destinationrules(), None) {
        let host = config::full_host(object::text(rule, "/spec/host"), object::namespace(rule));
        policies.entry(host).or_insert_with(|| Arc::new(config::policy(rule)));
    }
    let none = Arc::new(Policy::default());
    let mut upstreams = BTreeMap::new();
    let mut hosts: HashMap<String, Vec<u16>> = HashMap::new();
    let mut opaque = HashMap::new();
    // A Service is known from any of the clusters that are watched; its ports are told by its own before all others.
    let near = std::iter::once(c).chain((0..views.len()).filter(|d| *d != c));
    let known = near.filter_map(|d| views.get(d)?.as_ref());
    let mut services = BTreeMap::new();
    for (id, entry) in known.flat_map(|view| &view.services) {
        services.entry(id).or_insert(entry);
    }
    for ((namespace, name), entry) in services {
        let host = format!("{name}.{namespace}.svc.cluster.local");
        let policy = policies.get(&host).unwrap_or(&none);
        hosts.insert(host.clone(), entry.ports.iter().map(|port| port.number).collect());
        opaque.insert(host.clone(), entry.ports.iter().filter(|port| port.opaque).map(|port| port.number).collect());
        for Port { number, name: called, .. } in &entry.ports {
            let all = std::iter::once((String::new(), Selector::default()));
            let subsets = policy.subsets.iter().map(|(name, labels)| (name.clone(), Selector::map(Some(labels))));
            for (subset, selector) in all.chain(subsets) {
                let endpoints = endpoints(world, c, views, namespace, name, called, &selector, policy);
                let id = upstream_name(*number, &subset, &host);
                let upstream = Upstream {
                    name: id.as_str().into(),
                    host: host.clone(),
                    port: *number,
                    subset,
                    endpoints,
                    policy: policy.clone(),
                };
                upstreams.insert(id, Arc::new(upstream));
            }
        }
    }
    let (routes, servers) = routing(world, c);
    Snapshot { version, at: world.now, upstreams, routes, servers, hosts, opaque }
}

#[expect(clippy::too_many_arguments, reason = "one call, and every argument is a different thing")]
fn endpoints(
    world: &World,
    c: usize,
    views: &[Option<Arc<View>>],
    namespace: &str,
    name: &str,
    port: &str,
    selector: &Selector,
    policy: &Policy,
) -> Vec<Endpoint> {
    let here = &world.clusters[c].ident;
    let distribution =
        policy.distribute.iter().find(|(from, _)| config::locality_matches(from, here.region, &here.zone));
    let mut found = Vec::new();
    for (d, view) in views.iter().enumerate() {
        let Some(view) = view else { continue };
        let Some(entry) = view.services.get(&(namespace.to_owned(), name.to_owned())) else { continue };
        // What another cluster serves counts where its Service has a port of the same name.
        let Some(Port { target, .. }) = entry.ports.iter().find(|own| own.name == port) else { continue };
        let members: Vec<&Member> = entry.members.iter().filter(|m| selector.matches(Some(&m.labels))).collect();
        if members.is_empty() {
            continue;
        }
        let there = &world.clusters[d].ident;
        let share = match distribution {
            Some((_, to)) => {
                match to.iter().find(|(pattern, _)| config::locality_matches(pattern, there.region, &there.zone)) {
                    Some((_, weight)) => Some(*weight),
                    None => continue,
                }
            }
            None => None,
        };
        let priority = u32::from(distribution.is_none() && policy.outlier.is_some() && d != c);
        let one = |ip, port, weight, gateway, workload| Endpoint {
            ip,
            port,
            weight,
            owner: d,
            region: there.region,
            zone: there.zone.clone(),
            gateway,
            priority,
            workload,
            share,
        };
        if d == c || view.gateways.is_empty() {
            found.extend(members.iter().map(|m| one(m.ip, *target, 1, false, workload(m, namespace, there))));
        } else if is_mutual(world, c, namespace, policy) {
            let weight = u32::try_from(members.len()).unwrap_or(1);
            found.extend(
                view.gateways.iter().map(|ip| one(*ip, PASSTHROUGH, weight, true, format!(";;;;{}", there.istio))),
            );
        }
    }
    found
}

/// Whether a cluster's proxies speak mutual TLS to a service, without which a gateway to another network passes nothing. What a
/// rule says goes before what a policy says.
fn is_mutual(world: &World, c: usize, namespace: &str, policy: &Policy) -> bool {
    policy.tls.as_deref().map_or_else(|| !takes_plain(world, c, namespace), |mode| mode == "ISTIO_MUTUAL")
}

/// Whether the workloads of a namespace take plain text and no TLS, by the policies of one cluster: that of the namespace, or
/// else that of the root namespace.
pub(crate) fn takes_plain(world: &World, c: usize, namespace: &str) -> bool {
    let of = |namespace: &str| {
        let mut policies = world.clusters[c].store.list(resources::peerauthentications(), Some(namespace));
        policies.find_map(|policy| {
            let whole = policy.pointer("/spec/selector").is_none();
            let mode = object::text(policy, "/spec/mtls/mode");
            (whole && !["", "UNSET"].contains(&mode)).then_some(mode == "DISABLE")
        })
    };
    of(namespace).or_else(|| of("istio-system")).unwrap_or(false)
}

fn workload(member: &Member, namespace: &str, there: &Ident) -> String {
    let deployment = member.name.rsplitn(3, '-').nth(2).unwrap_or(&member.name);
    let label = |key: &str| member.labels.get(key).and_then(Value::as_str).unwrap_or("").to_owned();
    format!("{deployment};{namespace};{};{};{}", label("app"), label("version"), there.istio)
}

fn routing(world: &World, c: usize) -> (HashMap<String, Vec<Table>>, Vec<Server>) {
    let store = &world.clusters[c].store;
    let mut routes: HashMap<String, Vec<Table>> = HashMap::new();
    let mut bound: Vec<(String, Vec<Arc<Route>>)> = Vec::new();
    let mut services: Vec<_> = store.list(resources::virtualservices(), None).collect();
    // Of two for one host the older wins.
    services.sort_by_key(|v| object::text(v, "/metadata/creationTimestamp").to_owned());
    for service in services {
        let find = |namespace: &str, name: &str| {
            store.get(resources::virtualservices(), namespace, name).map(|found| (**found).clone())
        };
        let parsed: Vec<Arc<Route>> = config::routes(service, &find).into_iter().map(Arc::new).collect();
        let gateways: Vec<&str> = object::items(service, "/spec/gateways").iter().filter_map(Value::as_str).collect();
        if gateways.is_empty() || gateways.contains(&"mesh") {
            for host in config::claimed_hosts(service) {
                let table = Table { exported: config::exported(service), routes: parsed.clone() };
                routes.entry(host).or_default().push(table);
            }
        }
        for gateway in gateways.into_iter().filter(|g| *g != "mesh") {
            let id = if gateway.contains('/') {
                gateway.to_owned()
            } else {
                format!("{}/{gateway}", object::namespace(service))
            };
            bound.push((id, parsed.clone()));
        }
    }
    let mut servers = Vec::new();
    for gateway in store.list(resources::gateways(), None) {
        let id = format!("{}/{}", object::namespace(gateway), object::name(gateway));
        for server in object::items(gateway, "/spec/servers") {
            let own = bound.iter().filter(|(g, _)| *g == id).flat_map(|(_, routes)| routes);
            servers.push(Server {
                selector: Selector::map(gateway.pointer("/spec/selector")),
                port: object::int(server, "/port/number").and_then(|p| u16::try_from(p).ok()).unwrap_or(0),
                passthrough: object::text(server, "/tls/mode") == "AUTO_PASSTHROUGH",
                routes: own.filter_map(|route| taken(route, server)).collect(),
            });
        }
    }
    (routes, servers)
}

/// A route as a server of a gateway has it: for the hosts that both of them are for, if there are any.
fn taken(route: &Arc<Route>, server: &Value) -> Option<Arc<Route>> {
    let own = object::items(server, "/hosts").iter().filter_map(Value::as_str);
    let own: Vec<&str> = own.map(|host| host.rsplit('/').next().unwrap_or(host)).collect();
    let narrower = |host: &String| {
        let found = own.iter().find(|own| is_for(own, host) || is_for(host, own))?;
        Some(if is_for(found, host) { host.clone() } else { (*found).to_owned() })
    };
    let hosts: Vec<String> = route.hosts.iter().filter_map(narrower).collect();
    match hosts.as_slice() {
        [] => None,
        same if *same == route.hosts => Some(Arc::clone(route)),
        _ => Some(Arc::new(Route { hosts, ..Route::clone(route) })),
    }
}
