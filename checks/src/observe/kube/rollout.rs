//! Deployments, `StatefulSet`s and `DaemonSet`s: how many they want, and whether a rollout is done by kubectl's full rules
//! (kubernetes staging/src/k8s.io/kubectl `rollout_status.go`).

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::field::{self, KubeError};
use super::image::Image;

/// Which kind of workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum WorkloadKind {
    /// A Deployment.
    Deployment,
    /// A `StatefulSet`.
    StatefulSet,
    /// A `DaemonSet`.
    DaemonSet,
}

impl WorkloadKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
        }
    }
}

/// Where a rollout stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rollout {
    /// Done: everything desired is updated and available, nothing old is left.
    Complete,
    /// Done, and nothing is desired. kubectl calls that a success; there is not a single pod.
    ScaledToZero,
    /// Not done yet, for this reason.
    Waiting(String),
    /// It will not get done by itself, for this reason.
    Failed(String),
}

impl fmt::Display for Rollout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Complete => f.write_str("complete"),
            Self::ScaledToZero => f.write_str("scaled to zero"),
            Self::Waiting(why) => write!(f, "waiting: {why}"),
            Self::Failed(why) => write!(f, "failed: {why}"),
        }
    }
}

/// One workload.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Workload {
    /// Its kind.
    pub kind: WorkloadKind,
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its UID.
    pub uid: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Labels by which it finds its pods. Expressions are not among them.
    pub match_labels: BTreeMap<String, String>,
    /// Pods it wants.
    pub desired: u64,
    /// Pods of the current template.
    pub updated: u64,
    /// Pods that are ready.
    pub ready: u64,
    /// Pods that have been ready for long enough.
    pub available: u64,
    /// All its pods.
    pub total: u64,
    /// Whether rollouts are paused.
    pub paused: bool,
    /// Where its rollout stands.
    pub rollout: Rollout,
    /// Images by container name, native sidecars of the template included.
    pub images: BTreeMap<String, Image>,
}

impl Workload {
    /// Reads a workload of this kind.
    pub fn read(object: &Value, kind: WorkloadKind) -> Result<Self, KubeError> {
        let name = field::named(object, kind.as_str())?;
        let replicas = kind != WorkloadKind::DaemonSet;
        // An API server fills in 1; an object that never saw one means the same.
        let desired = if replicas {
            field::number(object, "/spec/replicas").unwrap_or(1)
        } else {
            field::count(object, "/status/desiredNumberScheduled")
        };
        let counted = |of_replicas: &str, of_daemons: &str| {
            field::count(object, &format!("/status/{}", if replicas { of_replicas } else { of_daemons }))
        };
        let mut workload = Self {
            kind,
            name,
            namespace: field::string(object, "/metadata/namespace"),
            uid: field::string(object, "/metadata/uid"),
            labels: field::map(object, "/metadata/labels"),
            match_labels: field::map(object, "/spec/selector/matchLabels"),
            desired,
            updated: counted("updatedReplicas", "updatedNumberScheduled"),
            ready: counted("readyReplicas", "numberReady"),
            available: counted("availableReplicas", "numberAvailable"),
            total: counted("replicas", "currentNumberScheduled"),
            paused: field::flag(object, "/spec/paused"),
            rollout: Rollout::Complete,
            images: images(object),
        };
        workload.rollout = workload.judge(object);
        Ok(workload)
    }

    fn judge(&self, object: &Value) -> Rollout {
        let (wanted, seen) =
            (field::count(object, "/metadata/generation"), field::count(object, "/status/observedGeneration"));
        if wanted > seen || (self.kind == WorkloadKind::StatefulSet && seen == 0) {
            return Rollout::Waiting("the controller has not seen the latest change yet".to_owned());
        }
        let open = match self.kind {
            WorkloadKind::Deployment => self.deployment(object),
            WorkloadKind::StatefulSet => self.stateful_set(object),
            WorkloadKind::DaemonSet => self.daemon_set(object),
        };
        match open {
            Some(open) => open,
            None if self.desired == 0 => Rollout::ScaledToZero,
            None => Rollout::Complete,
        }
    }

    fn deployment(&self, object: &Value) -> Option<Rollout> {
        let progressing = field::condition(object, "Progressing");
        if progressing.and_then(|c| field::text(c, "/reason")) == Some("ProgressDeadlineExceeded") {
            return Some(Rollout::Failed("it exceeded its progress deadline".to_owned()));
        }
        if self.updated < self.desired {
            return waiting(format!("{} of {} replicas are updated", self.updated, self.desired));
        }
        if self.total > self.updated {
            return waiting(format!("{} old replicas are still there", self.total - self.updated));
        }
        if self.available < self.updated {
            return waiting(format!("{} of {} updated replicas are available", self.available, self.updated));
        }
        None
    }

    fn stateful_set(&self, object: &Value) -> Option<Rollout> {
        let strategy = field::text(object, "/spec/updateStrategy/type").unwrap_or("RollingUpdate");
        if strategy != "RollingUpdate" {
            return Some(Rollout::Failed(format!("its update strategy {strategy} has no rollout to wait for")));
        }
        if self.ready < self.desired {
            return waiting(format!("{} of {} pods are ready", self.ready, self.desired));
        }
        if let Some(partition) =
            field::number(object, "/spec/updateStrategy/rollingUpdate/partition").filter(|p| *p > 0)
        {
            let wanted = self.desired.saturating_sub(partition);
            return if self.updated < wanted {
                waiting(format!("{} of {wanted} pods of the partition are updated", self.updated))
            } else {
                None
            };
        }
        let revision = |which: &str| field::string(object, &format!("/status/{which}"));
        if revision("updateRevision") != revision("currentRevision") {
            return waiting(format!("{} of {} pods are updated", self.updated, self.desired));
        }
        if self.total > self.desired {
            return waiting(format!("{} pods more than desired are still there", self.total - self.desired));
        }
        None
    }

    fn daemon_set(&self, object: &Value) -> Option<Rollout> {
        let strategy = field::text(object, "/spec/updateStrategy/type").unwrap_or("RollingUpdate");
        if strategy != "RollingUpdate" {
            return Some(Rollout::Failed(format!("its update strategy {strategy} has no rollout to wait for")));
        }
        if self.updated < self.desired {
            return waiting(format!("{} of {} pods are updated", self.updated, self.desired));
        }
        if self.available < self.desired {
            return waiting(format!("{} of {} updated pods are available", self.available, self.desired));
        }
        None
    }
}

#[expect(clippy::unnecessary_wraps, reason = "every caller returns what is still open, if anything")]
fn waiting(why: String) -> Option<Rollout> {
    Some(Rollout::Waiting(why))
}

fn images(object: &Value) -> BTreeMap<String, Image> {
    ["/spec/template/spec/initContainers", "/spec/template/spec/containers"]
        .into_iter()
        .flat_map(|pointer| field::list(object, pointer))
        .map(|c| (field::string(c, "/name"), Image::parse(field::text(c, "/image").unwrap_or_default())))
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn deployment(changes: &[(&str, Value)]) -> Workload {
        let mut object = json!({
            "kind": "Deployment", "metadata": {"name": "istiod", "generation": 4, "uid": "u"},
            "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "istiod"}},
                "template": {"spec": {"containers": [{"name": "discovery", "image": "istio/pilot:1.28.3"}]}}},
            "status": {"observedGeneration": 4, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2,
                "availableReplicas": 2,
                "conditions": [{"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}]}
        });
        for (pointer, value) in changes {
            *object.pointer_mut(pointer).unwrap() = value.clone();
        }
        Workload::read(&object, WorkloadKind::Deployment).unwrap()
    }

    fn waits(workload: &Workload, words: &str) {
        assert!(matches!(&workload.rollout, Rollout::Waiting(why) if why.contains(words)), "{}", workload.rollout);
    }

    #[test]
    fn every_step_of_kubectl() {
        let done = deployment(&[]);
        assert_eq!((&done.rollout, done.desired), (&Rollout::Complete, 2));
        assert_eq!(done.images["discovery"].version(), Some("1.28.3"));
        waits(&deployment(&[("/metadata/generation", json!(5))]), "not seen");
        waits(&deployment(&[("/status/updatedReplicas", json!(1))]), "1 of 2 replicas are updated");
        waits(&deployment(&[("/status/replicas", json!(3))]), "1 old replicas");
        waits(&deployment(&[("/status/availableReplicas", json!(0))]), "0 of 2 updated");
        let late = deployment(&[("/status/conditions/0/reason", json!("ProgressDeadlineExceeded"))]);
        assert!(matches!(late.rollout, Rollout::Failed(_)));
    }

    #[test]
    fn absent_counts_are_zero_and_zero_desired_is_told() {
        waits(&deployment(&[("/status", json!({"observedGeneration": 4}))]), "0 of 2");
        let zero = deployment(&[("/spec/replicas", json!(0)), ("/status", json!({"observedGeneration": 4}))]);
        assert_eq!((zero.rollout, zero.desired), (Rollout::ScaledToZero, 0));
        let leaving = deployment(&[
            ("/spec/replicas", json!(0)),
            ("/status", json!({"observedGeneration": 4, "replicas": 1, "updatedReplicas": 1})),
        ]);
        waits(&leaving, "0 of 1");
    }

    fn stateful_set(spec: &Value, status: &Value) -> Workload {
        let object = json!({"metadata": {"name": "s", "generation": 2}, "spec": spec, "status": status});
        Workload::read(&object, WorkloadKind::StatefulSet).unwrap()
    }

    #[test]
    fn stateful_sets() {
        let spec =
            json!({"replicas": 3, "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}});
        let status = |ready: u64, current: &str| {
            json!({"observedGeneration": 2, "replicas": 3, "readyReplicas": ready, "updatedReplicas": 1,
                "updateRevision": "b", "currentRevision": current})
        };
        waits(&stateful_set(&spec, &status(2, "b")), "2 of 3 pods are ready");
        waits(&stateful_set(&spec, &status(3, "a")), "1 of 3 pods are updated");
        assert_eq!(stateful_set(&spec, &status(3, "b")).rollout, Rollout::Complete);
        waits(&stateful_set(&spec, &json!({})), "not seen");
        let part = json!({"replicas": 3, "updateStrategy": {"rollingUpdate": {"partition": 2}}});
        assert_eq!(stateful_set(&part, &status(3, "a")).rollout, Rollout::Complete);
        let part = json!({"replicas": 3, "updateStrategy": {"rollingUpdate": {"partition": 1}}});
        waits(&stateful_set(&part, &status(3, "a")), "1 of 2");
        let by_hand = json!({"replicas": 3, "updateStrategy": {"type": "OnDelete"}});
        assert!(matches!(stateful_set(&by_hand, &status(3, "b")).rollout, Rollout::Failed(_)));
    }

    #[test]
    fn daemon_sets() {
        let read = |available: u64| {
            let object = json!({"metadata": {"name": "d", "generation": 1}, "status": {"observedGeneration": 1,
                "desiredNumberScheduled": 3, "updatedNumberScheduled": 3, "numberAvailable": available}});
            Workload::read(&object, WorkloadKind::DaemonSet).unwrap()
        };
        assert_eq!(read(3).rollout, Rollout::Complete);
        waits(&read(2), "2 of 3");
    }

    proptest! {
        #[test]
        fn any_object_is_survived(object in field::tests::any_object()) {
            for kind in [WorkloadKind::Deployment, WorkloadKind::StatefulSet, WorkloadKind::DaemonSet] {
                let _ = Workload::read(&object, kind);
            }
        }
    }
}
