//! Changes that several defects share.

use serde_json::{Value, json};

use super::find::{self, Place};
use crate::engine::settle;
use crate::store::{Resource, object, resources};
use crate::world::PodQuirk;
use crate::world::{Broken, Pod, Role, World};

/// Changes an object and lets the controllers react. Nothing happens when the object does not exist.
pub(super) fn edit_object(
    world: &mut World,
    cluster: usize,
    resource: &'static Resource,
    namespace: &str,
    name: &str,
    change: impl FnOnce(&mut Value),
) {
    world.edit(cluster, resource, namespace, name, change);
    settle(world);
}

/// Sets one field of an object, by JSON pointer.
pub(super) fn set_field(
    world: &mut World,
    cluster: usize,
    resource: &'static Resource,
    (namespace, name): (&str, &str),
    pointer: &str,
    value: Value,
) {
    edit_object(world, cluster, resource, namespace, name, |object| object::set(object, pointer, value));
}

/// Removes an object.
pub(super) fn remove_object(
    world: &mut World,
    cluster: usize,
    resource: &'static Resource,
    namespace: &str,
    name: &str,
) {
    world.clusters[cluster].store.remove(resource, namespace, name);
}

/// Changes an object that may not exist, and lets the controllers react.
pub(super) fn edit_found(
    world: &mut World,
    cluster: usize,
    resource: &'static Resource,
    found: Option<Place>,
    change: impl FnOnce(&mut Value),
) {
    if let Some((namespace, name)) = found {
        edit_object(world, cluster, resource, &namespace, &name, change);
    }
}

/// Sets one field of an object that may not exist.
pub(super) fn set_found(
    world: &mut World,
    cluster: usize,
    resource: &'static Resource,
    found: Option<Place>,
    pointer: &str,
    value: Value,
) {
    edit_found(world, cluster, resource, found, |object| object::set(object, pointer, value));
}

/// Removes an object that may not exist.
pub(super) fn remove_found(world: &mut World, cluster: usize, resource: &'static Resource, found: Option<Place>) {
    if let Some((namespace, name)) = found {
        remove_object(world, cluster, resource, &namespace, &name);
        settle(world);
    }
}

/// Scales a Deployment.
pub(super) fn scale_deployment(world: &mut World, cluster: usize, namespace: &str, name: &str, replicas: i64) {
    set_field(world, cluster, resources::deployments(), (namespace, name), "/spec/replicas", json!(replicas));
}

/// Scales the workload whose pods have a role to 0 replicas.
pub(super) fn scale_workload(world: &mut World, cluster: usize, role: Role) {
    if let Some((resource, (namespace, name))) = find::workload(world, cluster, role) {
        set_field(world, cluster, resource, (&namespace, &name), "/spec/replicas", json!(0));
    }
}

/// Makes the selector of a Service match no pod.
pub(super) fn select_no_pod(world: &mut World, cluster: usize, service: &Place) {
    let nothing = json!({"app": "nothing"});
    set_field(world, cluster, resources::services(), (&service.0, &service.1), "/spec/selector", nothing);
}

/// Pods of an app that are created from now on never become healthy.
pub(super) fn break_pods(world: &mut World, cluster: usize, app: &str, version: &'static str, how: Broken) {
    let quirk = PodQuirk { app: app.to_owned(), version, from_start: true, broken: Some(how), slow_ms: 0 };
    world.clusters[cluster].quirks.pods.push(quirk);
}

/// Pods of an app created after the lab started never become ready.
pub(super) fn break_new_pods(world: &mut World, cluster: usize, app: &str) {
    let quirk =
        PodQuirk { app: app.to_owned(), version: "", from_start: false, broken: Some(Broken::Unready), slow_ms: 0 };
    world.clusters[cluster].quirks.pods.push(quirk);
}

/// Replaces the pods of an app with new ones, at once.
pub(super) fn replace_pods(world: &mut World, cluster: usize, app: &str, version: &str) {
    let own = |pod: &&Pod| pod.label("app") == app && ["", pod.version.as_str()].contains(&version);
    let pods = world.clusters[cluster].pods.values().filter(own);
    let pods: Vec<(String, String)> = pods.map(|pod| (pod.namespace.clone(), pod.name.clone())).collect();
    for (namespace, name) in pods {
        remove_object(world, cluster, resources::pods(), &namespace, &name);
    }
    settle(world);
}

/// The indexes of all other clusters.
pub(super) fn others(world: &World, cluster: usize) -> impl Iterator<Item = usize> + use<> {
    (0..world.clusters.len()).filter(move |other| *other != cluster)
}
