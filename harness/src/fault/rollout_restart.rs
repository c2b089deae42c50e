//! `rolloutRestart`: like `kubectl rollout restart`. There is nothing to undo; recovery waits for the rollout.

use std::sync::Arc;

use futures::future::BoxFuture;
use meshdrill_checks::observe::kube::Rollout;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::workload::workload_error;
use super::{Effect, Fault, FaultBehavior, FaultError, FaultOptions, UndoData, WorkloadResource};
use crate::cluster::{Cluster, Object, Permission, World};
use crate::format::{ClusterChoice, MeshSpec};
use crate::probe::SpecError;

/// The annotation of the pod template that kubectl sets.
const RESTARTED_AT: &str = "kubectl.kubernetes.io/restartedAt";

/// Restarts the pods of a workload one by one, like `kubectl rollout restart`. There is nothing to undo; recovery waits
/// until the rollout is complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RolloutRestart {
    /// The cluster.
    pub cluster: ClusterChoice,
    /// The namespace.
    pub namespace: String,
    /// The Deployment. Write this or `workload`. `name` works too.
    #[serde(default, alias = "name", skip_serializing_if = "Option::is_none")]
    pub deployment: Option<String>,
    /// The workload with its kind: `deployment/NAME`, `statefulset/NAME` or `daemonset/NAME`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<String>,
}

impl RolloutRestart {
    fn workload(&self) -> (WorkloadResource, &str) {
        let named = self.workload.as_deref().and_then(WorkloadResource::parse);
        named.unwrap_or((WorkloadResource::Deployments, self.deployment.as_deref().unwrap_or_default()))
    }
}

impl FaultBehavior for RolloutRestart {
    fn describe(&self) -> String {
        let (resource, name) = self.workload();
        format!("restart {} {}/{name} ({}) by a rollout", resource.kind(), self.namespace, self.cluster)
    }

    fn sustained(&self) -> bool {
        false
    }

    fn spec_errors(&self) -> Vec<SpecError> {
        let help = "write `deployment: NAME` or `workload: statefulset/NAME`";
        let what = "exactly one of `deployment` and `workload` is needed";
        let unclear =
            (self.deployment.is_some() == self.workload.is_some()).then(|| SpecError::new("deployment", what, help));
        unclear.into_iter().chain(workload_error(self.workload.as_deref())).collect()
    }

    fn permissions(&self, _: &MeshSpec) -> Vec<Permission> {
        let (resource, _) = self.workload();
        let need = |verb| Permission::new(self.cluster.key(), &self.namespace, "apps", resource.plural(), verb);
        vec![need("get"), need("patch")]
    }

    fn resolve<'a>(&'a self, world: &'a World, _: FaultOptions) -> BoxFuture<'a, Result<Box<dyn Fault>, FaultError>> {
        Box::pin(async move {
            let cluster = Arc::clone(world.cluster(self.cluster.key())?);
            let (resource, name) = self.workload();
            let path = resource.path(&self.namespace, name);
            let collection = resource.collection(&self.namespace);
            let object: Object = cluster.get_named(&collection, name).await.map_err(FaultError::missing)?;
            let name = format!("{} {}/{name}", resource.kind(), self.namespace);
            let found = resource.read(&object)?;
            if found.paused {
                return Err(FaultError::Refused(format!(
                    "{name} ({}) is paused, so nothing would roll out; resume it first",
                    cluster.key
                )));
            }
            if object["spec"]["updateStrategy"]["type"] == "OnDelete" {
                return Err(FaultError::Refused(format!(
                    "{name} ({}) replaces its pods only when they are deleted (updateStrategy OnDelete); break it by `deletePods`",
                    cluster.key
                )));
            }
            if found.desired == 0 {
                return Err(FaultError::NoTarget(format!(
                    "{name} ({}) has 0 replicas, so there is nothing to restart",
                    cluster.key
                )));
            }
            if found.ready == 0 {
                let which = format!("no pod of {name} ({})", cluster.key);
                return Err(FaultError::none_ready(&which, "a restart"));
            }
            let (generation, uid) = (object.generation(), object.uid().to_owned());
            Ok(Box::new(Restart { cluster, resource, path, name, uid, generation }) as Box<dyn Fault>)
        })
    }
}

struct Restart {
    cluster: Arc<Cluster>,
    resource: WorkloadResource,
    path: String,
    /// With its kind: `Deployment shop/front`.
    name: String,
    uid: String,
    generation: i64,
}

impl Restart {
    async fn patch(&self, query: &str) -> Result<(), FaultError> {
        // kubectl writes whole seconds, so that it merges two restarts within one second. Milliseconds keep them apart.
        let now = format!("{:.3}", jiff::Timestamp::now());
        let patch = json!({ "spec": { "template": { "metadata": { "annotations": { RESTARTED_AT: now } } } } });
        let path = format!("{}{query}", self.path);
        self.cluster.merge_patch(&path, &patch).await?;
        Ok(())
    }
}

impl Fault for Restart {
    fn targets(&self) -> Vec<String> {
        vec![self.name.clone()]
    }

    fn uids(&self) -> Vec<String> {
        vec![self.uid.clone()]
    }

    fn undo(&self) -> Vec<UndoData> {
        Vec::new()
    }

    fn dry_run(&self) -> BoxFuture<'_, Result<(), FaultError>> {
        Box::pin(self.patch("?dryRun=All"))
    }

    fn inject(&self) -> BoxFuture<'_, Result<(), FaultError>> {
        Box::pin(self.patch(""))
    }

    fn missing(&self) -> BoxFuture<'_, Result<Option<String>, FaultError>> {
        Box::pin(async move {
            let object: Object = self.cluster.get(&self.path).await?;
            let found = self.resource.read(&object)?;
            let (updated, desired) = (found.updated.min(found.available), found.desired);
            Ok((found.rollout != Rollout::Complete)
                .then(|| format!("the rollout of {} is not complete: {updated} of {desired} pods", self.name)))
        })
    }

    fn effect(&self) -> BoxFuture<'_, Effect> {
        Box::pin(async move {
            let object: Object = match self.cluster.get(&self.path).await {
                Ok(object) => object,
                Err(error) => return Effect::Unknown(error.to_string()),
            };
            let observed = object["status"]["observedGeneration"].as_i64().unwrap_or(0);
            let updated = match self.resource.read(&object) {
                Ok(found) => found.updated,
                Err(error) => return Effect::Unknown(error.to_string()),
            };
            if observed > self.generation && updated > 0 {
                Effect::Seen(format!(
                    "{} is rolling out: generation {observed} observed, {updated} pods updated",
                    self.name
                ))
            } else {
                Effect::NotYet(format!("{} is not rolling out yet (observed generation {observed})", self.name))
            }
        })
    }
}
