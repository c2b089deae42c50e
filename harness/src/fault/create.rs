//! Objects that a fault makes: never in place of one that is there, always with our labels, and removed by them.

use std::sync::Arc;

use serde_json::{Value, json};

use super::fields::{MANAGED_BY, RUN_LABEL, merge};
use super::{FaultError, Undo};
use crate::cluster::{AccessError, Cluster, ObjectName, Permission};

/// What making and removing an object needs.
pub(super) fn permissions(cluster: &str, object: ObjectName<'_>) -> Vec<Permission> {
    ["get", "create", "delete"].map(|verb| Permission::of_object(cluster, object, verb)).to_vec()
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

/// An object that is to be made.
pub(super) struct Creation {
    pub cluster: Arc<Cluster>,
    collection: String,
    run: String,
    object: Value,
}

impl Creation {
    /// Finds its place, which must be free.
    pub async fn of(cluster: &Arc<Cluster>, mut object: Value, run: &str) -> Result<Self, FaultError> {
        merge(&mut object, json!({ "metadata": { "labels": { MANAGED_BY.0: MANAGED_BY.1, RUN_LABEL: run } } }));
        let collection = cluster.collection_path(name_of(&object)).await.map_err(FaultError::missing)?;
        let creation = Self { cluster: Arc::clone(cluster), collection, run: run.to_owned(), object };
        match cluster.find::<Value>(&creation.path()).await? {
            Some(_) => Err(FaultError::Refused(format!(
                "{} exists already in {}, and nothing is ever overwritten; remove it, or give yours another name",
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

    /// Makes it, or with `?dryRun=All` only asks whether it could be made.
    pub async fn send(&self, query: &str) -> Result<(), FaultError> {
        let path = format!("{}{query}", self.collection);
        self.cluster.send(http::Method::POST, &path, "application/json", &self.object).await?;
        Ok(())
    }

    /// The object, if it is there and this run has made it.
    pub async fn found(&self) -> Result<Option<Value>, AccessError> {
        let found = self.cluster.find::<Value>(&self.path()).await?;
        Ok(found.filter(|object| object["metadata"]["labels"][RUN_LABEL] == self.run.as_str()))
    }

    /// Its removal.
    pub fn undo(&self) -> Undo {
        Undo::DeleteObject { cluster: self.cluster.key.clone(), path: self.path(), run: Some(self.run.clone()) }
    }
}
