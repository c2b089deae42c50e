//! Writes the status of pods.

use serde_json::{Value, json};

use crate::store::{object, resources};
use crate::world::{Broken, Pod, Stage, World};

/// Updates the status of a pod's object.
pub(crate) fn write(world: &mut World, cluster: usize, uid: &str) {
    let Some(value) = world.pod_object(cluster, uid).cloned() else { return };
    let here = &world.clusters[cluster];
    let Some(pod) = here.pods.get(uid) else { return };
    let dates = world.dates;
    let host = pod.node.map(|n| here.ident.node_ip(n).to_string());
    let mut status = json!({
        "phase": phase(pod), "qosClass": "Burstable", "startTime": dates.seconds(pod.created),
        "conditions": conditions(pod, &dates.seconds(pod.created), &dates.seconds(pod.ready_since)),
    });
    if let (Some(ip), Some(host)) = (pod.ip, host) {
        let all: Vec<Value> = here.quirks.pod_ips(ip).iter().map(|ip| json!({"ip": ip.to_string()})).collect();
        let ip = ip.to_string();
        for (key, value) in
            [("podIP", json!(ip)), ("podIPs", json!(all)), ("hostIP", json!(host)), ("hostIPs", json!([{"ip": host}]))]
        {
            status[key] = value;
        }
    }
    let began = dates.seconds(pod.started);
    let list = |pointer: &str, init: bool| -> Vec<Value> {
        object::items(&value, pointer).iter().enumerate().map(|(i, x)| container(pod, x, i, init, &began)).collect()
    };
    let init = list("/spec/initContainers", true);
    if !init.is_empty() {
        status["initContainerStatuses"] = json!(init);
    }
    status["containerStatuses"] = json!(list("/spec/containers", false));
    let (namespace, name) = (pod.namespace.clone(), pod.name.clone());
    world.edit(cluster, resources::pods(), &namespace, &name, |object| object::set(object, "/status", status));
}

fn phase(pod: &Pod) -> &'static str {
    match pod.stage {
        Stage::Pending | Stage::Starting => "Pending",
        Stage::Running if pod.broken == Some(Broken::Image) => "Pending",
        Stage::Running | Stage::Terminating => "Running",
        Stage::Done => "Succeeded",
    }
}

fn conditions(pod: &Pod, created: &str, since: &str) -> Value {
    let one = |kind: &str, on: bool, at: &str, reason: &str| {
        let mut condition = json!({"type": kind, "status": if on { "True" } else { "False" }, "lastProbeTime": null, "lastTransitionTime": at});
        if !on {
            condition["reason"] = json!(reason);
        }
        condition
    };
    let unready = if pod.stage == Stage::Done { "PodCompleted" } else { "ContainersNotReady" };
    let running = pod.stage != Stage::Pending && pod.stage != Stage::Starting;
    json!([
        one("PodReadyToStartContainers", running, created, ""),
        one("Initialized", running, created, "ContainersNotInitialized"),
        one("Ready", pod.ready, since, unready),
        one("ContainersReady", pod.ready, since, unready),
        one("PodScheduled", pod.node.is_some(), created, "Unschedulable"),
    ])
}

fn container(pod: &Pod, spec: &Value, index: usize, init: bool, began: &str) -> Value {
    let name = object::text(spec, "/name");
    let image = object::text(spec, "/image");
    let sidecar = object::text(spec, "/restartPolicy") == "Always";
    let proxy = name == "istio-proxy";
    let broken = pod.broken.filter(|_| if pod.proxy.is_some() { proxy == pod.gateway() } else { !init && index == 0 });
    let mut status = json!({
        "name": name, "image": image, "imageID": format!("{image}@sha256:{:064x}", fingerprint(image)),
        "containerID": "", "ready": false, "started": false, "restartCount": 0, "lastState": {}, "state": {},
    });
    let id = format!("containerd://{:032x}{:032x}", fingerprint(&pod.uid), fingerprint(name));
    let finished = json!({"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": began, "finishedAt": began, "containerID": id}});
    let running = json!({"running": {"startedAt": began}});
    match (pod.stage, broken) {
        (Stage::Pending | Stage::Starting, _) => {
            let reason = if pod.proxy.is_some() && !init { "PodInitializing" } else { "ContainerCreating" };
            status["state"] = json!({"waiting": {"reason": reason}});
            return status;
        }
        (_, Some(Broken::Image)) => {
            let message = format!("Back-off pulling image \"{image}\"");
            status["state"] = json!({"waiting": {"reason": "ImagePullBackOff", "message": message}});
            return status;
        }
        (_, Some(Broken::CrashLoop)) => {
            status["restartCount"] = json!(pod.restarts.max(1));
            status["state"] = json!({"waiting": {"reason": "CrashLoopBackOff",
                "message": format!("back-off 5m0s restarting failed container={name} pod={}_{}({})", pod.name, pod.namespace, pod.uid)}});
            status["lastState"] = json!({"terminated": {"exitCode": 1, "reason": "Error", "startedAt": began, "finishedAt": began, "containerID": id}});
        }
        (Stage::Done, _) => status["state"] = finished,
        _ if init && !sidecar => {
            status["ready"] = json!(true);
            status["state"] = finished;
        }
        (stage, flaw) => {
            let up = pod.ready
                || (flaw.is_none() && (init || pod.broken.is_some()) && stage == Stage::Running && pod.serving_proxy());
            let ended = stage == Stage::Terminating && !pod.serving && !init;
            status["ready"] = json!(up);
            status["started"] = json!(!ended);
            status["state"] = if ended { finished } else { running };
        }
    }
    status["containerID"] = json!(id);
    status
}

impl Pod {
    /// Whether its sidecar, if any, is configured although the pod is not ready.
    fn serving_proxy(&self) -> bool {
        self.proxy.as_ref().is_none_or(|proxy| proxy.snapshot.is_some()) || self.broken.is_some()
    }
}

fn fingerprint(text: &str) -> u128 {
    let mut rng =
        crate::rng::Rng::new(text.bytes().fold(7, |h: u64, b| h.wrapping_mul(131).wrapping_add(u64::from(b))));
    (u128::from(rng.next()) << 64) | u128::from(rng.next())
}
