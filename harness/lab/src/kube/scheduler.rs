//! The scheduler: binds pods to the schedulable node with the fewest pods. Resources and affinities are ignored.

use serde_json::{Value, json};

use super::{events, kubelet};
use crate::store::{object, resources};
use crate::world::{Event, Stage, Uid, World};

/// Schedules the binding of a new pod; while the mesh is set up it is bound at once.
pub(crate) fn enqueue(world: &mut World, cluster: usize, uid: &Uid) {
    if world.booting {
        bind(world, cluster, uid);
    } else {
        let delay = world.rng.between(10, 60);
        world.after(delay, Event::Bind(cluster, uid.clone()));
    }
}

/// Binds a pending pod, or marks it unschedulable.
pub(crate) fn bind(world: &mut World, cluster: usize, uid: &Uid) {
    let Some(value) = world.pod_object(cluster, uid).cloned() else { return };
    if world.clusters[cluster].pods.get(uid).is_none_or(|pod| pod.node.is_some() || pod.stage != Stage::Pending) {
        return;
    }
    let fixed = object::text(&value, "/spec/nodeName").to_owned();
    let chosen = if fixed.is_empty() { choose(world, cluster) } else { index(world, cluster, &fixed) };
    let (namespace, name) = (object::namespace(&value).to_owned(), object::name(&value).to_owned());
    let Some(node) = chosen else {
        let total = world.clusters[cluster].store.list(resources::nodes(), None).count();
        let message = format!("0/{total} nodes are available: {total} node(s) were unschedulable.");
        let date = world.date();
        world.edit(cluster, resources::pods(), &namespace, &name, |pod| {
            let condition = json!([{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message,
                "lastProbeTime": null, "lastTransitionTime": date}]);
            object::set(pod, "/status/conditions", condition);
        });
        events::record(world, cluster, &value, "Pod", true, "FailedScheduling", &message);
        return;
    };
    let node_name = world.clusters[cluster].ident.node_name(node);
    world.edit(cluster, resources::pods(), &namespace, &name, |pod| {
        object::set(pod, "/spec/nodeName", json!(node_name))
    });
    if let Some(pod) = world.clusters[cluster].pods.get_mut(uid) {
        pod.node = Some(node);
        pod.stage = Stage::Starting;
    }
    let text = format!("Successfully assigned {namespace}/{name} to {node_name}");
    events::record(world, cluster, &value, "Pod", false, "Scheduled", &text);
    if world.booting {
        kubelet::start(world, cluster, uid);
    } else {
        let delay = world.rng.between(450, 850);
        world.after(delay, Event::Start(cluster, uid.clone()));
    }
}

/// Tries again to bind every pending pod.
pub(crate) fn retry(world: &mut World, cluster: usize) {
    let waiting: Vec<Uid> = world.clusters[cluster]
        .pods
        .values()
        .filter(|p| p.stage == Stage::Pending && p.node.is_none())
        .map(|p| p.uid.clone())
        .collect();
    for uid in waiting {
        world.after(20, Event::Bind(cluster, uid));
    }
}

fn index(world: &World, cluster: usize, name: &str) -> Option<usize> {
    (1..=16).find(|n| world.clusters[cluster].ident.node_name(*n) == name)
}

fn choose(world: &World, cluster: usize) -> Option<usize> {
    let here = &world.clusters[cluster];
    let usable = |node: &Value| {
        !object::flag(node, "/spec/unschedulable")
            && object::items(node, "/status/conditions")
                .iter()
                .any(|x| object::text(x, "/type") == "Ready" && object::text(x, "/status") == "True")
    };
    here.store
        .list(resources::nodes(), None)
        .filter(|node| usable(node))
        .filter_map(|node| index(world, cluster, object::name(node)))
        .min_by_key(|n| here.pods.values().filter(|p| p.node == Some(*n)).count())
}
