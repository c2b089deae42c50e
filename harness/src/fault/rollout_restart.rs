//! `rolloutRestart`: like `kubectl rollout restart`. There is nothing to undo; recovery waits for the rollout.

use std::sync::Arc;

use futures::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::WorkloadResource;
use super::{Effect, Fault, FaultBehavior, FaultError, FaultOptions, UndoData};
use crate::cluster::{Cluster, Object, Permission, World};
use crate::format::{ClusterChoice, MeshSpec};
use crate::probe::SpecError;

/// The annotation of the pod template that kubectl sets.
const RESTARTED_AT: &str = "kubectl.kubernetes.io/restartedAt";

/// Restarts the pods of a Deployment one by one, like `kubectl rollout restart`. There is nothing to undo; recovery waits
/// until the rollout is complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RolloutRestart {
    /// The cluster.
    pub cluster: ClusterChoice,
    /// The namespace.
    pub namespace: String,
    /// The Deployment.
    pub deployment: String,
}

impl FaultBehavior for RolloutRestart {
    fn describe(&self) -> String {
        format!("restart Deployment {}/{} ({}) by a rollout", self.namespace, self.deployment, self.cluster)
    }

    fn sustained(&self) -> bool {
        false
    }

    fn spec_errors(&self) -> Vec<SpecError> {
        Vec::new()
    }

    fn permissions(&self, _: &MeshSpec) -> Vec<Permission> {
        let need = |verb| Permission::new(self.cluster.key(), &self.namespace, "apps", "deployments", verb);
        vec![need("get"), need("patch")]
    }

    fn resolve<'a>(&'a self, world: &'a World, _: FaultOptions) -> BoxFuture<'a, Result<Box<dyn Fault>, FaultError>> {
        Box::pin(async move {
            let cluster = Arc::clone(world.cluster(self.cluster.key())?);
            let path = WorkloadResource::Deployments.path(&self.namespace, &self.deployment);
            let collection = WorkloadResource::Deployments.collection(&self.namespace);
            let object = cluster.get_named(&collection, &self.deployment).await.map_err(FaultError::missing)?;
            let name = format!("{}/{}", self.namespace, self.deployment);
            if object["spec"]["paused"] == true {
                return Err(FaultError::Refused(format!(
                    "Deployment {name} ({}) is paused, so nothing would roll out; resume it first",
                    cluster.key
                )));
            }
            if object.replicas() == 0 {
                return Err(FaultError::NoTarget(format!(
                    "Deployment {name} ({}) has 0 replicas, so there is nothing to restart",
                    cluster.key
                )));
            }
            if object.ready_replicas() == 0 {
                let which = format!("no pod of Deployment {name} ({})", cluster.key);
                return Err(FaultError::none_ready(&which, "a restart"));
            }
            let (generation, uid) = (object.generation(), object.uid().to_owned());
            Ok(Box::new(Restart { cluster, path, name, uid, generation }) as Box<dyn Fault>)
        })
    }
}

struct Restart {
    cluster: Arc<Cluster>,
    path: String,
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
            let status = |field: &str| object["status"][field].as_i64().unwrap_or(0);
            let replicas = object.replicas();
            let updated = status("updatedReplicas").min(status("availableReplicas"));
            let done = status("observedGeneration") >= object.generation()
                && updated >= replicas
                && status("replicas") == status("updatedReplicas");
            Ok((!done).then(|| {
                format!("the rollout of Deployment {} is not complete: {updated} of {replicas} pods", self.name)
            }))
        })
    }

    fn effect(&self) -> BoxFuture<'_, Effect> {
        Box::pin(async move {
            let object: Object = match self.cluster.get(&self.path).await {
                Ok(object) => object,
                Err(error) => return Effect::Unknown(error.to_string()),
            };
            let observed = object["status"]["observedGeneration"].as_i64().unwrap_or(0);
            let updated = object["status"]["updatedReplicas"].as_i64().unwrap_or(0);
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
