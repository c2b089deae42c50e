//! Undo as data: written before the act, replayed as often as need be. "Make it so", and never overwrite what someone
//! else has set since.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::fields;
use crate::cluster::{AccessError, Cluster, World};
use crate::probe::CannotAsk;

/// The resource of a workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WorkloadResource {
    /// A Deployment.
    Deployments,
    /// A `StatefulSet`.
    StatefulSets,
}

impl WorkloadResource {
    /// The plural in API paths.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Deployments => "deployments",
            Self::StatefulSets => "statefulsets",
        }
    }

    /// The API path of one of them.
    pub fn path(self, namespace: &str, name: &str) -> String {
        format!("/apis/apps/v1/namespaces/{namespace}/{}/{name}", self.plural())
    }
}

/// How one act is undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum Undo {
    /// Scale a workload back.
    RestoreScale {
        /// The cluster's key.
        cluster: String,
        /// What it is.
        resource: WorkloadResource,
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// Its UID: a workload made anew under the same name is not ours to scale.
        uid: String,
        /// The replicas found before the act.
        replicas: i64,
        /// The replicas that the act wrote.
        wrote: i64,
    },
    /// Put fields of an object back, those that still hold what the act wrote.
    RestoreFields {
        /// The cluster's key.
        cluster: String,
        /// The object's path in the API.
        path: String,
        /// Its UID.
        uid: String,
        /// A merge patch that puts everything back: what was there, null for what was not.
        before: Value,
        /// The merge patch of the act.
        wrote: Value,
    },
    /// Delete an object that the act made.
    DeleteObject {
        /// The cluster's key.
        cluster: String,
        /// The object's path in the API.
        path: String,
    },
    /// Run a program on the runner's machine.
    RunCommand {
        /// The program and its arguments.
        argv: Vec<String>,
        /// Environment variables beside the runner's.
        env: BTreeMap<String, String>,
    },
}

/// What an undo found and did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UndoOutcome {
    /// It restored what was there before.
    Restored,
    /// It was already as before.
    AlreadyRight,
    /// Someone else has changed it since; it was left as they want it.
    ChangedByOthers(String),
    /// The object is gone or was made anew.
    Gone,
}

/// The longest an undo command may take.
const COMMAND_DEADLINE: Duration = Duration::from_mins(1);

impl Undo {
    /// The cluster it acts on; none outside of clusters.
    pub fn cluster(&self) -> Option<&str> {
        match self {
            Self::RestoreScale { cluster, .. }
            | Self::RestoreFields { cluster, .. }
            | Self::DeleteObject { cluster, .. } => Some(cluster),
            Self::RunCommand { .. } => None,
        }
    }

    /// Replays it.
    pub async fn apply(&self, world: &World) -> Result<UndoOutcome, CannotAsk> {
        match self {
            Self::RestoreScale { cluster, resource, namespace, name, uid, replicas, wrote } => {
                let cluster = world.cluster(cluster)?;
                let path = resource.path(namespace, name);
                restore_scale(cluster, &path, uid, *replicas, *wrote).await
            }
            Self::RestoreFields { cluster, path, uid, before, wrote } => {
                fields::restore(world.cluster(cluster)?, path, uid, before, wrote).await
            }
            Self::DeleteObject { cluster, path } => fields::delete_ours(world.cluster(cluster)?, path).await,
            Self::RunCommand { argv, env } => {
                match crate::local::run_command(argv, env, COMMAND_DEADLINE).await.map_err(CannotAsk)? {
                    Some((0, ..)) => Ok(UndoOutcome::Restored),
                    Some((code, _, stderr)) => {
                        Err(CannotAsk(format!("{} ended with exit code {code}: {}", argv.join(" "), stderr.trim())))
                    }
                    None => Err(CannotAsk(format!("{} did not end within {COMMAND_DEADLINE:?}", argv.join(" ")))),
                }
            }
        }
    }

    /// Looks whether what it restores is there and working: none if so, otherwise what is missing.
    pub async fn missing(&self, world: &World) -> Result<Option<String>, CannotAsk> {
        match self {
            Self::RestoreScale { cluster, resource, namespace, name, uid, replicas, wrote } => {
                let found = world.cluster(cluster)?.get::<Value>(&resource.path(namespace, name)).await;
                let object = match found {
                    Err(error) if error.is_not_found() => return Ok(None),
                    found => found?,
                };
                let current = object["spec"]["replicas"].as_i64().unwrap_or(1);
                if object["metadata"]["uid"] != uid.as_str() || (current != *wrote && current != *replicas) {
                    return Ok(None);
                }
                let ready = object["status"]["readyReplicas"].as_i64().unwrap_or(0);
                let missing = current != *replicas || ready < *replicas;
                Ok(missing.then(|| format!("{self}: {ready} of {replicas} replicas ready")))
            }
            Self::RestoreFields { cluster, path, uid, wrote, .. } => {
                fields::still_ours(world.cluster(cluster)?, path, uid, wrote).await
            }
            Self::DeleteObject { cluster, path } => fields::still_there(world.cluster(cluster)?, path).await,
            Self::RunCommand { .. } => Ok(None),
        }
    }
}

async fn restore_scale(
    cluster: &Cluster,
    path: &str,
    uid: &str,
    replicas: i64,
    wrote: i64,
) -> Result<UndoOutcome, CannotAsk> {
    // Someone else may change the object between the look and the write; the second attempt sees what they did.
    for attempt in 0..5 {
        let object: Value = match cluster.get(path).await {
            Err(error) if error.is_not_found() => return Ok(UndoOutcome::Gone),
            found => found?,
        };
        if object["metadata"]["uid"] != uid {
            return Ok(UndoOutcome::Gone);
        }
        let current = object["spec"]["replicas"].as_i64().unwrap_or(1);
        if current == replicas {
            return Ok(UndoOutcome::AlreadyRight);
        }
        if current != wrote {
            return Ok(UndoOutcome::ChangedByOthers(format!(
                "{current} replicas, neither the {wrote} of the fault nor the {replicas} of before"
            )));
        }
        let patch = json!({
            "metadata": { "resourceVersion": object["metadata"]["resourceVersion"] },
            "spec": { "replicas": replicas }
        });
        match cluster.send(http::Method::PATCH, &format!("{path}/scale"), "application/merge-patch+json", &patch).await
        {
            Ok(_) => return Ok(UndoOutcome::Restored),
            Err(error) if (error.is_conflict() || error.is_transient()) && attempt < 4 => {
                tokio::time::sleep(Duration::from_millis(200 << attempt)).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(AccessError::Other { cluster: cluster.key.clone(), why: "the object keeps changing".to_owned() }.into())
}

impl fmt::Display for Undo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RestoreScale { cluster, resource, namespace, name, replicas, .. } => {
                write!(
                    f,
                    "scale {} {namespace}/{name} of {cluster} back to {replicas}",
                    resource.plural().trim_end_matches('s')
                )
            }
            Self::RestoreFields { cluster, path, .. } => write!(f, "restore the fields of {path} in {cluster}"),
            Self::DeleteObject { cluster, path } => write!(f, "delete {path} in {cluster}"),
            Self::RunCommand { argv, .. } => write!(f, "run {}", argv.join(" ")),
        }
    }
}
