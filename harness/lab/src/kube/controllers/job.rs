//! Jobs: one pod each, which completes if its command is `true`, `echo` or `date`. No retries, no parallelism.

use serde_json::{Value, json};

use crate::kube::{admission, events};
use crate::store::{object, resources};
use crate::world::{Event, World};

/// Creates the pod of a new Job.
pub(crate) fn start(world: &mut World, cluster: usize, job: &Value) {
    let mut pod = job.pointer("/spec/template").cloned().unwrap_or_else(|| json!({}));
    let (namespace, name) = (object::namespace(job).to_owned(), object::name(job).to_owned());
    let suffix = world.rng.suffix(5);
    object::set(&mut pod, "/apiVersion", json!("v1"));
    object::set(&mut pod, "/kind", json!("Pod"));
    object::set(&mut pod, "/metadata/name", json!(format!("{name}-{suffix}")));
    object::set(&mut pod, "/metadata/namespace", json!(namespace));
    object::set(&mut pod, "/metadata/labels/job-name", json!(name));
    object::set(&mut pod, "/metadata/labels/batch.kubernetes.io~1job-name", json!(name));
    let owner = json!([{"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": object::uid(job), "controller": true, "blockOwnerDeletion": true}]);
    object::set(&mut pod, "/metadata/ownerReferences", owner);
    let command = object::text(&pod, "/spec/containers/0/command/0").to_owned();
    if let Err(why) = admission::admit(world, cluster, resources::pods(), &mut pod) {
        events::record(world, cluster, job, "Job", true, "FailedCreate", &why);
        return;
    }
    let created = world.create(cluster, resources::pods(), pod);
    if matches!(command.rsplit('/').next(), Some("true" | "echo" | "date")) {
        world.after(4_000, Event::Complete(cluster, object::uid(&created).into()));
    }
}

/// Writes the Job's status from its pod.
pub(crate) fn refresh(world: &mut World, cluster: usize, namespace: &str, uid: &str) {
    let store = &world.clusters[cluster].store;
    let Some(job) = store.list(resources::jobs(), Some(namespace)).find(|j| object::uid(j) == uid).cloned() else {
        return;
    };
    let pods: Vec<_> = store
        .list(resources::pods(), Some(namespace))
        .filter(|p| object::controller(p).is_some_and(|(_, owner)| owner == uid) && !object::deleting(p))
        .collect();
    let done = pods.iter().filter(|p| object::text(p, "/status/phase") == "Succeeded").count();
    let ready = pods.iter().filter(|p| super::replicaset::is_ready(p)).count();
    let mut status = json!({"active": pods.len() - done, "ready": ready, "startTime": object::text(&job, "/metadata/creationTimestamp")});
    if done > 0 {
        let date = world.date();
        status["succeeded"] = json!(done);
        status["completionTime"] = json!(date);
        status["conditions"] =
            json!([{"type": "Complete", "status": "True", "lastTransitionTime": date, "lastProbeTime": date}]);
    }
    let name = object::name(&job).to_owned();
    world.edit(cluster, resources::jobs(), namespace, &name, |j| object::set(j, "/status", status));
}
