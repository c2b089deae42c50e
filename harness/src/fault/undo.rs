//! Undo as data: written before the act, replayed as often as need be. "Make it so", and never overwrite what someone
//! else has set since.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::fields::{self, Step};
use super::proxies::{self, Proxies, Watch};
use super::routes;
use crate::cluster::World;
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
        /// The run that made it; entries of older versions do not say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        run: Option<String>,
    },
    /// Take a fault out of the HTTP routes of a `VirtualService`, and see the proxies drop it.
    RemoveRouteFault {
        /// The cluster's key.
        cluster: String,
        /// The `VirtualService`'s namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// Its UID.
        uid: String,
        /// The `fault` that the act wrote into its routes.
        wrote: Value,
        /// The proxies that must drop it.
        #[serde(deserialize_with = "proxies::places")]
        proxies: Vec<Proxies>,
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
            | Self::DeleteObject { cluster, .. }
            | Self::RemoveRouteFault { cluster, .. } => Some(cluster),
            Self::RunCommand { .. } => None,
        }
    }

    /// Replays it.
    pub async fn apply(&self, world: &World) -> Result<UndoOutcome, CannotAsk> {
        match self {
            Self::RestoreScale { cluster, resource, namespace, name, uid, replicas, wrote } => {
                let path = resource.path(namespace, name);
                let step = |object: &Value| restore_scale(object, *replicas, *wrote);
                Ok(fields::change(world.cluster(cluster)?, &path, uid, step).await?)
            }
            Self::RestoreFields { cluster, path, uid, before, wrote } => {
                let step = |object: &Value| fields::restore(object, before, wrote);
                Ok(fields::change(world.cluster(cluster)?, path, uid, step).await?)
            }
            Self::DeleteObject { cluster, path, run } => {
                fields::delete_ours(world.cluster(cluster)?, path, run.as_deref()).await
            }
            Self::RemoveRouteFault { cluster, namespace, name, uid, wrote, .. } => {
                let step = |service: &Value| routes::remove(service, wrote);
                Ok(fields::change(world.cluster(cluster)?, &routes::path(namespace, name), uid, step).await?)
            }
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
                let found = world.cluster(cluster)?.find::<Value>(&resource.path(namespace, name)).await?;
                let Some(object) = found else { return Ok(None) };
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
            Self::DeleteObject { cluster, path, run } => {
                fields::still_there(world.cluster(cluster)?, path, run.as_deref()).await
            }
            Self::RemoveRouteFault { cluster, namespace, name, wrote, proxies, .. } => {
                let cluster = world.cluster(cluster)?;
                let service = cluster.find::<Value>(&routes::path(namespace, name)).await?;
                if service.is_some_and(|service| routes::carries(&service, wrote)) {
                    return Ok(Some(format!("VirtualService {namespace}/{name} still carries the fault")));
                }
                let watch = Watch::new(cluster, proxies);
                let seen = watch.ask((namespace, name), None, proxies::as_seen(wrote)).await?;
                let still: Vec<String> = seen.whole.into_iter().chain(seen.partly).collect();
                Ok(still.first().map(|pod| {
                    format!("{self}: {} proxies still carry it, such as {pod} (cluster {})", still.len(), cluster.key)
                }))
            }
            Self::RunCommand { .. } => Ok(None),
        }
    }
}

/// Scales back what still has the replicas of the act.
fn restore_scale(object: &Value, replicas: i64, wrote: i64) -> Step {
    let current = object["spec"]["replicas"].as_i64().unwrap_or(1);
    if current == replicas {
        Step::Done(UndoOutcome::AlreadyRight)
    } else if current != wrote {
        Step::Done(UndoOutcome::ChangedByOthers(format!(
            "{current} replicas, neither the {wrote} of the fault nor the {replicas} of before"
        )))
    } else {
        Step::Write("/scale", json!({ "spec": { "replicas": replicas } }))
    }
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
            Self::DeleteObject { cluster, path, .. } => write!(f, "delete {path} in {cluster}"),
            Self::RemoveRouteFault { cluster, namespace, name, .. } => {
                write!(f, "take the fault out of VirtualService {namespace}/{name} of {cluster}")
            }
            Self::RunCommand { argv, .. } => write!(f, "run {}", argv.join(" ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What earlier versions have written: every one of them can still be undone.
    const WRITTEN: &str = include_str!("../../tests/journals/v1.jsonl");

    #[test]
    fn undos_of_earlier_versions_are_read() {
        let undos: Vec<Undo> = WRITTEN.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let lines: Vec<String> = undos.iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            [
                "scale deployment istio-system/istiod of primary back to 2",
                "scale statefulset bookinfo/ratings of primary back to 1",
                "restore the fields of /api/v1/nodes/node-1 in primary",
                "delete /apis/networking.k8s.io/v1/namespaces/bookinfo/networkpolicies/isolate in secondary",
                "run restore --all",
                "delete /api/v1/namespaces/shop/configmaps/x in primary",
                "take the fault out of VirtualService shop/cart of primary",
                "take the fault out of VirtualService shop/pay of primary",
            ]
        );
    }

    #[test]
    fn a_workload_that_someone_else_has_scaled_is_left_alone() {
        let step = |replicas: i64| restore_scale(&json!({ "spec": { "replicas": replicas } }), 3, 0);
        assert!(matches!(step(0), Step::Write("/scale", patch) if patch["spec"]["replicas"] == 3));
        assert!(matches!(step(3), Step::Done(UndoOutcome::AlreadyRight)));
        assert!(matches!(step(5), Step::Done(UndoOutcome::ChangedByOthers(_))));
    }
}
