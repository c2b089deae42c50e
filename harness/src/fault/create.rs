//! Objects that a fault creates: never in place of an existing one, always with labels by which they are deleted again.

use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::fields::{MANAGED_BY, RUN_LABEL, merge};
use super::{FaultError, UndoAction, UndoData, UndoKind, UndoOutcome};
use crate::cluster::{AccessError, Cluster, Object, ObjectName, Permission, World};
use crate::probe::ProbeError;

/// The permissions to create and delete an object.
pub(super) fn permissions(cluster: &str, object: ObjectName<'_>) -> Vec<Permission> {
    ["get", "create", "delete"].map(|verb| Permission::for_object(cluster, object, verb)).to_vec()
}

/// The name of an object in a manifest.
pub(super) fn name_of(object: &Value) -> ObjectName<'_> {
    ObjectName {
        api_version: object["apiVersion"].as_str().unwrap_or_default(),
        kind: object["kind"].as_str().unwrap_or_default(),
        namespace: object["metadata"]["namespace"].as_str(),
        name: object["metadata"]["name"].as_str().unwrap_or_default(),
    }
}

/// An object to create.
pub(super) struct Creation {
    pub cluster: Arc<Cluster>,
    collection: String,
    run: String,
    object: Value,
}

impl Creation {
    /// Prepares the creation. An object of that name must not exist.
    pub async fn new(cluster: &Arc<Cluster>, mut object: Value, run: &str) -> Result<Self, FaultError> {
        merge(&mut object, json!({ "metadata": { "labels": { MANAGED_BY.0: MANAGED_BY.1, RUN_LABEL: run } } }));
        let collection = cluster.collection_path(name_of(&object)).await.map_err(FaultError::missing)?;
        let creation = Self { cluster: Arc::clone(cluster), collection, run: run.to_owned(), object };
        match cluster.find::<Object>(&creation.path()).await? {
            Some(_) => Err(FaultError::Refused(format!(
                "{} ({}) already exists, and faults never overwrite objects; delete it, or give your object another name",
                creation.name(),
                cluster.key
            ))),
            None => Ok(creation),
        }
    }

    /// Its path in the API.
    pub fn path(&self) -> String {
        format!("{}/{}", self.collection, name_of(&self.object).name)
    }

    /// Its kind and name.
    pub fn name(&self) -> ObjectName<'_> {
        name_of(&self.object)
    }

    /// Creates the object, or validates the request with `?dryRun=All`.
    pub async fn send(&self, query: &str) -> Result<(), FaultError> {
        let path = format!("{}{query}", self.collection);
        self.cluster.send(http::Method::POST, &path, "application/json", &self.object).await?;
        Ok(())
    }

    /// The object, if it exists and this run created it.
    pub async fn found(&self) -> Result<Option<Object>, AccessError> {
        let found = self.cluster.find::<Object>(&self.path()).await?;
        Ok(found.filter(|object| object.label(RUN_LABEL) == Some(self.run.as_str())))
    }

    /// The undo: deletes the object.
    pub fn undo(&self) -> UndoData {
        let (cluster, run) = (self.cluster.key.clone(), Some(self.run.clone()));
        Arc::new(DeleteObject { cluster, path: self.path(), run })
    }
}

/// Deletes an object that a fault created.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct DeleteObject {
    /// The cluster's key.
    cluster: String,
    /// The object's path in the API.
    path: String,
    /// The run that created it; entries of older versions have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    run: Option<String>,
}

impl DeleteObject {
    /// Whether the object was created by a fault, and by that run if one is named.
    fn is_ours(&self, object: &Object) -> bool {
        object.label(MANAGED_BY.0) == Some(MANAGED_BY.1)
            && self.run.as_deref().is_none_or(|run| object.label(RUN_LABEL) == Some(run))
    }
}

impl UndoKind for DeleteObject {
    const KIND: &'static str = "deleteObject";
}

impl UndoAction for DeleteObject {
    fn cluster(&self) -> Option<&str> {
        Some(&self.cluster)
    }

    fn apply<'a>(&'a self, world: &'a World) -> BoxFuture<'a, Result<UndoOutcome, ProbeError>> {
        Box::pin(async move {
            let (cluster, path) = (world.cluster(&self.cluster)?, &self.path);
            let Some(object) = cluster.find::<Object>(path).await? else { return Ok(UndoOutcome::AlreadyRight) };
            if !self.is_ours(&object) {
                return Ok(UndoOutcome::ChangedByOthers(format!("{path} does not have the labels of this run")));
            }
            let options = json!({ "preconditions": { "uid": object.uid() } });
            cluster.delete(path, &options).await?;
            Ok(UndoOutcome::Restored)
        })
    }

    /// Whether the object still exists, such as while it waits for a finalizer.
    fn missing<'a>(&'a self, world: &'a World) -> BoxFuture<'a, Result<Option<String>, ProbeError>> {
        Box::pin(async move {
            let found = world.cluster(&self.cluster)?.find::<Object>(&self.path).await?;
            Ok(found.filter(|object| self.is_ours(object)).map(|object| {
                let finalizers = object.finalizers().join(", ");
                let waits = if finalizers.is_empty() {
                    String::new()
                } else {
                    format!("; it waits for finalizer {finalizers}")
                };
                format!("{} still exists{waits}", self.path)
            }))
        })
    }
}

impl fmt::Display for DeleteObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.rsplit_once('/') {
            // Before a run has its id, no object has its name.
            Some((folder, name)) if name.starts_with("meshdrill--") => {
                write!(f, "delete what it creates in {folder} ({})", self.cluster)
            }
            _ => write!(f, "delete {} ({})", self.path, self.cluster),
        }
    }
}
