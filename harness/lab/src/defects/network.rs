//! The pod network, the network between clusters, and the network of the runner's machine.

use super::change::others;
use super::row::{Planted, Row, in_all, in_primary, in_secondary, outside};
use crate::clock::Ms;
use crate::plane::Link;
use crate::world::World;

use Planted::{Bootstrap, Start};

/// When the runner's machine loses its network and when it has it back, milliseconds after the start.
const CUT_OFF: (Ms, Ms) = (22_000, 28_000);

pub(super) static ROWS: &[Row] = &[
    in_secondary(
        "overlay-pod-ips",
        Bootstrap,
        "pods have addresses of an overlay network, not of the VCN",
        |world, cluster| world.clusters[cluster].quirks.overlay = true,
    ),
    in_secondary(
        "overlapping-pod-cidrs",
        Bootstrap,
        "pods have addresses from the pod CIDR of the first cluster",
        |world, cluster| world.clusters[cluster].quirks.overlapping = true,
    ),
    in_secondary(
        "dual-stack-undeclared",
        Bootstrap,
        "pods also have IPv6 addresses, from a range that the mesh file does not declare",
        |world, cluster| world.clusters[cluster].quirks.dual_stack = true,
    ),
    in_secondary(
        "ping-loss-20",
        Start,
        "20 % of ICMP echo requests to and from other clusters are lost",
        |world, cluster| {
            change_links(world, cluster, |link| link.loss = 0.2);
        },
    ),
    in_primary(
        "ping-one-direction-dead",
        Start,
        "ICMP echo requests from this cluster to the others get no reply",
        |world, cluster| {
            for other in others(world, cluster) {
                world.links.change(cluster, other, |link| link.dead = true);
            }
        },
    ),
    in_secondary("ping-rtt-300ms", Start, "the ICMP round trip to other clusters takes 300 ms", |world, cluster| {
        change_links(world, cluster, |link| link.rtt_ms = Some(300.0));
    }),
    in_all("cni-ignores-policies", Start, "the CNI plugin does not enforce NetworkPolicies", |world, cluster| {
        world.clusters[cluster].quirks.ignore_policies = true;
    }),
    outside(
        "runner-cut-off",
        Start,
        "the runner's machine has no network from 22 s to 28 s after the start",
        |world, _| world.runner_cut = Some(CUT_OFF),
    ),
];

/// Changes the links between a cluster and every other, in both directions.
fn change_links(world: &mut World, cluster: usize, change: fn(&mut Link)) {
    for other in others(world, cluster) {
        world.links.change(cluster, other, change);
        world.links.change(other, cluster, change);
    }
}
