//! Name resolution, of cluster DNS and of the runner's machine.

use std::net::{IpAddr, Ipv4Addr};

use crate::mesh::hosts::full_host;
use crate::store::{object, resources};
use crate::world::World;

/// Resolves a name on the runner's machine: addresses and API servers only.
pub(crate) fn runner(world: &World, host: &str) -> Option<Ipv4Addr> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(IpAddr::V4(ip)) = host.parse() {
        return Some(ip);
    }
    world.clusters.iter().find(|cluster| cluster.ident.api_host() == host).map(|cluster| cluster.ident.node_ip(1))
}

/// Resolves a name in a pod: the address, and namespace and name if it is a Service.
pub(crate) fn pod(
    world: &World,
    cluster: usize,
    namespace: &str,
    host: &str,
) -> Option<(Ipv4Addr, Option<(String, String)>)> {
    if let Ok(ip) = host.parse::<Ipv4Addr>() {
        return Some((ip, None));
    }
    if host == "localhost" {
        return Some((Ipv4Addr::LOCALHOST, None));
    }
    let full = full_host(host, namespace);
    let mut parts = full.strip_suffix(".svc.cluster.local")?.splitn(2, '.');
    let (name, space) = (parts.next()?, parts.next()?);
    let service = world.clusters[cluster].store.get(resources::services(), space, name)?;
    let ip = object::text(service, "/spec/clusterIP").parse().ok()?;
    Some((ip, Some((space.to_owned(), name.to_owned()))))
}
