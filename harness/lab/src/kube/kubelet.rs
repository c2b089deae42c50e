//! The kubelet: starts, probes and ends pods. Every step is an event of its own, so that what a pod serves and what its status
//! shows differ for as long as in a real cluster.

use serde_json::{Value, json};

use super::{events, pod_status};
use crate::clock::Ms;
use crate::mesh::{control, push};
use crate::store::{object, resources};
use crate::world::{Broken, Event, Life, Pod, PodQuirk, Role, Stage, Uid, World};

/// Envoy's `terminationDrainDuration`.
const DRAIN: Ms = 5_000;

/// Registers a new pod.
pub(crate) fn register(world: &mut World, cluster: usize, value: &Value) -> Uid {
    let mut pod = Pod::new(value, world.now);
    let quirks: Vec<PodQuirk> =
        world.clusters[cluster].quirks.pods.iter().filter(|q| q.applies(&pod, world.booting)).cloned().collect();
    for quirk in quirks {
        pod.broken = quirk.broken.or(pod.broken);
        pod.slow = pod.slow.max(quirk.slow_ms);
    }
    if object::items(value, "/spec/containers").iter().any(|x| !pullable(object::text(x, "/image"))) {
        pod.broken = Some(Broken::Image);
    }
    let uid = pod.uid.clone();
    world.clusters[cluster].pods.insert(uid.clone(), pod);
    uid
}

/// Whether an image can be pulled: all can, except those with `nonexistent` or `does-not-exist` in their name, or tag `missing`.
fn pullable(image: &str) -> bool {
    match image.strip_prefix("registry.local/") {
        Some(own) => !own.ends_with(":missing") && !own.contains("nonexistent") && !own.contains("does-not-exist"),
        None => !image.contains("nonexistent") && !image.contains("does-not-exist"),
    }
}

/// Starts the containers: the pod gets an address and its processes begin.
pub(crate) fn start(world: &mut World, cluster: usize, uid: &Uid) {
    let (now, booting) = (world.now, world.booting);
    let here = &mut world.clusters[cluster];
    let Some(pod) = here.pods.get_mut(uid) else { return };
    if pod.stage != Stage::Starting {
        return;
    }
    let node = pod.node.unwrap_or(1);
    let counter = &mut here.next_pod[node.min(15)];
    *counter += 1;
    let ip = here.quirks.pod_ip(&here.ident, node, *counter);
    pod.ip = Some(ip);
    pod.network = true;
    pod.stage = Stage::Running;
    pod.started = now;
    if let Some(proxy) = pod.proxy.as_mut() {
        proxy.started = now;
    }
    let (role, slow) = (pod.role, pod.slow);
    here.ips.insert(ip, uid.clone());
    if booting {
        probe(world, cluster, uid);
        return;
    }
    pod_status::write(world, cluster, uid);
    if let Some(value) = world.pod_object(cluster, uid).cloned() {
        events::record(world, cluster, &value, "Pod", false, "Started", "Started container");
    }
    let delay = match role {
        Role::Gateway => world.rng.between(1500, 2100),
        Role::Istiod => world.rng.between(1800, 2600),
        Role::Prometheus => world.rng.between(1500, 2200),
        _ => world.rng.between(1100, 1700),
    };
    world.after(delay + slow, Event::Probe(cluster, uid.clone()));
}

/// Runs the readiness probe. Proxies are ready after istiod has configured them.
pub(crate) fn probe(world: &mut World, cluster: usize, uid: &Uid) {
    let revision = world.clusters[cluster].pods.get(uid).map(|pod| pod.revision.clone()).unwrap_or_default();
    let istiod = world.booting || control::serves(world, cluster, &revision);
    let now = world.now;
    let Some(pod) = world.clusters[cluster].pods.get_mut(uid) else { return };
    if pod.stage != Stage::Running || pod.ready {
        return;
    }
    let waits = pod.proxy.as_ref().is_some_and(|proxy| proxy.snapshot.is_none()) && !istiod;
    if pod.broken.is_some() || waits {
        let message = match pod.broken {
            Some(Broken::CrashLoop) => "Back-off restarting failed container",
            Some(Broken::Image) => "Back-off pulling image",
            _ => "Readiness probe failed: HTTP probe failed with statuscode: 503",
        };
        if pod.broken == Some(Broken::CrashLoop) {
            pod.restarts += 1;
        }
        let again = if waits { 1000 } else { 10_000 };
        pod_status::write(world, cluster, uid);
        if let Some(value) = world.pod_object(cluster, uid).cloned() {
            events::record(world, cluster, &value, "Pod", true, "Unhealthy", message);
        }
        if !world.booting {
            world.after(again, Event::Probe(cluster, uid.clone()));
        }
        return;
    }
    pod.ready = true;
    pod.serving = true;
    pod.ready_since = now;
    let role = pod.role;
    if pod.proxy.is_some() {
        push::connect(world, cluster, uid);
    }
    pod_status::write(world, cluster, uid);
    if role == Role::Istiod {
        push::schedule_configured(world, cluster);
    }
}

/// Ends a pod whose object got a deletion date.
pub(crate) fn terminate(world: &mut World, cluster: usize, uid: &Uid, grace: i64) {
    let Some(pod) = world.clusters[cluster].pods.get_mut(uid) else { return };
    if pod.terminating() {
        return;
    }
    let started = pod.ip.is_some();
    pod.stage = Stage::Terminating;
    let grace = grace.max(0) * 1000;
    let role = pod.role;
    if pod.gateway() {
        pod.life.send_replace(Life::Draining);
    }
    if let Some(value) = world.pod_object(cluster, uid).cloned() {
        events::record(world, cluster, &value, "Pod", false, "Killing", "Stopping container");
    }
    let wait = match role {
        _ if !started => 0,
        Role::Gateway => DRAIN.min(grace),
        Role::Sleep | Role::Other => grace.min(30_000),
        Role::Prometheus | Role::Alertmanager => grace.min(400),
        _ => grace.min(world.rng.between(30, 90)),
    };
    pod_status::write(world, cluster, uid);
    world.after(wait, Event::Exit(cluster, uid.clone()));
}

/// Ends the processes; a sidecar may outlive the application for the rest of the grace period.
pub(crate) fn exit(world: &mut World, cluster: usize, uid: &Uid) {
    let Some(pod) = world.clusters[cluster].pods.get_mut(uid) else { return };
    pod.serving = false;
    pod.ready = false;
    let lingers = pod.proxy.is_some() && !pod.gateway();
    if !lingers {
        pod.life.send_replace(Life::Closed);
    }
    let rest = if lingers { (pod.grace * 1000).min(DRAIN) } else { 0 };
    pod_status::write(world, cluster, uid);
    let wait = rest + world.rng.between(120, 380);
    world.after(wait, Event::Remove(cluster, uid.clone()));
}

/// Confirms the end of a pod to the API server.
pub(crate) fn remove(world: &mut World, cluster: usize, uid: &Uid) {
    let Some(pod) = world.clusters[cluster].pods.get(uid) else { return };
    pod.life.send_replace(Life::Closed);
    let (namespace, name) = (pod.namespace.clone(), pod.name.clone());
    let held = world.pod_object(cluster, uid).is_some_and(|v| !object::items(v, "/metadata/finalizers").is_empty());
    if held {
        world.edit(cluster, resources::pods(), &namespace, &name, |pod| {
            object::set(pod, "/metadata/deletionGracePeriodSeconds", json!(0));
        });
        return;
    }
    if world.pod_object(cluster, uid).is_some() {
        world.clusters[cluster].store.remove(resources::pods(), &namespace, &name);
    } else {
        forget(world, cluster, uid);
    }
}

/// Removes a pod whose object is gone. If it still served, connections are reset and packets are lost from now on.
pub(crate) fn forget(world: &mut World, cluster: usize, uid: &str) {
    let cluster = &mut world.clusters[cluster];
    let Some(pod) = cluster.pods.remove(uid) else { return };
    if pod.serving {
        pod.life.send_replace(Life::Reset);
    } else {
        pod.life.send_replace(Life::Closed);
    }
    if let Some(ip) = pod.ip {
        cluster.ips.remove(&ip);
    }
}

/// Completes the pod of a Job.
pub(crate) fn complete(world: &mut World, cluster: usize, uid: &Uid) {
    let Some(pod) = world.clusters[cluster].pods.get_mut(uid) else { return };
    if pod.stage == Stage::Running {
        pod.stage = Stage::Done;
        pod.ready = false;
        pod.serving = false;
        pod_status::write(world, cluster, uid);
    }
}
