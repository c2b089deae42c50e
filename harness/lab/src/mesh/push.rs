//! istiod at work: reads every cluster that it has a remote secret for, and pushes to the proxies that it configures.
//!
//! The proxies of a revision without a ready istiod get no push: they keep their configuration.

use std::sync::Arc;

use base64::Engine as _;

use super::istiod::RemoteSync;
use super::{build, control, registry};
use crate::store::{object, resources};
use crate::world::{Event, Uid, World};

/// Schedules a push in every cluster: every istiod watches every cluster.
pub(crate) fn schedule_everywhere(world: &mut World) {
    for cluster in 0..world.clusters.len() {
        schedule(world, cluster);
    }
}

/// Schedules a push in a cluster and in those that its istiod configures too.
pub(crate) fn schedule_configured(world: &mut World, cluster: usize) {
    schedule(world, cluster);
    for other in (0..world.clusters.len()).filter(|other| *other != cluster) {
        if control::instances(world, other).iter().any(|instance| instance.cluster == cluster) {
            schedule(world, other);
        }
    }
}

/// Schedules a push in one cluster, after the time endpoint controllers and istiod's debouncing take.
pub(crate) fn schedule(world: &mut World, cluster: usize) {
    if !world.booting && !world.clusters[cluster].istiod.scheduled {
        world.clusters[cluster].istiod.scheduled = true;
        let delay = world.rng.between(550, 900);
        world.after(delay, Event::Push(cluster));
    }
}

/// The state of istiod's connection to another cluster, if it connected now.
fn remote(world: &World, cluster: usize, other: usize) -> RemoteSync {
    let there = &world.clusters[other];
    let Some(secret) = control::remote_secret(&world.clusters[cluster].store, &there.ident.istio) else {
        return RemoteSync::Unknown;
    };
    let data = secret.get("data").and_then(|other| other.as_object()).into_iter().flatten();
    let text: String = data
        .filter_map(|(_, v)| base64::engine::general_purpose::STANDARD.decode(v.as_str()?).ok())
        .filter_map(|bytes| String::from_utf8(bytes).ok())
        .collect();
    if text.contains(&there.token) && there.quirks.api.answers() { RemoteSync::Synced } else { RemoteSync::Syncing }
}

/// Pushes to every proxy of the cluster.
pub(crate) fn push(world: &mut World, cluster: usize) {
    world.clusters[cluster].istiod.scheduled = false;
    let instances = control::instances(world, cluster);
    let Some(host) = instances.first().map(|instance| instance.cluster) else { return };
    let count = world.clusters.len();
    let before = &world.clusters[cluster].istiod.informed;
    let fresh = !instances.iter().any(|instance| before.contains(&instance.uid));
    let mut views = std::mem::take(&mut world.clusters[cluster].istiod.views);
    views.resize(count, None);
    let mut sync = std::mem::take(&mut world.clusters[cluster].istiod.sync);
    sync.resize(count, RemoteSync::Unknown);
    if fresh && !world.booting {
        // A new process does not have what the old one read.
        views.fill(None);
        world.clusters[cluster].istiod.root = root_of(world, host);
    }
    for other in 0..count {
        let state = if other == host { RemoteSync::Synced } else { remote(world, host, other) };
        match state {
            RemoteSync::Synced => views[other] = Some(Arc::new(registry::read(&world.clusters[other]))),
            RemoteSync::Unknown => views[other] = None,
            // What istiod read before stays in use until the cluster responds again.
            RemoteSync::Syncing => {}
        }
        sync[other] = state;
    }
    let version = world.clusters[cluster].istiod.version + 1;
    let mut snapshot = build::build(world, cluster, host, &views, version);
    if let Some(old) =
        world.clusters[cluster].istiod.snapshot.as_ref().filter(|_| world.clusters[cluster].quirks.sticky_faults)
    {
        snapshot.keep_faults(old);
    }
    let snapshot = Arc::new(snapshot);
    let now = world.now;
    let cluster = &mut world.clusters[cluster];
    let istiod = &mut cluster.istiod;
    istiod.views = views;
    istiod.sync = sync;
    istiod.version = version;
    let ready = instances.iter().map(|instance| instance.uid.clone());
    if istiod.sync.contains(&RemoteSync::Syncing) {
        istiod.informed.retain(|uid| instances.iter().any(|instance| instance.uid == *uid));
    } else {
        istiod.informed = ready.collect();
    }
    istiod.pushed = now;
    istiod.snapshot = Some(snapshot.clone());
    let served = |revision: &str| instances.iter().any(|instance| instance.revision == revision);
    for pod in cluster.pods.values_mut().filter(|pod| (pod.serving || pod.gateway()) && served(&pod.revision)) {
        if let Some(proxy) = pod.proxy.as_mut().filter(|proxy| proxy.snapshot.is_some()) {
            proxy.accept(&snapshot);
        }
    }
}

/// A proxy starts and requests its configuration.
pub(crate) fn connect(world: &mut World, cluster: usize, uid: &Uid) {
    if world.clusters[cluster].istiod.snapshot.is_none() && !world.booting {
        push(world, cluster);
    }
    let cluster = &mut world.clusters[cluster];
    let (Some(snapshot), Some(pod)) = (cluster.istiod.snapshot.clone(), cluster.pods.get_mut(uid)) else { return };
    if let Some(proxy) = pod.proxy.as_mut() {
        proxy.accept(&snapshot);
    }
}

/// Gives every proxy its first configuration, at the end of the boot.
pub(crate) fn connect_all(world: &mut World) {
    for cluster in 0..world.clusters.len() {
        let host = control::instances(world, cluster).first().map_or(cluster, |instance| instance.cluster);
        world.clusters[cluster].istiod.root = root_of(world, host);
        push(world, cluster);
        let uids: Vec<Uid> = world.clusters[cluster]
            .pods
            .values()
            .filter(|p| p.proxy.is_some() && p.ready)
            .map(|p| p.uid.clone())
            .collect();
        for uid in uids {
            connect(world, cluster, &uid);
        }
    }
}

/// The root certificate in `cacerts`.
fn root_of(world: &World, cluster: usize) -> String {
    let store = &world.clusters[cluster].store;
    let secret = store.get(resources::secrets(), control::root_namespace(store), "cacerts");
    secret.map(|s| object::text(s, "/data/root-cert.pem").to_owned()).unwrap_or_default()
}
