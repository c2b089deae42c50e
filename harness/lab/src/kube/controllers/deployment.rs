//! Deployments: one `ReplicaSet` per template, rollouts within maxSurge and maxUnavailable, and the status.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::clock::Ms;
use crate::rng::hash_name;
use crate::store::{object, resources};
use crate::world::{Event, World};

const HASH: &str = "pod-template-hash";
const REVISION: &str = "deployment.kubernetes.io/revision";

/// Reconciles the Deployment that owns a `ReplicaSet`.
pub(crate) fn reconcile_owner(world: &mut World, cluster: usize, replicaset: &Value) {
    let Some((_, uid)) = object::controller(replicaset) else { return };
    let namespace = object::namespace(replicaset);
    let found = world.clusters[cluster]
        .store
        .list(resources::deployments(), Some(namespace))
        .find(|deployment| object::uid(deployment) == uid);
    if let Some(name) = found.map(|deployment| object::name(deployment).to_owned()) {
        reconcile(world, cluster, namespace, &name);
    }
}

/// Moves a Deployment one step towards its spec.
pub(crate) fn reconcile(world: &mut World, cluster: usize, namespace: &str, name: &str) {
    let Some(deployment) = world.clusters[cluster].store.get(resources::deployments(), namespace, name).cloned() else {
        return;
    };
    if object::deleting(&deployment) || world.clusters[cluster].quirks.ignores_changes {
        return;
    }
    let current = ensure_current(world, cluster, &deployment);
    if !object::flag(&deployment, "/spec/paused") {
        roll(world, cluster, &deployment, &current);
    }
    status(world, cluster, namespace, name, &current);
}

fn owned(world: &World, cluster: usize, deployment: &Value) -> Vec<Arc<Value>> {
    let uid = object::uid(deployment);
    let list = world.clusters[cluster].store.list(resources::replicasets(), Some(object::namespace(deployment)));
    list.filter(|rs| object::controller(rs).is_some_and(|(_, owner)| owner == uid)).cloned().collect()
}

fn template_hash(deployment: &Value) -> String {
    hash_name(&deployment.pointer("/spec/template").map(Value::to_string).unwrap_or_default(), 10)
}

/// Creates the `ReplicaSet` of the present template if it does not exist, and returns its name.
fn ensure_current(world: &mut World, cluster: usize, deployment: &Value) -> String {
    let hash = template_hash(deployment);
    let name = format!("{}-{hash}", object::name(deployment));
    let existing = owned(world, cluster, deployment);
    let latest =
        existing.iter().filter_map(|rs| object::annotation(rs, REVISION)?.parse::<u64>().ok()).max().unwrap_or(0);
    let namespace = object::namespace(deployment).to_owned();
    let mut revision = latest.to_string();
    match existing.iter().find(|rs| object::name(rs) == name) {
        Some(found) if object::annotation(found, REVISION) != Some(&revision) => {
            revision = (latest + 1).to_string();
            let set = revision.clone();
            world.edit(cluster, resources::replicasets(), &namespace, &name, |rs| {
                object::set(rs, "/metadata/annotations/deployment.kubernetes.io~1revision", json!(set));
            });
        }
        Some(_) => {}
        None => {
            revision = (latest + 1).to_string();
            let mut template = deployment.pointer("/spec/template").cloned().unwrap_or_default();
            object::set(&mut template, &format!("/metadata/labels/{HASH}"), json!(hash));
            let mut selector = deployment.pointer("/spec/selector").cloned().unwrap_or_default();
            object::set(&mut selector, &format!("/matchLabels/{HASH}"), json!(hash));
            let labels = template.pointer("/metadata/labels").cloned();
            let value = json!({
                "apiVersion": "apps/v1", "kind": "ReplicaSet",
                "metadata": {"name": name, "namespace": namespace, "labels": labels, "annotations": {REVISION: revision},
                    "ownerReferences": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": object::name(deployment),
                        "uid": object::uid(deployment), "controller": true, "blockOwnerDeletion": true}]},
                "spec": {"replicas": 0, "selector": selector, "template": template},
                "status": {"replicas": 0},
            });
            world.create(cluster, resources::replicasets(), value);
        }
    }
    if object::annotation(deployment, REVISION) != Some(&revision) {
        world.edit(cluster, resources::deployments(), &namespace, object::name(deployment), |d| {
            object::set(d, "/metadata/annotations/deployment.kubernetes.io~1revision", json!(revision));
        });
    }
    name
}

fn replicas(value: &Value) -> i64 {
    object::int(value, "/spec/replicas").unwrap_or(1)
}

fn count(value: &Value, field: &str) -> i64 {
    object::int(value, &format!("/status/{field}")).unwrap_or(0)
}

/// Resolves `25%` or a number against the replicas.
fn share(value: Option<&Value>, of: i64, up: bool) -> i64 {
    match value {
        Some(Value::Number(n)) => n.as_i64().unwrap_or(0),
        Some(Value::String(s)) => {
            let percent = s.trim_end_matches('%').parse::<i64>().unwrap_or(25);
            if up { (of * percent + 99) / 100 } else { of * percent / 100 }
        }
        _ => 0,
    }
}

fn roll(world: &mut World, cluster: usize, deployment: &Value, current: &str) {
    let namespace = object::namespace(deployment).to_owned();
    let desired = replicas(deployment);
    let sets = owned(world, cluster, deployment);
    let old: Vec<_> = sets.iter().filter(|rs| object::name(rs) != current && replicas(rs) > 0).cloned().collect();
    let Some(new) = sets.iter().find(|rs| object::name(rs) == current).cloned() else { return };
    let total: i64 = sets.iter().map(|rs| replicas(rs)).sum();
    if object::text(deployment, "/spec/strategy/type") == "Recreate" {
        for rs in &old {
            scale(world, cluster, rs, 0);
        }
        let gone = old.iter().all(|rs| count(rs, "replicas") == 0);
        scale(world, cluster, &new, if gone { desired } else { 0 });
        return;
    }
    let surge = share(deployment.pointer("/spec/strategy/rollingUpdate/maxSurge"), desired, true);
    let mut unavailable = share(deployment.pointer("/spec/strategy/rollingUpdate/maxUnavailable"), desired, false);
    if surge == 0 && unavailable == 0 {
        unavailable = 1;
    }
    let room = (desired + surge - total).max(0);
    let target = if old.is_empty() || replicas(&new) > desired { desired } else { desired.min(replicas(&new) + room) };
    scale(world, cluster, &new, target);
    if old.is_empty() {
        return;
    }
    let sets = owned(world, cluster, deployment);
    let available: i64 = sets.iter().map(|rs| count(rs, "availableReplicas")).sum();
    let minimum = desired - unavailable;
    let mut spare = available - minimum;
    for rs in old {
        let ready = count(&rs, "availableReplicas");
        let unhealthy = (replicas(&rs) - ready).max(0);
        let remove = unhealthy + spare.clamp(0, replicas(&rs) - unhealthy);
        spare -= remove - unhealthy;
        if remove > 0 {
            scale(world, cluster, &rs, replicas(&rs) - remove);
        }
    }
    let _ = namespace;
}

fn scale(world: &mut World, cluster: usize, replicaset: &Value, to: i64) {
    if replicas(replicaset) == to {
        return;
    }
    let (namespace, name) = (object::namespace(replicaset).to_owned(), object::name(replicaset).to_owned());
    let verb = if to > replicas(replicaset) { "up" } else { "down" };
    let text = format!("Scaled {verb} replica set {name} from {} to {to}", replicas(replicaset));
    world.edit(cluster, resources::replicasets(), &namespace, &name, |rs| object::set(rs, "/spec/replicas", json!(to)));
    let owner =
        object::items(replicaset, "/metadata/ownerReferences").first().map(|o| object::text(o, "/name").to_owned());
    if let Some(owner) =
        owner.and_then(|o| world.clusters[cluster].store.get(resources::deployments(), &namespace, &o).cloned())
    {
        super::super::events::record(world, cluster, &owner, "Deployment", false, "ScalingReplicaSet", &text);
    }
    super::replicaset::reconcile(world, cluster, &namespace, &name);
}

fn status(world: &mut World, cluster: usize, namespace: &str, name: &str, current: &str) {
    let Some(deployment) = world.clusters[cluster].store.get(resources::deployments(), namespace, name).cloned() else {
        return;
    };
    let sets = owned(world, cluster, &deployment);
    let sum = |field: &str| sets.iter().map(|rs| count(rs, field)).sum::<i64>();
    let new = sets.iter().find(|rs| object::name(rs) == current);
    let desired = replicas(&deployment);
    let (total, ready, available) = (sum("replicas"), sum("readyReplicas"), sum("availableReplicas"));
    let updated = new.map_or(0, |rs| count(rs, "replicas"));
    let complete = updated == desired && total == desired && available == desired;
    let minimum = desired - share(deployment.pointer("/spec/strategy/rollingUpdate/maxUnavailable"), desired, false);
    let deadline: Ms = object::int(&deployment, "/spec/progressDeadlineSeconds").unwrap_or(600) * 1000;

    let mut status = json!({"observedGeneration": object::int(&deployment, "/metadata/generation")});
    for (field, n) in [
        ("replicas", total),
        ("updatedReplicas", updated),
        ("readyReplicas", ready),
        ("availableReplicas", available),
        ("unavailableReplicas", (desired - available).max(0)),
    ] {
        if n != 0 {
            status[field] = json!(n);
        }
    }
    let moved = ["replicas", "updatedReplicas", "readyReplicas", "availableReplicas"]
        .iter()
        .any(|f| count(&deployment, f) != object::int(&status, &format!("/{f}")).unwrap_or(0));
    let old =
        |kind: &str| object::items(&deployment, "/status/conditions").iter().find(|x| object::text(x, "/type") == kind);
    let now = world.date();
    let progress = old("Progressing");
    let last = progress.map_or("", |p| object::text(p, "/lastUpdateTime")).to_owned();
    let overdue = !complete && !moved && world.dates.parse(&last).is_some_and(|at| world.now - at >= deadline);
    let (on, reason, message) = if complete {
        ("True", "NewReplicaSetAvailable", format!("ReplicaSet \"{current}\" has successfully progressed."))
    } else if overdue {
        ("False", "ProgressDeadlineExceeded", format!("ReplicaSet \"{current}\" has timed out progressing."))
    } else {
        ("True", "ReplicaSetUpdated", format!("ReplicaSet \"{current}\" is progressing."))
    };
    // A complete Deployment that loses a pod is not in a rollout: the condition stays unchanged.
    let settled = progress.is_some_and(|p| {
        object::text(p, "/reason") == "NewReplicaSetAvailable" && object::text(p, "/message").contains(current)
    });
    let progressing = match progress {
        Some(p) if settled || object::text(p, "/reason") == reason && !moved => p.clone(),
        _ => {
            if !complete && !overdue {
                world.after(deadline + 1000, Event::Rollout(cluster, namespace.to_owned(), name.to_owned()));
            }
            condition("Progressing", on, reason, &message, progress, &now)
        }
    };
    let enough = available >= minimum;
    let availability = if enough {
        condition(
            "Available",
            "True",
            "MinimumReplicasAvailable",
            "Deployment has minimum availability.",
            old("Available"),
            &now,
        )
    } else {
        let text = "Deployment does not have minimum availability.";
        condition("Available", "False", "MinimumReplicasUnavailable", text, old("Available"), &now)
    };
    status["conditions"] = json!([availability, progressing]);
    world.edit(cluster, resources::deployments(), namespace, name, |d| object::set(d, "/status", status));
}

fn condition(kind: &str, on: &str, reason: &str, message: &str, old: Option<&Value>, now: &str) -> Value {
    let same = |field: &str, value: &str| old.is_some_and(|o| object::text(o, field) == value);
    if same("/status", on)
        && same("/reason", reason)
        && let Some(old) = old
        && kind == "Available"
    {
        return old.clone();
    }
    let since = if same("/status", on) { old.map_or(now, |o| object::text(o, "/lastTransitionTime")) } else { now };
    json!({"type": kind, "status": on, "reason": reason, "message": message, "lastUpdateTime": now, "lastTransitionTime": since})
}
