//! Names to addresses, as cluster DNS and the runner's resolver answer.

use std::net::{IpAddr, Ipv4Addr};

use crate::mesh::hosts::full_host;
use crate::store::{object, resources};
use crate::world::World;

/// What the runner's machine resolves: addresses, API servers and nothing else.
pub(crate) fn runner(world: &World, host: &str) -> Option<Ipv4Addr> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(IpAddr::V4(ip)) = host.parse() {
        return Some(ip);
    }
    world.clusters.iter().find(|cluster| cluster.ident.api_host() == host).map(|cluster| cluster.ident.node_ip(1))
}

/// What a pod in `namespace` of cluster `c` resolves: the address, and namespace and name of the Service if it is one.
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
