//! Where a connection to an address ends up, at this instant.

use std::net::Ipv4Addr;

use super::listen::{Kind, Place, listener};
use crate::kube::network_policy::End;
use crate::world::{Uid, World};

/// The fate of one SYN.
#[derive(Debug, Clone)]
pub(crate) enum Reach {
    To(Place),
    /// A reset, or "port unreachable": the caller knows at once.
    Refused,
    /// Nothing comes back.
    Dropped,
    /// No route.
    Unreachable,
}

/// Who connects.
#[derive(Debug, Clone)]
pub(crate) enum Caller {
    Runner,
    /// A pod of a cluster.
    Pod(usize, Uid),
}

/// Sends one SYN.
pub(crate) fn reach(world: &mut World, caller: &Caller, ip: Ipv4Addr, port: u16) -> Reach {
    if matches!(caller, Caller::Runner) && world.runner_is_cut() {
        return Reach::Dropped;
    }
    let [a, b, third, last] = ip.octets();
    if a == 127
        && let Caller::Pod(c, uid) = caller
    {
        let cluster = &world.clusters[*c];
        let found = cluster.pods.get(uid).and_then(|pod| listener(pod, port, true));
        return found.map_or(Reach::Refused, |kind| Reach::To(Place { c: *c, uid: Some(uid.clone()), kind, port }));
    }
    if let Caller::Pod(own, _) = caller
        && world.clusters[*own].ips.contains_key(&ip)
    {
        return pod(world, caller, *own, ip, port);
    }
    if (a, b) != (198, 18) {
        return Reach::Unreachable;
    }
    if third == 0 {
        return node(world, caller, last, port);
    }
    let count = world.clusters.len();
    for c in 0..count {
        let number = world.clusters[c].ident.number;
        let service_net = 160 + 8 * number;
        if third == number || (service_net..service_net + 8).contains(&third) {
            // Cluster addresses of another cluster mean nothing to a pod.
            if third != number && matches!(caller, Caller::Pod(own, _) if *own != c) {
                return Reach::Dropped;
            }
            return service(world, caller, c, ip, port);
        }
    }
    let Some(c) = (0..count).find(|c| world.clusters[*c].ips.contains_key(&ip)) else {
        let pod_net = (80..80 + 16 * u8::try_from(count).unwrap_or(1)).contains(&third);
        return if pod_net { Reach::Dropped } else { Reach::Unreachable };
    };
    pod(world, caller, c, ip, port)
}

fn node(world: &mut World, caller: &Caller, last: u8, port: u16) -> Reach {
    let Some(c) = (0..world.clusters.len()).find(|c| {
        let ident = &world.clusters[*c].ident;
        (1..=9).any(|n| ident.node_ip(n).octets()[3] == last && ident.number * 10 + n as u8 == last)
    }) else {
        return Reach::Unreachable;
    };
    if port == 6443 {
        return if world.clusters[c].quirks.api_at(world.now).listens() {
            Reach::To(Place { c, uid: None, kind: Kind::Api, port })
        } else {
            Reach::Refused
        };
    }
    match world.clusters[c].rules.node_port(port) {
        Some((backends, service_port)) => {
            let (backends, target) = (backends.usable().to_vec(), backends.target(service_port));
            balanced(world, caller, c, &backends, target)
        }
        None => Reach::Refused,
    }
}

fn service(world: &mut World, caller: &Caller, c: usize, ip: Ipv4Addr, port: u16) -> Reach {
    let Some(backends) = world.clusters[c].rules.service_at(ip) else { return Reach::Dropped };
    let (usable, target) = (backends.usable().to_vec(), backends.target(port));
    balanced(world, caller, c, &usable, target)
}

fn balanced(world: &mut World, caller: &Caller, c: usize, usable: &[Ipv4Addr], target: Option<u16>) -> Reach {
    let (Some(target), false) = (target, usable.is_empty()) else { return Reach::Refused };
    let chosen = usable[world.rng.index(usable.len())];
    pod(world, caller, c, chosen, target)
}

fn pod(world: &World, caller: &Caller, c: usize, ip: Ipv4Addr, port: u16) -> Reach {
    let cluster = &world.clusters[c];
    let Some(target) = cluster.pod_at(ip).filter(|pod| pod.network) else { return Reach::Dropped };
    let from = match caller {
        Caller::Runner => End { pod: None, ip: Ipv4Addr::new(198, 18, 0, 1) },
        Caller::Pod(own, uid) => {
            let pod = world.clusters[*own].pods.get(uid);
            let ip = pod.and_then(|p| p.ip).unwrap_or(Ipv4Addr::UNSPECIFIED);
            // Another cluster's policies see only an address.
            End { pod: pod.filter(|_| *own == c), ip }
        }
    };
    if !world.clusters[c].allows(from, End { pod: Some(target), ip }, port) {
        return Reach::Dropped;
    }
    match listener(target, port, false) {
        Some(kind) => Reach::To(Place { c, uid: Some(target.uid.clone()), kind, port }),
        None => Reach::Refused,
    }
}
