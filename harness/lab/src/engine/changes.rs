//! What follows from a changed object: the controllers that watch its kind react.

use serde_json::Value;

use crate::kube::controllers::{deployment, endpoints, garbage, hpa, job, pdb, replicaset, service};
use crate::kube::{gateway_controller, kube_proxy, kubelet, scheduler};
use crate::mesh::push;
use crate::store::{Change, ChangeKind, object};
use crate::world::{Uid, World};

/// The most rounds, so that controllers that never agree do not run forever.
const ROUNDS: usize = 200;

/// Shows every change to the controllers until none of them changes anything more.
pub(crate) fn settle(world: &mut World) {
    for _ in 0..ROUNDS {
        let mut quiet = true;
        for cluster in 0..world.clusters.len() {
            for change in world.clusters[cluster].store.take_unseen() {
                quiet = false;
                react(world, cluster, &change);
            }
        }
        if quiet {
            return;
        }
    }
}

/// Shows one change to every controller.
fn react(world: &mut World, cluster: usize, change: &Change) {
    let value = &*change.object;
    let (namespace, name) = (object::namespace(value), object::name(value));
    let deleted = change.kind == ChangeKind::Deleted;
    if deleted {
        garbage::collect(world, cluster, value);
    }
    match (change.resource.group, change.resource.plural) {
        ("", "pods") => pod(world, cluster, change),
        ("apps", "deployments") => {
            if !deleted {
                deployment::reconcile(world, cluster, namespace, name);
            }
            gateway_controller::reconcile(world, cluster);
            hpa::refresh(world, cluster, namespace);
        }
        ("apps", "replicasets" | "statefulsets") => {
            if !deleted {
                replicaset::reconcile_any(world, cluster, change.resource, namespace, name);
            }
            if let Some(("Deployment", _)) = object::controller(value) {
                deployment::reconcile_owner(world, cluster, value);
            }
        }
        ("", "services") => {
            if change.kind == ChangeKind::Added {
                service::added(world, cluster, value);
            }
            endpoints::sync(world, cluster, namespace);
            kube_proxy::schedule(world, cluster);
            push::schedule_everywhere(world);
            gateway_controller::reconcile(world, cluster);
        }
        ("discovery.k8s.io", "endpointslices") => {
            kube_proxy::schedule(world, cluster);
            push::schedule_everywhere(world);
        }
        ("networking.istio.io" | "security.istio.io" | "gateway.networking.k8s.io", _) => {
            push::schedule_configured(world, cluster);
            gateway_controller::reconcile(world, cluster);
        }
        ("networking.k8s.io", "networkpolicies") => world.clusters[cluster].read_network_policies(),
        ("", "secrets") if object::label(value, "istio/multiCluster").is_some() || name == "cacerts" => {
            push::schedule_configured(world, cluster);
        }
        ("", "nodes") => scheduler::retry(world, cluster),
        ("", "namespaces") if object::deleting(value) && !deleted => garbage::empty_namespace(world, cluster, name),
        ("batch", "jobs") if change.kind == ChangeKind::Added => job::start(world, cluster, value),
        ("autoscaling", _) if change.kind == ChangeKind::Added => hpa::refresh(world, cluster, namespace),
        ("policy", _) if !deleted => pdb::refresh(world, cluster, namespace),
        _ => {}
    }
}

fn pod(world: &mut World, cluster: usize, change: &Change) {
    let value = &*change.object;
    let uid = object::uid(value);
    match change.kind {
        ChangeKind::Added => {
            let uid = kubelet::register(world, cluster, value);
            scheduler::enqueue(world, cluster, &uid);
        }
        ChangeKind::Modified => modified(world, cluster, change.previous.as_deref(), value),
        ChangeKind::Deleted => kubelet::forget(world, cluster, uid),
    }
    match object::controller(value) {
        Some(("ReplicaSet", owner)) => {
            replicaset::reconcile_owner(world, cluster, "replicasets", object::namespace(value), owner);
        }
        Some(("StatefulSet", owner)) => {
            replicaset::reconcile_owner(world, cluster, "statefulsets", object::namespace(value), owner);
        }
        Some(("Job", owner)) => job::refresh(world, cluster, object::namespace(value), owner),
        _ => {}
    }
    endpoints::sync(world, cluster, object::namespace(value));
    pdb::refresh(world, cluster, object::namespace(value));
}

fn modified(world: &mut World, cluster: usize, previous: Option<&Value>, value: &Value) {
    let uid: Uid = object::uid(value).into();
    if let Some(pod) = world.clusters[cluster].pods.get_mut(&uid)
        && object::labels(value) != Some(&pod.labels)
    {
        pod.labels = object::labels(value).cloned().unwrap_or_default();
    }
    if object::deleting(value) && !previous.is_some_and(object::deleting) {
        let grace = object::int(value, "/metadata/deletionGracePeriodSeconds").unwrap_or(30);
        kubelet::terminate(world, cluster, &uid, grace);
    }
}
