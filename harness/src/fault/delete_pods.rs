//! `deletePods`: gracefully, or by force. Nothing is left to undo; that replacements become ready is part of recovery.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::future::{BoxFuture, join_all};
use kube::api::{DeleteParams, Preconditions};
use meshdrill_checks::units::{Ratio, TimeSpan};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Effect, Fault, FaultError, FaultRole, Options, Replacement, Undo};
use crate::cluster::{AccessError, Cluster, PodRef, World, owner_name, select_pods};
use crate::probe::{Complaint, Permission};
use crate::spec::{ClusterChoice, Selector};

/// Pods to delete.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeletePods {
    /// The cluster.
    pub cluster: ClusterChoice,
    /// The namespace.
    pub namespace: String,
    /// Which pods; all that match, unless `count` or `percent` limits them.
    pub selector: Selector,
    /// The grace period; the pod's own without it, `0s` is a forced deletion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace: Option<TimeSpan>,
    /// This many of the matching pods, picked by the run's seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<usize>,
    /// This share of the matching pods, at least one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<Ratio>,
}

impl FaultRole for DeletePods {
    fn describe(&self) -> String {
        let how = if self.grace == Some(TimeSpan::secs(0)) { "forced deletion of" } else { "graceful deletion of" };
        let many = match (self.count, self.percent) {
            (Some(count), _) => format!("{count} of the pods"),
            (None, Some(percent)) => format!("{percent} of the pods"),
            (None, None) => "all pods".to_owned(),
        };
        format!("{how} {many} {}/{} in {}", self.namespace, self.selector, self.cluster)
    }

    fn choices(&mut self) -> Vec<&mut ClusterChoice> {
        vec![&mut self.cluster]
    }

    fn cluster(&self) -> Option<String> {
        Some(self.cluster.key().to_owned())
    }

    fn sustained(&self) -> bool {
        false
    }

    fn selects_pods(&self) -> bool {
        true
    }

    fn complaints(&self) -> Vec<Complaint> {
        let mut found = Vec::new();
        if self.namespace == "kube-system" {
            found.push(Complaint::new(
                "namespace",
                "kube-system is never broken",
                "name the namespace of a workload of the mesh",
            ));
        }
        if self.count.is_some() && self.percent.is_some() {
            found.push(Complaint::new("percent", "`percent` beside `count`", "write one of the two"));
        }
        if self.count == Some(0) {
            found.push(Complaint::new("count", "0 pods are no fault", "write at least 1"));
        }
        if self.percent.is_some_and(|percent| percent.get() == 0.0) {
            found.push(Complaint::new("percent", "0 % of the pods are no fault", "write more than 0%"));
        }
        found
    }

    fn permissions(&self) -> Vec<Permission> {
        let need = |verb| Permission::new(self.cluster.key(), &self.namespace, "", "pods", verb);
        vec![need("list"), need("get"), need("delete")]
    }

    fn resolve<'a>(&'a self, world: &'a World, options: Options) -> BoxFuture<'a, Result<Box<dyn Fault>, FaultError>> {
        Box::pin(async move {
            let cluster = Arc::clone(world.cluster(self.cluster.key())?);
            let matching = select_pods(&cluster, &self.namespace, self.selector.as_str()).await?;
            let before: BTreeSet<String> = matching.iter().map(|pod| PodRef::of(pod).uid).collect();
            let mut live: Vec<Target> =
                matching.iter().filter(|pod| pod["metadata"]["deletionTimestamp"].is_null()).map(Target::of).collect();
            if live.is_empty() {
                return Err(FaultError::NoTarget(format!(
                    "no pod in {}/{} matches {}",
                    cluster.key, self.namespace, self.selector
                )));
            }
            let count = self.count.or(options.count);
            let percent = self.percent.or(options.percent);
            let wanted =
                count.or_else(|| percent.map(|share| ((live.len() as f64 * share.get()).round() as usize).max(1)));
            if let Some(wanted) = wanted.filter(|wanted| *wanted > live.len()) {
                return Err(FaultError::NoTarget(format!(
                    "{} pods in {}/{} match {}, fewer than the {wanted} to delete",
                    live.len(),
                    cluster.key,
                    self.namespace,
                    self.selector
                )));
            }
            pick(&mut live, wanted, options.seed);
            let grace = self.grace.or(options.grace).map(|grace| u32::try_from(grace.0.as_secs()).unwrap_or(u32::MAX));
            let deletion = Deletion {
                cluster,
                namespace: self.namespace.clone(),
                selector: self.selector.clone(),
                targets: live,
                before,
                grace,
            };
            Ok(Box::new(deletion) as Box<dyn Fault>)
        })
    }
}

/// Keeps `wanted` of the targets: always the same ones for a seed and a set of names.
fn pick(targets: &mut Vec<Target>, wanted: Option<usize>, seed: u64) {
    targets.sort_by(|a, b| a.pod.cmp(&b.pod));
    let Some(wanted) = wanted else { return };
    let mut state = seed;
    for index in (1..targets.len()).rev() {
        // SplitMix64: small, seeded, and good enough to shuffle a handful of pods.
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        targets.swap(index, ((mixed ^ (mixed >> 31)) % (index as u64 + 1)) as usize);
    }
    targets.truncate(wanted);
    targets.sort_by(|a, b| a.pod.cmp(&b.pod));
}

struct Target {
    pod: PodRef,
    owner: Option<(String, String)>,
}

impl Target {
    fn of(pod: &Value) -> Self {
        Self { pod: PodRef::of(pod), owner: owner_name(pod) }
    }
}

struct Deletion {
    cluster: Arc<Cluster>,
    namespace: String,
    selector: Selector,
    targets: Vec<Target>,
    before: BTreeSet<String>,
    grace: Option<u32>,
}

impl Deletion {
    async fn delete(&self, dry_run: bool) -> Result<(), FaultError> {
        let pods = self.cluster.pods(&self.namespace);
        let deletions = self.targets.iter().map(|target| {
            let params = DeleteParams {
                dry_run,
                grace_period_seconds: self.grace,
                preconditions: Some(Preconditions { uid: Some(target.pod.uid.clone()), resource_version: None }),
                ..DeleteParams::default()
            };
            let pods = pods.clone();
            async move { self.cluster.bounded(pods.delete(&target.pod.name, &params)).await.map(|_| ()) }
        });
        let results: Vec<Result<(), AccessError>> = join_all(deletions).await;
        results.into_iter().collect::<Result<(), _>>().map_err(FaultError::from)
    }
}

impl Fault for Deletion {
    fn targets(&self) -> Vec<String> {
        self.targets.iter().map(|target| target.pod.to_string()).collect()
    }

    fn undo(&self) -> Vec<Undo> {
        Vec::new()
    }

    fn remarks(&self) -> Vec<String> {
        let orphans = self.targets.iter().filter(|target| target.owner.is_none());
        orphans.map(|target| format!("pod {} has no owner: nothing will replace it", target.pod)).collect()
    }

    fn rehearse(&self) -> BoxFuture<'_, Result<(), FaultError>> {
        Box::pin(self.delete(true))
    }

    fn inject(&self) -> BoxFuture<'_, Result<(), FaultError>> {
        Box::pin(self.delete(false))
    }

    fn effect(&self) -> BoxFuture<'_, Effect> {
        Box::pin(async move {
            let forced = self.grace == Some(0);
            let pods = match select_pods(&self.cluster, &self.namespace, self.selector.as_str()).await {
                Ok(pods) => pods,
                Err(error) => return Effect::NotYet(error.to_string()),
            };
            let still = self.targets.iter().filter(|target| {
                let found = pods.iter().find(|pod| pod["metadata"]["uid"] == target.pod.uid.as_str());
                found.is_some_and(|pod| forced || pod["metadata"]["deletionTimestamp"].is_null())
            });
            match still.count() {
                0 if forced => Effect::Seen(format!("{} targeted pods are gone", self.targets.len())),
                0 => Effect::Seen(format!("{} targeted pods are terminating or gone", self.targets.len())),
                left => Effect::NotYet(format!("{left} of {} targeted pods are still there", self.targets.len())),
            }
        })
    }

    fn replacements(&self) -> BoxFuture<'_, Result<Vec<Replacement>, FaultError>> {
        Box::pin(async move {
            let pods = crate::cluster::ready_pods(&self.cluster, &self.namespace, self.selector.as_str()).await?;
            let mut fresh: Vec<Target> =
                pods.iter().filter(|pod| !self.before.contains(&PodRef::of(pod).uid)).map(Target::of).collect();
            let mut found = Vec::new();
            for target in &self.targets {
                if let Some(index) = fresh.iter().position(|new| new.owner == target.owner) {
                    found.push(Replacement {
                        target: target.pod.to_string(),
                        by: fresh.swap_remove(index).pod.to_string(),
                    });
                }
            }
            Ok(found)
        })
    }

    fn removes(&self) -> bool {
        true
    }
}
