//! `ReplicaSets` and `StatefulSets`: the number of pods in the spec. Ordering and volumes of `StatefulSets` are not modelled.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::kube::{admission, deletion, events};
use crate::store::{Resource, object, resources};
use crate::world::{Event, World};

/// Reconciles the owner of a pod by its uid.
pub(crate) fn reconcile_owner(world: &mut World, cluster: usize, plural: &str, namespace: &str, uid: &str) {
    let resource = if plural == "replicasets" { resources::replicasets() } else { resources::statefulsets() };
    let found = world.clusters[cluster].store.list(resource, Some(namespace)).find(|rs| object::uid(rs) == uid);
    if let Some(name) = found.map(|rs| object::name(rs).to_owned()) {
        reconcile_any(world, cluster, resource, namespace, &name);
    }
}

/// Reconciles a `ReplicaSet` by name.
pub(crate) fn reconcile(world: &mut World, cluster: usize, namespace: &str, name: &str) {
    reconcile_any(world, cluster, resources::replicasets(), namespace, name);
}

/// Creates or deletes pods towards the spec and writes the status.
pub(crate) fn reconcile_any(
    world: &mut World,
    cluster: usize,
    resource: &'static Resource,
    namespace: &str,
    name: &str,
) {
    let Some(set) = world.clusters[cluster].store.get(resource, namespace, name).cloned() else { return };
    if object::deleting(&set) || world.clusters[cluster].quirks.ignores_changes {
        return;
    }
    let wanted = usize::try_from(object::int(&set, "/spec/replicas").unwrap_or(1)).unwrap_or(0);
    let active = active(world, cluster, &set);
    if active.len() < wanted {
        for pod_name in names(world, cluster, resource, &set, active.len(), wanted) {
            if let Err(why) = create(world, cluster, resource, &set, &pod_name) {
                let text = format!("Error creating: {why}");
                events::record(world, cluster, &set, resource.kind, true, "FailedCreate", &text);
                if resource.plural == "replicasets" {
                    world.after(1500, Event::Replicas(cluster, namespace.to_owned(), name.to_owned()));
                }
                break;
            }
        }
    } else if active.len() > wanted {
        let mut order = active.clone();
        order.sort_by_key(|pod| {
            let ordinal = if resource.plural == "statefulsets" { ordinal(pod) } else { 0 };
            (
                std::cmp::Reverse(ordinal),
                is_ready(pod),
                std::cmp::Reverse(object::text(pod, "/metadata/creationTimestamp").to_owned()),
            )
        });
        for pod in order.iter().take(active.len() - wanted) {
            deletion::pod_gracefully(world, cluster, pod, None);
        }
    }
    status(world, cluster, resource, &set);
}

fn active(world: &World, cluster: usize, set: &Value) -> Vec<Arc<Value>> {
    let uid = object::uid(set);
    let pods = world.clusters[cluster].store.list(resources::pods(), Some(object::namespace(set)));
    pods.filter(|pod| !object::deleting(pod) && !matches!(object::text(pod, "/status/phase"), "Succeeded" | "Failed"))
        .filter(|pod| object::controller(pod).is_some_and(|(_, owner)| owner == uid))
        .cloned()
        .collect()
}

/// Whether the pod's `Ready` condition is true.
pub(crate) fn is_ready(pod: &Value) -> bool {
    object::items(pod, "/status/conditions")
        .iter()
        .any(|x| object::text(x, "/type") == "Ready" && object::text(x, "/status") == "True")
}

/// The names of the missing pods. The name of a `StatefulSet` pod is free again after the pod is gone.
fn names(
    world: &mut World,
    cluster: usize,
    resource: &'static Resource,
    set: &Value,
    active: usize,
    wanted: usize,
) -> Vec<String> {
    let (namespace, name) = (object::namespace(set), object::name(set));
    if resource.plural != "statefulsets" {
        return (active..wanted).map(|_| format!("{name}-{}", world.rng.suffix(5))).collect();
    }
    let store = &world.clusters[cluster].store;
    let all = (0..wanted).map(|ordinal| format!("{name}-{ordinal}"));
    all.filter(|pod| store.get(resources::pods(), namespace, pod).is_none()).collect()
}

fn ordinal(pod: &Value) -> usize {
    object::name(pod).rsplit('-').next().and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn create(
    world: &mut World,
    cluster: usize,
    resource: &'static Resource,
    set: &Value,
    pod_name: &str,
) -> Result<(), String> {
    let mut pod = set.pointer("/spec/template").cloned().unwrap_or_else(|| json!({}));
    let name = object::name(set);
    object::set(&mut pod, "/apiVersion", json!("v1"));
    object::set(&mut pod, "/kind", json!("Pod"));
    object::set(&mut pod, "/metadata/name", json!(pod_name));
    if resource.plural == "replicasets" {
        object::set(&mut pod, "/metadata/generateName", json!(format!("{name}-")));
    }
    object::set(&mut pod, "/metadata/namespace", json!(object::namespace(set)));
    let owner = json!([{"apiVersion": "apps/v1", "kind": resource.kind, "name": name, "uid": object::uid(set),
        "controller": true, "blockOwnerDeletion": true}]);
    object::set(&mut pod, "/metadata/ownerReferences", owner);
    admission::admit(world, cluster, resources::pods(), &mut pod)?;
    world.create(cluster, resources::pods(), pod);
    let text = format!("Created pod: {pod_name}");
    events::record(world, cluster, set, resource.kind, false, "SuccessfulCreate", &text);
    Ok(())
}

fn status(world: &mut World, cluster: usize, resource: &'static Resource, set: &Value) {
    let pods = active(world, cluster, set);
    let ready = pods.iter().filter(|pod| is_ready(pod)).count();
    let Some(now) = world.clusters[cluster].store.get(resource, object::namespace(set), object::name(set)) else {
        return;
    };
    let mut status = json!({"replicas": pods.len(), "observedGeneration": object::int(now, "/metadata/generation")});
    if !pods.is_empty() && resource.plural == "replicasets" {
        status["fullyLabeledReplicas"] = json!(pods.len());
    }
    if resource.plural == "statefulsets" {
        status["currentReplicas"] = json!(pods.len());
        status["updatedReplicas"] = json!(pods.len());
    }
    if ready > 0 {
        status["readyReplicas"] = json!(ready);
        status["availableReplicas"] = json!(ready);
    }
    world.edit(cluster, resource, object::namespace(set), object::name(set), |rs| object::set(rs, "/status", status));
}
