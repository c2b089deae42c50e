//! Dependents of deleted owners, and the contents of deleted namespaces.

use serde_json::{Value, json};

use crate::kube::deletion;
use crate::store::resources::RESOURCES;
use crate::store::{Resource, object, resources};
use crate::world::World;

/// Deletes the dependents of a deleted object.
pub(crate) fn collect(world: &mut World, cluster: usize, gone: &Value) {
    let uid = object::uid(gone).to_owned();
    let mut dependents: Vec<(&'static Resource, String, String)> = Vec::new();
    for resource in RESOURCES {
        for value in world.clusters[cluster].store.list(resource, None) {
            let owners = object::items(value, "/metadata/ownerReferences");
            if !owners.is_empty() && owners.iter().all(|o| object::text(o, "/uid") == uid) {
                dependents.push((resource, object::namespace(value).to_owned(), object::name(value).to_owned()));
            }
        }
    }
    for (resource, namespace, name) in dependents {
        deletion::delete_dependent(world, cluster, resource, &namespace, &name);
    }
}

/// Deletes the objects of a terminating namespace, then the namespace.
pub(crate) fn empty_namespace(world: &mut World, cluster: usize, namespace: &str) {
    for resource in RESOURCES.iter().filter(|r| r.namespaced) {
        let names: Vec<String> =
            world.clusters[cluster].store.list(resource, Some(namespace)).map(|v| object::name(v).to_owned()).collect();
        for name in names {
            world.clusters[cluster].store.remove(resource, namespace, &name);
        }
    }
    world.edit(cluster, resources::namespaces(), "", namespace, |n| {
        object::set(n, "/status/phase", json!("Terminating"))
    });
    world.clusters[cluster].store.remove(resources::namespaces(), "", namespace);
}
