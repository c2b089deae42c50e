//! `scale`: sets the replicas of a Deployment or `StatefulSet`, and restores them.

use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::fields::{Step, by_whom, change, find_same, managers};
use super::workload::workload_error;
use super::{
    Effect, Fault, FaultBehavior, FaultError, FaultOptions, UndoAction, UndoData, UndoKind, UndoOutcome,
    WorkloadResource, system_namespace_error,
};
use crate::cluster::{Cluster, Object, ObjectRef, Permission, World};
use crate::format::{ClusterChoice, MeshSpec};
use crate::probe::{ProbeError, SpecError};

/// Scales a Deployment or `StatefulSet`. Its replicas are restored at the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Scale {
    /// The cluster.
    pub cluster: ClusterChoice,
    /// The namespace.
    pub namespace: String,
    /// The Deployment. Write this, `statefulSet` or `workload`. `name` works too.
    #[serde(default, alias = "name", skip_serializing_if = "Option::is_none")]
    pub deployment: Option<String>,
    /// The `StatefulSet`. Write this, `deployment` or `workload`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stateful_set: Option<String>,
    /// The workload with its kind: `deployment/NAME` or `statefulset/NAME`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<String>,
    /// The number of replicas while the fault lasts.
    pub replicas: u32,
}

impl Scale {
    fn workload(&self) -> (WorkloadResource, &str) {
        let named = self
            .workload
            .as_deref()
            .map(|workload| WorkloadResource::parse(workload).unwrap_or((WorkloadResource::Deployments, workload)));
        match (named, &self.deployment, &self.stateful_set) {
            (Some(named), _, _) => named,
            (None, Some(name), _) => (WorkloadResource::Deployments, name),
            (None, None, name) => (WorkloadResource::StatefulSets, name.as_deref().unwrap_or_default()),
        }
    }
}

impl FaultBehavior for Scale {
    fn describe(&self) -> String {
        let (resource, name) = self.workload();
        let kind = resource.kind();
        format!("scale {kind} {}/{name} ({}) to {}", self.namespace, self.cluster, self.replicas)
    }

    fn sustained(&self) -> bool {
        true
    }

    fn spec_errors(&self) -> Vec<SpecError> {
        let given = [&self.deployment, &self.stateful_set, &self.workload].into_iter().flatten().count();
        let help = "write `deployment: NAME`, `statefulSet: NAME` or `workload: deployment/NAME`";
        let what = "exactly one of `deployment`, `statefulSet` and `workload` is needed";
        let unclear = (given != 1).then(|| SpecError::new("deployment", what, help));
        let help = "name a namespace of the mesh";
        unclear
            .into_iter()
            .chain(workload_error(self.workload.as_deref()))
            .chain(system_namespace_error("namespace", Some(&self.namespace), help))
            .collect()
    }

    fn permissions(&self, _: &MeshSpec) -> Vec<Permission> {
        let (resource, _) = self.workload();
        let need = |resource: &str, verb| Permission::new(self.cluster.key(), &self.namespace, "apps", resource, verb);
        let autoscalers = "horizontalpodautoscalers";
        vec![
            need(resource.plural(), "get"),
            need(&format!("{}/scale", resource.plural()), "patch"),
            Permission::new(self.cluster.key(), &self.namespace, "autoscaling", autoscalers, "list"),
        ]
    }

    fn resolve<'a>(&'a self, world: &'a World, _: FaultOptions) -> BoxFuture<'a, Result<Box<dyn Fault>, FaultError>> {
        Box::pin(async move {
            let cluster = Arc::clone(world.cluster(self.cluster.key())?);
            let (resource, name) = self.workload();
            if resource == WorkloadResource::DaemonSets {
                return Err(FaultError::Refused(format!(
                    "DaemonSet {}/{name} ({}) has a pod on every node and no replicas to scale; break it by `deletePods`",
                    self.namespace, cluster.key
                )));
            }
            let collection = resource.collection(&self.namespace);
            let object = cluster.get_named(&collection, name).await.map_err(FaultError::missing)?;
            let wanted = i64::from(self.replicas);
            let found = object.replicas();
            if object.ready_replicas() == 0 && wanted < found {
                let (kind, namespace, key) = (resource.kind(), &self.namespace, &cluster.key);
                let which = format!("none of the {found} replicas of {kind} {namespace}/{name} ({key})");
                return Err(FaultError::none_ready(&which, "to scale it down"));
            }
            let scaling = Scaling::new(&cluster, resource, &object, wanted).await;
            let nothing = || {
                format!("{} {}/{name} ({}) already has {wanted} replicas", resource.kind(), self.namespace, cluster.key)
            };
            let scaling = scaling.ok_or_else(|| FaultError::NothingToChange(nothing()))?;
            Ok(Box::new(scaling) as Box<dyn Fault>)
        })
    }
}

/// Warnings about others that set the replicas of a workload.
async fn owners(cluster: &Cluster, namespace: &str, name: &str, object: &Object) -> Vec<String> {
    let mut remarks = Vec::new();
    let autoscalers =
        cluster.list(&format!("/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers"), None).await;
    for autoscaler in autoscalers.unwrap_or_default() {
        if autoscaler["spec"]["scaleTargetRef"]["name"] == name {
            remarks.push(format!("HorizontalPodAutoscaler {namespace}/{} also scales {name}: it does nothing while replicas is 0, and changes any other number back", autoscaler.name()));
        }
    }
    for who in managers(object) {
        remarks.push(format!("{who} manages {namespace}/{name} and may revert the fault"));
    }
    remarks
}

/// A workload and its new number of replicas.
pub(super) struct Scaling {
    cluster: Arc<Cluster>,
    resource: WorkloadResource,
    namespace: String,
    name: String,
    uid: String,
    found: i64,
    wanted: i64,
    remarks: Vec<String>,
}

impl Scaling {
    /// None if the workload already has these replicas.
    pub(super) async fn new(
        cluster: &Arc<Cluster>,
        resource: WorkloadResource,
        object: &Object,
        wanted: i64,
    ) -> Option<Self> {
        let found = object.replicas();
        if found == wanted {
            return None;
        }
        let ObjectRef { namespace, name, uid } = object.object_ref();
        let remarks = owners(cluster, &namespace, &name, object).await;
        Some(Self { cluster: Arc::clone(cluster), resource, namespace, name, uid, found, wanted, remarks })
    }

    fn path(&self) -> String {
        self.resource.path(&self.namespace, &self.name)
    }

    /// The workload, if it still has the replicas of the fault.
    async fn current(&self) -> Result<Object, Effect> {
        let object = find_same(&self.cluster, &self.path(), &self.uid).await?;
        match self.reverted(&object) {
            Some(why) => Err(Effect::NotYet(why)),
            None => Ok(object),
        }
    }

    /// How the replicas of the workload differ from those of the fault, and who changed them; none if they do not.
    fn reverted(&self, object: &Object) -> Option<String> {
        let spec = object.replicas();
        let set = if spec == self.found { "set back to" } else { "set to" };
        let by = by_whom(object, &["spec", "replicas"]);
        (spec != self.wanted).then(|| format!("{}/{}: replicas {set} {spec}{by}", self.namespace, self.name))
    }

    /// The path of the list with the workload.
    pub(super) fn collection(&self) -> String {
        format!("/apis/apps/v1/namespaces/{}/{}", self.namespace, self.resource.plural())
    }

    /// The same as [`Fault::held`], of objects that were listed.
    pub(super) fn reverted_among(&self, objects: &[Object]) -> Option<String> {
        match objects.iter().find(|object| object.uid() == self.uid) {
            Some(object) => self.reverted(object),
            None => Some(format!("{} {}/{} was deleted", self.resource.kind(), self.namespace, self.name)),
        }
    }

    async fn patch(&self, query: &str) -> Result<(), FaultError> {
        let patch = json!({ "metadata": { "uid": self.uid }, "spec": { "replicas": self.wanted } });
        let path = format!("{}/scale{query}", self.path());
        self.cluster.merge_patch(&path, &patch).await?;
        Ok(())
    }
}

impl Fault for Scaling {
    fn targets(&self) -> Vec<String> {
        vec![format!("{}/{}", self.namespace, self.name)]
    }

    fn uids(&self) -> Vec<String> {
        vec![self.uid.clone()]
    }

    fn undo(&self) -> Vec<UndoData> {
        vec![Arc::new(RestoreScale {
            cluster: self.cluster.key.clone(),
            resource: self.resource,
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            uid: self.uid.clone(),
            replicas: self.found,
            wrote: self.wanted,
        })]
    }

    fn remarks(&self) -> Vec<String> {
        self.remarks.clone()
    }

    fn dry_run(&self) -> BoxFuture<'_, Result<(), FaultError>> {
        Box::pin(self.patch("?dryRun=All"))
    }

    fn inject(&self) -> BoxFuture<'_, Result<(), FaultError>> {
        Box::pin(self.patch(""))
    }

    fn effect(&self) -> BoxFuture<'_, Effect> {
        Box::pin(async move {
            let object = match self.current().await {
                Ok(object) => object,
                Err(effect) => return effect,
            };
            let status = object["status"]["replicas"].as_i64().unwrap_or(0);
            let observed = object["status"]["observedGeneration"].as_i64().unwrap_or(0) >= object.generation();
            let target = format!("{}/{}", self.namespace, self.name);
            if observed && status == self.wanted {
                Effect::Seen(format!("{target} was scaled from {} to {status} replicas", self.found))
            } else {
                Effect::NotYet(format!("{target} still has {status} replicas"))
            }
        })
    }

    fn held(&self) -> BoxFuture<'_, Effect> {
        Box::pin(async move {
            let seen = || format!("{}/{} is set to {} replicas", self.namespace, self.name, self.wanted);
            self.current().await.map_or_else(|effect| effect, |_| Effect::Seen(seen()))
        })
    }
}

/// Restores the replicas of a workload.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct RestoreScale {
    /// The cluster's key.
    cluster: String,
    resource: WorkloadResource,
    namespace: String,
    name: String,
    /// Its UID: a new workload of the same name is not touched.
    uid: String,
    /// The replicas before the fault.
    replicas: i64,
    /// The replicas that the fault set.
    wrote: i64,
}

impl RestoreScale {
    /// Restores the replicas if they still are what the fault set.
    fn step(&self, object: &Object) -> Step {
        let current = object.replicas();
        let (replicas, wrote) = (self.replicas, self.wrote);
        if current == replicas {
            Step::Done(UndoOutcome::AlreadyRight)
        } else if current != wrote {
            Step::Done(UndoOutcome::ChangedByOthers(format!(
                "{current} replicas: neither the {wrote} of the fault nor the {replicas} of before"
            )))
        } else {
            Step::Write("/scale", json!({ "spec": { "replicas": replicas } }))
        }
    }
}

impl UndoKind for RestoreScale {
    const KIND: &'static str = "restoreScale";
}

impl UndoAction for RestoreScale {
    fn cluster(&self) -> Option<&str> {
        Some(&self.cluster)
    }

    fn apply<'a>(&'a self, world: &'a World) -> BoxFuture<'a, Result<UndoOutcome, ProbeError>> {
        Box::pin(async move {
            let path = self.resource.path(&self.namespace, &self.name);
            Ok(change(world.cluster(&self.cluster)?, &path, &self.uid, |object| self.step(object)).await?)
        })
    }

    fn missing<'a>(&'a self, world: &'a World) -> BoxFuture<'a, Result<Option<String>, ProbeError>> {
        Box::pin(async move {
            let path = self.resource.path(&self.namespace, &self.name);
            let Some(object) = world.cluster(&self.cluster)?.find::<Object>(&path).await? else { return Ok(None) };
            let current = object.replicas();
            if object.uid() != self.uid || (current != self.wrote && current != self.replicas) {
                return Ok(None);
            }
            let ready = object.ready_replicas();
            let missing = current != self.replicas || ready < self.replicas;
            Ok(missing.then(|| format!("{self}: {ready} of {} replicas ready", self.replicas)))
        })
    }
}

impl fmt::Display for RestoreScale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cluster, resource, namespace, name, replicas, .. } = self;
        write!(f, "scale {} {namespace}/{name} ({cluster}) back to {replicas}", resource.kind())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workload_that_someone_else_has_scaled_is_left_alone() {
        let undo = RestoreScale {
            cluster: "a".to_owned(),
            resource: WorkloadResource::Deployments,
            namespace: "b".to_owned(),
            name: "c".to_owned(),
            uid: "d".to_owned(),
            replicas: 3,
            wrote: 0,
        };
        let step = |replicas: i64| undo.step(&Object::from(json!({ "spec": { "replicas": replicas } })));
        assert!(matches!(step(0), Step::Write("/scale", patch) if patch["spec"]["replicas"] == 3));
        assert!(matches!(step(3), Step::Done(UndoOutcome::AlreadyRight)));
        assert!(matches!(step(5), Step::Done(UndoOutcome::ChangedByOthers(_))));
    }
}
