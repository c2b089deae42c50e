//! `patch`: a merge patch on any object, and the restoration of its fields.

use std::sync::Arc;

use futures::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::fields::{RestoreFields, at, by_whom, find_same, inverse, leaves};
use super::{Effect, Fault, FaultBehavior, FaultError, FaultOptions, UndoData, system_namespace_error, text_fields};
use crate::cluster::{Cluster, ObjectName, Permission, World};
use crate::format::{ClusterChoice, MeshSpec};
use crate::probe::SpecError;

/// Changes fields of an object by a merge patch. The fields get their old values back at the end.
#[expect(clippy::struct_field_names, reason = "`patch` is the key in the file")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Patch {
    /// The cluster.
    pub cluster: ClusterChoice,
    /// The API version of the object, such as `networking.istio.io/v1`.
    pub api_version: String,
    /// The kind of the object, such as `DestinationRule`.
    pub kind: String,
    /// The namespace; omit it for objects of the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The name.
    pub name: String,
    /// The merge patch, such as `{ spec: { replicas: 1 } }`; null removes a field.
    pub patch: Value,
}

impl Patch {
    fn object(&self) -> ObjectName<'_> {
        ObjectName {
            api_version: &self.api_version,
            kind: &self.kind,
            namespace: self.namespace.as_deref(),
            name: &self.name,
        }
    }
}

impl FaultBehavior for Patch {
    fn describe(&self) -> String {
        let fields: Vec<String> = leaves(&self.patch).into_iter().map(|(keys, _)| keys.join(".")).collect();
        format!("set {} of {} ({})", fields.join(", "), self.object(), self.cluster)
    }

    fn sustained(&self) -> bool {
        true
    }

    fn spec_errors(&self) -> Vec<SpecError> {
        let mut found = Vec::new();
        if self.patch.as_object().is_none_or(serde_json::Map::is_empty) {
            found.push(SpecError::new("patch", "the patch changes nothing", "write the fields with their new values"));
        }
        if self.kind == "Secret" {
            let help =
                "delete or replace the Secret with a `command` fault, whose undo keeps the values out of the journal";
            found.push(SpecError::new("kind", "the undo of a Secret would store its old values in the journal", help));
        }
        found.extend(text_fields::errors(&self.patch, &self.kind, "patch"));
        found.extend(system_namespace_error("namespace", self.namespace.as_deref(), "name an object of the mesh"));
        if self
            .patch
            .get("metadata")
            .is_some_and(|metadata| metadata.get("name").is_some() || metadata.get("uid").is_some())
        {
            found.push(SpecError::new(
                "patch",
                "a patch cannot change the name or UID of an object",
                "change other fields",
            ));
        }
        found
    }

    fn permissions(&self, _: &MeshSpec) -> Vec<Permission> {
        ["get", "patch"].map(|verb| Permission::for_object(self.cluster.key(), self.object(), verb)).to_vec()
    }

    fn resolve<'a>(&'a self, world: &'a World, _: FaultOptions) -> BoxFuture<'a, Result<Box<dyn Fault>, FaultError>> {
        Box::pin(async move {
            let cluster = Arc::clone(world.cluster(self.cluster.key())?);
            let (path, object) = cluster.find_named_object(self.object()).await.map_err(FaultError::missing)?;
            if leaves(&self.patch).iter().all(|(keys, value)| at(&object, keys) == value) {
                return Err(FaultError::NothingToChange(format!(
                    "{} ({}) already has these values",
                    self.object(),
                    cluster.key
                )));
            }
            let before = inverse(&object, &self.patch);
            let uid = object.uid().to_owned();
            let name = self.object().to_string();
            Ok(Box::new(Patching { cluster, path, uid, name, before, patch: self.patch.clone() }) as Box<dyn Fault>)
        })
    }
}

struct Patching {
    cluster: Arc<Cluster>,
    path: String,
    uid: String,
    name: String,
    before: Value,
    patch: Value,
}

impl Patching {
    async fn send(&self, query: &str) -> Result<(), FaultError> {
        let mut patch = self.patch.clone();
        super::fields::merge(&mut patch, json!({ "metadata": { "uid": self.uid } }));
        let path = format!("{}{query}", self.path);
        self.cluster.merge_patch(&path, &patch).await?;
        Ok(())
    }
}

impl Fault for Patching {
    fn targets(&self) -> Vec<String> {
        vec![self.name.clone()]
    }

    fn uids(&self) -> Vec<String> {
        vec![self.uid.clone()]
    }

    fn undo(&self) -> Vec<UndoData> {
        vec![Arc::new(RestoreFields {
            cluster: self.cluster.key.clone(),
            path: self.path.clone(),
            uid: self.uid.clone(),
            before: self.before.clone(),
            wrote: self.patch.clone(),
        })]
    }

    fn dry_run(&self) -> BoxFuture<'_, Result<(), FaultError>> {
        Box::pin(self.send("?dryRun=All"))
    }

    fn inject(&self) -> BoxFuture<'_, Result<(), FaultError>> {
        Box::pin(self.send(""))
    }

    fn effect(&self) -> BoxFuture<'_, Effect> {
        Box::pin(async move {
            let object = match find_same(&self.cluster, &self.path, &self.uid).await {
                Ok(object) => object,
                Err(effect) => return effect,
            };
            match leaves(&self.patch).iter().find(|(keys, value)| at(&object, keys) != value) {
                None => Effect::Seen(format!("{} has the patched values", self.name)),
                Some((keys, _)) => {
                    let field: Vec<&str> = keys.iter().map(String::as_str).collect();
                    let now = at(&object, keys);
                    let set = if now == at(&self.before, keys) { "set back to" } else { "set to" };
                    let by = by_whom(&object, &field);
                    Effect::NotYet(format!("{} of {} is {set} {now}{by}", keys.join("."), self.name))
                }
            }
        })
    }
}
