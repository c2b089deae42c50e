//! A proxy's connection to an endpoint: straight to a pod, or through another cluster's east-west gateway.
//!
//! When an east-west Service has no endpoint, the other cluster reacts as measured on a real mesh: SYNs of a gateway
//! are dropped and retried, SYNs of a sidecar are mostly refused and sometimes dropped.

use std::net::Ipv4Addr;

use crate::kube::network_policy::End;
use crate::mesh::mutual_tls;
use crate::mesh::snapshot::{Endpoint, PASSTHROUGH, Server, Upstream, upstream_name};
use crate::world::{Uid, World};

/// The share of a sidecar's SYNs to a Service without endpoints in another cluster that is dropped.
const UNANSWERED: f64 = 0.15;

/// The result of an attempt to connect.
#[derive(Debug, Clone)]
pub(crate) enum Connected {
    /// To the pod's port; `remote` when another cluster's.
    Pod {
        cluster: usize,
        uid: Uid,
        port: u16,
        remote: bool,
    },
    Refused,
    Dropped,
}

/// Connects once from a pod's proxy.
pub(crate) fn connect(
    world: &mut World,
    cluster: usize,
    uid: &Uid,
    upstream: &Upstream,
    endpoint: &Endpoint,
) -> Connected {
    let Some(own) = world.clusters[cluster].pods.get(uid) else { return Connected::Refused };
    let own_ip = own.ip.unwrap_or(Ipv4Addr::UNSPECIFIED);
    let there = endpoint.owner;
    // Egress follows the policies of the caller's cluster, ingress those of the callee's.
    let leaving = End { pod: Some(own), ip: own_ip };
    if there != cluster && !world.clusters[cluster].allows(leaving, End { pod: None, ip: endpoint.ip }, endpoint.port) {
        return Connected::Dropped;
    }
    if endpoint.gateway {
        let from_gateway = own.gateway();
        return through_gateway(world, cluster, upstream, endpoint, from_gateway);
    }
    let from = End { pod: (there == cluster).then_some(own), ip: own_ip };
    // A proxy rejects the certificate of another root.
    let namespace = upstream.host.split('.').nth(1).unwrap_or_default();
    if world.clusters[cluster].istiod.root != world.clusters[there].istiod.root
        && !mutual_tls::is_off(&world.clusters[there].store, namespace)
    {
        return Connected::Refused;
    }
    arrive(world, there, from, endpoint.ip, endpoint.port, there != cluster)
}

fn arrive(world: &World, cluster: usize, from: End<'_>, ip: Ipv4Addr, port: u16, remote: bool) -> Connected {
    let Some(target) = world.clusters[cluster].pod_at(ip).filter(|pod| pod.network) else { return Connected::Dropped };
    if !world.clusters[cluster].allows(from, End { pod: Some(target), ip }, port) {
        return Connected::Dropped;
    }
    Connected::Pod { cluster, uid: target.uid.clone(), port, remote }
}

fn through_gateway(
    world: &mut World,
    cluster: usize,
    upstream: &Upstream,
    endpoint: &Endpoint,
    from_gateway: bool,
) -> Connected {
    let remote = endpoint.owner;
    let Some(backends) = world.clusters[remote].rules.service_at(endpoint.ip) else { return Connected::Dropped };
    let (usable, target) = (backends.usable().to_vec(), backends.target(PASSTHROUGH));
    let (Some(port), false) = (target, usable.is_empty()) else {
        return if from_gateway || world.rng.chance(UNANSWERED) { Connected::Dropped } else { Connected::Refused };
    };
    let chosen = usable[world.rng.index(usable.len())];
    let trusted = world.clusters[cluster].istiod.root == world.clusters[remote].istiod.root;
    let remote_cluster = &world.clusters[remote];
    let Some(gateway) = remote_cluster.pod_at(chosen).filter(|pod| pod.network) else { return Connected::Dropped };
    let outside = End { pod: None, ip: Ipv4Addr::new(198, 18, 0, 1) };
    if !world.clusters[remote].allows(outside, End { pod: Some(gateway), ip: chosen }, port) {
        return Connected::Dropped;
    }
    let snapshot = gateway.proxy.as_ref().and_then(|proxy| proxy.snapshot.as_ref()).filter(|_| gateway.serving);
    let Some(snapshot) = snapshot else { return Connected::Refused };
    let passes =
        |server: &&Server| server.passthrough && server.port == port && server.selector.matches(Some(&gateway.labels));
    let deaf = remote_cluster.quirks.stuck_gateways && gateway.created >= 0;
    if deaf || !trusted || !snapshot.servers.iter().any(|server| passes(&server)) {
        return Connected::Refused;
    }
    let Some(there) = snapshot
        .upstreams
        .get(&*upstream.name)
        .or_else(|| snapshot.upstreams.get(&upstream_name(upstream.port, "", &upstream.host)))
    else {
        return Connected::Refused;
    };
    // `REQUESTED_NETWORK_VIEW`: a gateway forwards to its own cluster only.
    let local: Vec<&Endpoint> = there.endpoints.iter().filter(|endpoint| endpoint.owner == remote).collect();
    if local.is_empty() {
        return Connected::Refused;
    }
    let (ip, port) = {
        let chosen = local[(world.now as usize).wrapping_add(usize::from(chosen.octets()[3])) % local.len()];
        (chosen.ip, chosen.port)
    };
    // The gateway forwards mutual TLS.
    let namespace = upstream.host.split('.').nth(1).unwrap_or_default();
    if mutual_tls::is_off(&world.clusters[remote].store, namespace) {
        return Connected::Refused;
    }
    let from = End { pod: Some(gateway), ip: chosen };
    arrive(world, remote, from, ip, port, true)
}
