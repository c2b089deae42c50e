//! Computes what istiod pushes: from the objects of its cluster and what it knows of every cluster.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::Value;

use super::destination_rule::{self, TrafficPolicy};
use super::gateway_routes;
use super::hosts::{claimed_hosts, full_host, host_matches, locality_matches};
use super::mutual_tls;
use super::snapshot::{Endpoint, HostRoutes, PASSTHROUGH, Server, Snapshot, Upstream, upstream_name};
use super::view::{ClusterView, Member, ServicePort};
use super::virtual_service::{self, Route};
use crate::store::selector::Selector;
use crate::store::{object, resources};
use crate::world::{Ident, World};

/// Computes what istiod in cluster `home` pushes to the proxies of a cluster now, from its views of all clusters.
pub(super) fn build(
    world: &World,
    cluster: usize,
    home: usize,
    views: &[Option<Arc<ClusterView>>],
    version: u64,
) -> Snapshot {
    let store = &world.clusters[home].store;
    let mut policies: HashMap<String, Arc<TrafficPolicy>> = HashMap::new();
    for rule in store.list(resources::destinationrules(), None) {
        let host = full_host(object::text(rule, "/spec/host"), object::namespace(rule));
        policies.entry(host).or_insert_with(|| Arc::new(destination_rule::parse(rule)));
    }
    let none = Arc::new(TrafficPolicy::default());
    let mut upstreams = BTreeMap::new();
    let mut hosts: HashMap<String, Vec<u16>> = HashMap::new();
    let mut opaque = HashMap::new();
    // A Service can come from any cluster; its ports come from the own cluster first.
    let near = std::iter::once(cluster).chain((0..views.len()).filter(|other| *other != cluster));
    let known = near.filter_map(|other| views.get(other)?.as_ref());
    let mut services = BTreeMap::new();
    for (id, entry) in known.flat_map(|view| &view.services) {
        services.entry(id).or_insert(entry);
    }
    for ((namespace, name), entry) in services {
        let host = format!("{name}.{namespace}.svc.cluster.local");
        let policy = policies.get(&host).unwrap_or(&none);
        hosts.insert(host.clone(), entry.ports.iter().map(|port| port.number).collect());
        opaque.insert(host.clone(), entry.ports.iter().filter(|port| port.opaque).map(|port| port.number).collect());
        for ServicePort { number, name: called, .. } in &entry.ports {
            let all = std::iter::once((String::new(), Selector::default()));
            let subsets = policy.subsets.iter().map(|(name, labels)| (name.clone(), Selector::map(Some(labels))));
            for (subset, selector) in all.chain(subsets) {
                let place = (cluster, home);
                let endpoints = endpoints(world, place, views, namespace, name, called, &selector, policy);
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
    let (routes, servers) = routing(world, home);
    Snapshot { version, at: world.now, upstreams, routes, servers, hosts, opaque }
}

#[expect(clippy::too_many_arguments, reason = "called once, and each argument has a different type or meaning")]
fn endpoints(
    world: &World,
    (cluster, home): (usize, usize),
    views: &[Option<Arc<ClusterView>>],
    namespace: &str,
    name: &str,
    port: &str,
    selector: &Selector,
    policy: &TrafficPolicy,
) -> Vec<Endpoint> {
    let (here, store) = (&world.clusters[cluster].ident, &world.clusters[home].store);
    let distribution = policy.distribute.iter().find(|(from, _)| locality_matches(from, here.region, &here.zone));
    let mut found = Vec::new();
    for (owner, view) in views.iter().enumerate() {
        let Some(view) = view else { continue };
        let Some(entry) = view.services.get(&(namespace.to_owned(), name.to_owned())) else { continue };
        // Endpoints of another cluster count only where its Service has a port of the same name.
        let Some(ServicePort { target, .. }) = entry.ports.iter().find(|own| own.name == port) else { continue };
        let members: Vec<&Member> = entry.members.iter().filter(|m| selector.matches(Some(&m.labels))).collect();
        if members.is_empty() {
            continue;
        }
        let there = &world.clusters[owner].ident;
        let share = match distribution {
            Some((_, to)) => {
                match to.iter().find(|(pattern, _)| locality_matches(pattern, there.region, &there.zone)) {
                    Some((_, weight)) => Some(*weight),
                    None => continue,
                }
            }
            None => None,
        };
        let fails_over = distribution.is_none() && policy.outlier.is_some() && policy.by_locality;
        let priority = u32::from(fails_over && owner != cluster);
        let one = |ip, port, weight, gateway, workload| Endpoint {
            ip,
            port,
            weight,
            owner,
            region: there.region,
            zone: there.zone.clone(),
            gateway,
            priority,
            workload,
            share,
        };
        if owner == cluster || view.gateways.is_empty() || there.network == here.network {
            found.extend(members.iter().map(|m| one(m.ip, *target, 1, false, workload(m, namespace, there))));
        } else if mutual_tls::is_used(store, namespace, policy) {
            let weight = u32::try_from(members.len()).unwrap_or(1);
            found.extend(
                view.gateways.iter().map(|ip| one(*ip, PASSTHROUGH, weight, true, format!(";;;;{}", there.istio))),
            );
        }
    }
    found
}

fn workload(member: &Member, namespace: &str, there: &Ident) -> String {
    let label = |key: &str| member.labels.get(key).and_then(Value::as_str).unwrap_or("").to_owned();
    // The name of a pod of a Deployment has a hash and a suffix, that of a StatefulSet an ordinal.
    let parts = if label("pod-template-hash").is_empty() { 2 } else { 3 };
    let workload = member.name.rsplitn(parts, '-').nth(parts - 1).unwrap_or(&member.name);
    format!("{workload};{namespace};{};{};{}", label("app"), label("version"), there.istio)
}

fn routing(world: &World, cluster: usize) -> (HashMap<String, Vec<HostRoutes>>, Vec<Server>) {
    let store = &world.clusters[cluster].store;
    let mut routes: HashMap<String, Vec<HostRoutes>> = HashMap::new();
    let mut bound: Vec<(String, Vec<Arc<Route>>)> = Vec::new();
    let mut services: Vec<_> = store.list(resources::virtualservices(), None).collect();
    // For two of one host, Istio uses the older one.
    services.sort_by_key(|v| object::text(v, "/metadata/creationTimestamp").to_owned());
    for service in services {
        let find = |namespace: &str, name: &str| {
            store.get(resources::virtualservices(), namespace, name).map(|found| (**found).clone())
        };
        let parsed: Vec<Arc<Route>> = virtual_service::routes(service, &find).into_iter().map(Arc::new).collect();
        let gateways: Vec<&str> = object::items(service, "/spec/gateways").iter().filter_map(Value::as_str).collect();
        if gateways.is_empty() || gateways.contains(&"mesh") {
            for host in claimed_hosts(service) {
                let table = HostRoutes { exported: virtual_service::exported(service), routes: parsed.clone() };
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
                tls: server.get("tls").is_some(),
                routes: own.filter_map(|route| taken(route, server)).collect(),
            });
        }
    }
    servers.extend(gateway_routes::servers(store));
    for (host, own) in gateway_routes::mesh_routes(store) {
        routes.entry(host).or_default().push(HostRoutes { exported: None, routes: own });
    }
    (routes, servers)
}

/// A route on a server of a gateway, limited to the hosts of both; none if they share no host.
fn taken(route: &Arc<Route>, server: &Value) -> Option<Arc<Route>> {
    let own = object::items(server, "/hosts").iter().filter_map(Value::as_str);
    let own: Vec<&str> = own.map(|host| host.rsplit('/').next().unwrap_or(host)).collect();
    let narrower = |host: &String| {
        let found = own.iter().find(|own| host_matches(own, host) || host_matches(host, own))?;
        Some(if host_matches(found, host) { host.clone() } else { (*found).to_owned() })
    };
    let hosts: Vec<String> = route.hosts.iter().filter_map(narrower).collect();
    match hosts.as_slice() {
        [] => None,
        same if *same == route.hosts => Some(Arc::clone(route)),
        _ => Some(Arc::new(Route { hosts, ..Route::clone(route) })),
    }
}
