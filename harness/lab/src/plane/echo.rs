//! ICMP echo: from the runner, and from a pod.

use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::time::sleep;

use super::reach::Caller;
use crate::engine::Engine;
use crate::kube::network_policy::End;
use crate::world::World;

/// The round trip of one echo, milliseconds; none when it is lost.
pub(crate) fn round_trip(world: &mut World, caller: &Caller, to: Ipv4Addr) -> Option<f64> {
    let there = owner(world, to)?;
    let near = 0.25 + world.rng.exponential(0.05);
    let Caller::Pod(here, uid) = caller else { return (!world.runner_is_cut()).then_some(near) };
    let here = *here;
    let own = world.clusters[here].pods.get(uid)?;
    let from = End { pod: Some(own).filter(|_| here == there), ip: own.ip? };
    let target = world.clusters[there].pod_at(to);
    if !world.clusters[there].allows(from, End { pod: target, ip: to }, 0)
        || !world.clusters[here].allows(
            End { pod: Some(own), ..from },
            End { pod: target.filter(|_| here == there), ip: to },
            0,
        )
    {
        return None;
    }
    if here == there {
        return Some(near / 4.0);
    }
    let link = world.links.get(here, there);
    if link.dead || world.rng.chance(link.loss) {
        return None;
    }
    let base = link.rtt_ms.unwrap_or(world.rtt_ms);
    Some(base + near + world.rng.exponential(0.4))
}

/// The cluster whose pod, node or load balancer answers echo requests to the address.
fn owner(world: &World, ip: Ipv4Addr) -> Option<usize> {
    (0..world.clusters.len()).find(|cluster| {
        let here = &world.clusters[*cluster];
        let pod = here.pod_at(ip).is_some_and(|pod| pod.network);
        pod || (1..=3).any(|n| here.ident.node_ip(n) == ip)
            || ip.octets()[2] == here.ident.number && here.rules.service_at(ip).is_some()
    })
}

/// Sends one echo request and waits for its reply, forever if it is lost.
pub(crate) async fn echo(engine: &Engine, caller: &Caller, to: Ipv4Addr) -> Duration {
    match engine.with(|world| round_trip(world, caller, to)) {
        Some(ms) => {
            let took = Duration::from_micros((ms * 1000.0) as u64);
            sleep(took).await;
            took
        }
        None => std::future::pending().await,
    }
}
