//! Where a connection to an address ends, at this instant.

use std::net::Ipv4Addr;

use super::listen::{Kind, Place, listener};
use crate::kube::network_policy::End;
use crate::world::{Uid, World};

/// The fate of one SYN.
#[derive(Debug, Clone)]
pub(crate) enum Reach {
    To(Place),
    /// A reset: the connect fails at once.
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
        && let Caller::Pod(cluster, uid) = caller
    {
        let here = &world.clusters[*cluster];
        let found = here.pods.get(uid).and_then(|pod| listener(pod, port, true));
        return found
            .map_or(Reach::Refused, |kind| Reach::To(Place { cluster: *cluster, uid: Some(uid.clone()), kind, port }));
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
    for cluster in 0..count {
        let number = world.clusters[cluster].ident.number;
        let service_net = 160 + 8 * number;
        if third == number || (service_net..service_net + 8).contains(&third) {
            // Cluster IPs of another cluster are not reachable from a pod.
            if third != number && matches!(caller, Caller::Pod(own, _) if *own != cluster) {
                return Reach::Dropped;
            }
            return service(world, caller, cluster, ip, port);
        }
    }
    let Some(cluster) = (0..count).find(|cluster| world.clusters[*cluster].ips.contains_key(&ip)) else {
        let pod_net = (80..80 + 16 * u8::try_from(count).unwrap_or(1)).contains(&third);
        return if pod_net { Reach::Dropped } else { Reach::Unreachable };
    };
    pod(world, caller, cluster, ip, port)
}

fn node(world: &mut World, caller: &Caller, last: u8, port: u16) -> Reach {
    let Some(cluster) = (0..world.clusters.len()).find(|cluster| {
        let ident = &world.clusters[*cluster].ident;
        (1..=9_u8).any(|n| ident.node_ip(n.into()).octets()[3] == last && ident.number * 10 + n == last)
    }) else {
        return Reach::Unreachable;
    };
    if port == 6443 {
        return if world.clusters[cluster].quirks.api_at(world.now).listens() {
            Reach::To(Place { cluster, uid: None, kind: Kind::Api, port })
        } else {
            Reach::Refused
        };
    }
    match world.clusters[cluster].rules.node_port(port) {
        Some((backends, service_port)) => {
            let (backends, target) = (backends.usable().to_vec(), backends.target(service_port));
            balanced(world, caller, cluster, &backends, target)
        }
        None => Reach::Refused,
    }
}

fn service(world: &mut World, caller: &Caller, cluster: usize, ip: Ipv4Addr, port: u16) -> Reach {
    let Some(backends) = world.clusters[cluster].rules.service_at(ip) else { return Reach::Dropped };
    let (usable, target) = (backends.usable().to_vec(), backends.target(port));
    balanced(world, caller, cluster, &usable, target)
}

fn balanced(world: &mut World, caller: &Caller, cluster: usize, usable: &[Ipv4Addr], target: Option<u16>) -> Reach {
    let (Some(target), false) = (target, usable.is_empty()) else { return Reach::Refused };
    let chosen = usable[world.rng.index(usable.len())];
    pod(world, caller, cluster, chosen, target)
}

fn pod(world: &World, caller: &Caller, cluster: usize, ip: Ipv4Addr, port: u16) -> Reach {
    let here = &world.clusters[cluster];
    let Some(target) = here.pod_at(ip).filter(|pod| pod.network) else { return Reach::Dropped };
    let from = match caller {
        Caller::Runner => End { pod: None, ip: Ipv4Addr::new(198, 18, 0, 1) },
        Caller::Pod(own, uid) => {
            let pod = world.clusters[*own].pods.get(uid);
            let ip = pod.and_then(|p| p.ip).unwrap_or(Ipv4Addr::UNSPECIFIED);
            // Policies of another cluster see only the address.
            End { pod: pod.filter(|_| *own == cluster), ip }
        }
    };
    if !world.clusters[cluster].allows(from, End { pod: Some(target), ip }, port) {
        return Reach::Dropped;
    }
    match listener(target, port, false) {
        Some(kind) => Reach::To(Place { cluster, uid: Some(target.uid.clone()), kind, port }),
        None => Reach::Refused,
    }
}
