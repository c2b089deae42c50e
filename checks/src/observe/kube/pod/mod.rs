//! Pods: ready as kubectl counts it, restarts, and what keeps a container from running.

mod column;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::column::{Column, restarts_always};
use super::field::{self, KubeError};
use super::image::Image;

/// The object that made another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnerRef {
    /// Its kind, such as `ReplicaSet`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
}

/// One pod.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pod {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its UID: a successor has the same name.
    pub uid: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The controller that made it.
    pub owner: Option<OwnerRef>,
    /// The node it runs on, empty while it is not scheduled.
    pub node: String,
    /// All its addresses.
    pub ips: Vec<String>,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// Whether it is being deleted.
    pub terminating: bool,
    /// Whether its `Ready` condition is true. It may be while the pod is terminating.
    pub ready: bool,
    /// When that last changed.
    pub ready_since: Option<Timestamp>,
    /// Left number of kubectl's READY.
    pub ready_containers: u64,
    /// Right number of kubectl's READY: containers and native sidecars.
    pub expected_containers: u64,
    /// kubectl's STATUS: `Running`, `CrashLoopBackOff`, `Init:0/1`, `Terminating` …
    pub status: String,
    /// kubectl's RESTARTS.
    pub restarts: u64,
    /// Why no node takes it, in the scheduler's words; none once one does.
    pub unscheduled: Option<String>,
    /// Every container, native sidecars and other init containers included.
    pub containers: Vec<Container>,
}

/// One container of a pod.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// Its image as the pod asks for it.
    pub image: Image,
    /// Whether it stands in `initContainers`.
    pub init: bool,
    /// Whether it is an init container that keeps running, as `istio-proxy` is since Kubernetes 1.33.
    pub sidecar: bool,
    /// Whether it is ready.
    pub ready: bool,
    /// How often it restarted.
    pub restarts: u64,
    /// What keeps it from running, or ended its last run.
    pub trouble: Option<Trouble>,
}

/// Why a container does not run, or why its last run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// One word: `CrashLoopBackOff`, `ImagePullBackOff`, `OOMKilled`, `Error` …
    pub reason: String,
    /// Words of the kubelet, often empty.
    pub message: String,
    /// Exit code of the last run that ended.
    pub exit_code: Option<i64>,
}

impl Pod {
    /// Reads a pod.
    pub fn read(object: &Value) -> Result<Self, KubeError> {
        let name = field::named(object, "Pod")?;
        let containers = containers(object);
        let column = Column::of(object);
        let ready_condition = field::condition(object, "Ready");
        let mut ips: Vec<String> = field::list(object, "/status/podIPs")
            .iter()
            .filter_map(|ip| Some(field::text(ip, "/ip")?.to_owned()))
            .collect();
        if ips.is_empty() {
            ips.extend(field::text(object, "/status/podIP").filter(|ip| !ip.is_empty()).map(str::to_owned));
        }
        Ok(Self {
            name,
            namespace: field::string(object, "/metadata/namespace"),
            uid: field::string(object, "/metadata/uid"),
            labels: field::map(object, "/metadata/labels"),
            owner: owner(object),
            node: field::string(object, "/spec/nodeName"),
            ips,
            created: field::time(object, "/metadata/creationTimestamp"),
            terminating: field::text(object, "/metadata/deletionTimestamp").is_some(),
            ready: field::condition_true(object, "Ready"),
            ready_since: ready_condition.and_then(|c| field::time(c, "/lastTransitionTime")),
            ready_containers: column.ready,
            expected_containers: column.expected,
            status: column.status,
            restarts: column.restarts,
            unscheduled: field::condition(object, "PodScheduled")
                .filter(|condition| field::text(condition, "/status") == Some("False"))
                .map(|condition| field::string(condition, "/message")),
            containers,
        })
    }

    /// Ready, with all its containers, and here to stay: what a count of ready pods may count.
    #[cfg(test)]
    fn is_up(&self) -> bool {
        self.ready
            && !self.terminating
            && self.expected_containers > 0
            && self.ready_containers == self.expected_containers
    }

    /// What keeps it from being ready; none if it is.
    pub fn hindrance(&self) -> Option<String> {
        if self.ready {
            return None;
        }
        if let Some(why) = &self.unscheduled {
            return Some(format!("no node takes it: {why}"));
        }
        let mut waiting = self.containers.iter().filter(|container| !container.ready);
        let troubled = waiting.clone().find_map(|container| Some((container, container.trouble.as_ref()?)));
        Some(match (troubled, waiting.next()) {
            (Some((container, trouble)), _) if trouble.message.is_empty() => {
                format!("container {}: {}", container.name, trouble.reason)
            }
            (Some((container, trouble)), _) => {
                format!("container {}: {}: {}", container.name, trouble.reason, trouble.message)
            }
            (None, Some(container)) => format!("container {} is not ready", container.name),
            (None, None) => format!("{}, not ready", self.status),
        })
    }

    /// kubectl's READY: `2/2`.
    pub fn ready_column(&self) -> String {
        format!("{}/{}", self.ready_containers, self.expected_containers)
    }

    /// The container of this name, wherever the pod lists it.
    pub fn container(&self, name: &str) -> Option<&Container> {
        self.containers.iter().find(|c| c.name == name)
    }
}

fn owner(object: &Value) -> Option<OwnerRef> {
    let owners = field::list(object, "/metadata/ownerReferences");
    let owner = owners.iter().find(|o| field::flag(o, "/controller"))?;
    Some(OwnerRef {
        kind: field::string(owner, "/kind"),
        name: field::string(owner, "/name"),
        uid: field::string(owner, "/uid"),
    })
}

fn containers(object: &Value) -> Vec<Container> {
    let read = |init: bool, specs: &'static str, statuses: &'static str| {
        field::list(object, specs).iter().map(move |spec| {
            let name = field::string(spec, "/name");
            let status = field::list(object, statuses).iter().find(|s| field::text(s, "/name") == Some(&name));
            Container {
                image: Image::parse(field::text(spec, "/image").unwrap_or_default()),
                init,
                sidecar: init && restarts_always(spec),
                ready: status.is_some_and(|s| field::flag(s, "/ready")),
                restarts: status.map_or(0, |s| field::count(s, "/restartCount")),
                trouble: status.and_then(trouble),
                name,
            }
        })
    };
    read(true, "/spec/initContainers", "/status/initContainerStatuses")
        .chain(read(false, "/spec/containers", "/status/containerStatuses"))
        .collect()
}

fn trouble(status: &Value) -> Option<Trouble> {
    let exit_code = |state: &Value| state.pointer("/terminated/exitCode").and_then(Value::as_i64);
    let last = exit_code(status.get("lastState").unwrap_or(&Value::Null));
    for state in ["state", "lastState"] {
        let Some(state) = status.get(state) else { continue };
        let now = exit_code(state);
        if now == Some(0) {
            continue;
        }
        for phase in ["waiting", "terminated"] {
            let Some(reason) = field::text(state, &format!("/{phase}/reason")).filter(|r| !r.is_empty()) else {
                continue;
            };
            return Some(Trouble {
                reason: reason.to_owned(),
                message: field::string(state, &format!("/{phase}/message")),
                exit_code: now.or(last),
            });
        }
        if now.is_some() {
            return Some(Trouble { reason: "Error".to_owned(), message: String::new(), exit_code: now });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// A pod of the mesh: one container and a native sidecar after an init container that is done.
    fn meshed() -> Value {
        json!({
            "kind": "Pod",
            "metadata": {"name": "reviews-v1-x", "namespace": "bookinfo", "uid": "u1",
                "ownerReferences": [{"kind": "ReplicaSet", "name": "reviews-v1", "uid": "r1", "controller": true}]},
            "spec": {"nodeName": "n1",
                "initContainers": [{"name": "istio-init", "image": "istio/proxyv2:1.28.3"},
                    {"name": "istio-proxy", "image": "istio/proxyv2:1.28.3", "restartPolicy": "Always"}],
                "containers": [{"name": "reviews", "image": "bookinfo/reviews-v1:1.20.3"}]},
            "status": {"phase": "Running", "podIPs": [{"ip": "10.0.10.119"}, {"ip": "fd00::1"}],
                "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-11-22T11:50:00Z"},
                    {"type": "Initialized", "status": "True"}],
                "initContainerStatuses": [
                    {"name": "istio-init", "restartCount": 0, "ready": true,
                        "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}},
                    {"name": "istio-proxy", "restartCount": 1, "ready": true, "started": true, "state": {"running": {}}}],
                "containerStatuses": [{"name": "reviews", "restartCount": 2, "ready": true, "state": {"running": {}},
                    "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}]}
        })
    }

    fn with(changes: &[(&str, Value)]) -> Pod {
        let mut pod = meshed();
        for (pointer, value) in changes {
            *pod.pointer_mut(pointer).unwrap() = value.clone();
        }
        Pod::read(&pod).unwrap()
    }

    #[test]
    fn a_native_sidecar_counts() {
        let pod = with(&[]);
        assert_eq!((pod.ready_column().as_str(), pod.status.as_str(), pod.restarts), ("2/2", "Running", 3));
        assert!(pod.is_up());
        assert_eq!(pod.ips, ["10.0.10.119", "fd00::1"]);
        assert_eq!(pod.owner.as_ref().unwrap().name, "reviews-v1");
        let proxy = pod.container("istio-proxy").unwrap();
        assert!(proxy.sidecar && proxy.ready);
        assert_eq!(proxy.image.version(), Some("1.28.3"));
        let trouble = pod.container("reviews").unwrap().trouble.clone().unwrap();
        assert_eq!((trouble.reason.as_str(), trouble.exit_code), ("OOMKilled", Some(137)));
        assert_eq!(pod.container("istio-init").unwrap().trouble, None);
    }

    #[test]
    fn half_of_two_is_not_up() {
        let pod = with(&[("/status/initContainerStatuses/1/ready", json!(false))]);
        assert_eq!((pod.ready_column().as_str(), pod.is_up()), ("1/2", false));
    }

    #[test]
    fn a_crash_loop_tells_its_reason() {
        let pod = with(&[
            ("/status/containerStatuses/0/ready", json!(false)),
            (
                "/status/containerStatuses/0/state",
                json!({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}}),
            ),
            ("/status/conditions/0/status", json!("False")),
        ]);
        assert_eq!((pod.status.as_str(), pod.ready_column().as_str()), ("CrashLoopBackOff", "1/2"));
        let trouble = pod.container("reviews").unwrap().trouble.clone().unwrap();
        assert_eq!((trouble.reason.as_str(), trouble.exit_code), ("CrashLoopBackOff", Some(137)));
    }

    #[test]
    fn what_keeps_it_from_being_ready() {
        let unready = [
            ("/status/containerStatuses/0/ready", json!(false)),
            ("/status/containerStatuses/0/lastState", json!({})),
            ("/status/conditions/0/status", json!("False")),
        ];
        assert_eq!(with(&[]).hindrance(), None);
        assert_eq!(with(&unready).hindrance().as_deref(), Some("container reviews is not ready"));
        let pull = json!({"waiting": {"reason": "ImagePullBackOff", "message": "back-off"}});
        let pulls = [unready.as_slice(), &[("/status/containerStatuses/0/state", pull)]].concat();
        assert_eq!(with(&pulls).hindrance().as_deref(), Some("container reviews: ImagePullBackOff: back-off"));
        let nowhere = json!([{"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available"}]);
        let nowhere = with(&[("/status/conditions", nowhere)]);
        assert_eq!(nowhere.hindrance().as_deref(), Some("no node takes it: 0/1 nodes are available"));
    }

    #[test]
    fn initializing_and_failing_to() {
        let waits = with(&[
            ("/status/conditions", json!([])),
            ("/status/initContainerStatuses/0/state", json!({"running": {}})),
            ("/status/containerStatuses/0/state", json!({"waiting": {"reason": "PodInitializing"}})),
        ]);
        assert_eq!((waits.status.as_str(), waits.ready_column().as_str()), ("Init:0/2", "0/2"));
        let fails = with(&[
            ("/status/conditions", json!([])),
            ("/status/initContainerStatuses/0/state", json!({"terminated": {"exitCode": 3, "signal": 0}})),
        ]);
        assert_eq!(fails.status, "Init:ExitCode:3");
    }

    #[test]
    fn a_terminating_pod_is_not_up_though_ready() {
        let mut object = meshed();
        object["metadata"]["deletionTimestamp"] = json!("2026-11-22T12:00:00Z");
        let pod = Pod::read(&object).unwrap();
        assert_eq!((pod.status.as_str(), pod.ready, pod.is_up()), ("Terminating", true, false));
        object["status"]["reason"] = json!("NodeLost");
        assert_eq!(Pod::read(&object).unwrap().status, "Unknown");
    }

    #[test]
    fn nothing_known_is_not_up() {
        let pod = Pod::read(&json!({"metadata": {"name": "p"}})).unwrap();
        assert_eq!((pod.ready_column().as_str(), pod.is_up()), ("0/0", false));
        assert!(Pod::read(&json!({"kind": "Node", "metadata": {"name": "p"}})).is_err());
    }

    proptest! {
        #[test]
        fn any_object_is_survived(object in field::tests::any_object()) {
            let _ = Pod::read(&object);
        }
    }
}
