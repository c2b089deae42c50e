//! Deletion of objects: graceful for pods, held by finalizers.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::store::{Resource, object, resources};
use crate::world::World;

/// Deletes an object. Returns it if it still exists.
pub(crate) fn delete(
    world: &mut World,
    cluster: usize,
    resource: &'static Resource,
    old: &Value,
    grace: Option<i64>,
) -> Option<Arc<Value>> {
    if world.clusters[cluster].quirks.ignores_changes && matches!(resource.plural, "pods" | "deployments") {
        // The request is accepted but changes nothing.
        return Some(Arc::new(old.clone()));
    }
    let (namespace, name) = (object::namespace(old), object::name(old));
    if resource.plural == "pods" && grace != Some(0) {
        return pod_gracefully(world, cluster, old, grace);
    }
    if resource.plural == "namespaces" {
        let date = world.date();
        return world
            .edit(cluster, resource, namespace, name, |v| object::set(v, "/metadata/deletionTimestamp", json!(date)));
    }
    if !object::items(old, "/metadata/finalizers").is_empty() {
        if object::deleting(old) {
            return Some(Arc::new(old.clone()));
        }
        let date = world.date();
        return world.edit(cluster, resource, namespace, name, |v| {
            object::set(v, "/metadata/deletionTimestamp", json!(date));
            object::set(v, "/metadata/deletionGracePeriodSeconds", json!(0));
        });
    }
    world.clusters[cluster].store.remove(resource, namespace, name);
    None
}

/// Marks a pod for deletion; the kubelet ends it. A pod without a node or a grace period is removed at once.
pub(crate) fn pod_gracefully(world: &mut World, cluster: usize, pod: &Value, grace: Option<i64>) -> Option<Arc<Value>> {
    let (namespace, name) = (object::namespace(pod).to_owned(), object::name(pod).to_owned());
    let own = object::int(pod, "/spec/terminationGracePeriodSeconds").unwrap_or(30);
    let grace = grace.unwrap_or(own);
    let unbound = object::text(pod, "/spec/nodeName").is_empty();
    if grace == 0 || unbound || world.booting {
        world.clusters[cluster].store.remove(resources::pods(), &namespace, &name);
        return None;
    }
    if object::deleting(pod) {
        return world.clusters[cluster].store.get(resources::pods(), &namespace, &name).cloned();
    }
    let date = world.dates.seconds(world.now + grace * 1000);
    world.edit(cluster, resources::pods(), &namespace, &name, |v| {
        object::set(v, "/metadata/deletionTimestamp", json!(date));
        object::set(v, "/metadata/deletionGracePeriodSeconds", json!(grace));
    })
}

/// Deletes a dependent, for garbage collection.
pub(crate) fn delete_dependent(
    world: &mut World,
    cluster: usize,
    resource: &'static Resource,
    namespace: &str,
    name: &str,
) {
    if let Some(old) = world.clusters[cluster].store.get(resource, namespace, name).cloned() {
        delete(world, cluster, resource, &old, None);
    }
}

/// Removes an owner from the `ownerReferences` of its dependents.
pub(crate) fn orphan(world: &mut World, cluster: usize, owner: &Value) {
    let uid = object::uid(owner).to_owned();
    for resource in resources::RESOURCES {
        let dependents: Vec<(String, String)> = world.clusters[cluster]
            .store
            .list(resource, None)
            .filter(|v| object::items(v, "/metadata/ownerReferences").iter().any(|o| object::text(o, "/uid") == uid))
            .map(|v| (object::namespace(v).to_owned(), object::name(v).to_owned()))
            .collect();
        for (namespace, name) in dependents {
            world.edit(cluster, resource, &namespace, &name, |v| {
                let kept: Vec<Value> = object::items(v, "/metadata/ownerReferences")
                    .iter()
                    .filter(|o| object::text(o, "/uid") != uid)
                    .cloned()
                    .collect();
                object::set(v, "/metadata/ownerReferences", json!(kept));
            });
        }
    }
}
