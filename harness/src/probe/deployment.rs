//! `deployment`: a Deployment or `StatefulSet` whose rollout is complete, by the full logic of `kubectl rollout status`.

use std::sync::Arc;

use futures::future::BoxFuture;
use meshdrill_checks::observe::kube::{Rollout, Workload, WorkloadKind};
use meshdrill_checks::record::Series;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::outcome::settle;
use super::role::{Observation, Observer, Role, SpecError};
use super::{Outcome, ProbeError, cause};
use crate::cluster::{AccessError, Cluster, Object, Permission, World, label_selector};
use crate::format::{ClusterChoice, Comparison, MeshSpec};

/// A Deployment or `StatefulSet`: its rollout is complete, by the logic of `kubectl rollout status`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Deployment {
    /// The cluster.
    pub cluster: ClusterChoice,
    /// The namespace.
    pub namespace: String,
    /// The Deployment. Write this or `statefulSet`. `deployment`, as in faults, works too.
    #[serde(default, alias = "deployment", skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The `StatefulSet`. Write this or `name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stateful_set: Option<String>,
    /// The expectations; by default a complete rollout with at least one pod.
    #[serde(default)]
    pub expect: DeploymentExpect,
}

/// The expectations of a workload.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeploymentExpect {
    /// Whether its rollout is complete; default `true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complete: Option<bool>,
    /// The number of desired replicas, such as `>= 2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<Comparison>,
    /// The number of available pods, such as `>= 2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub available: Option<Comparison>,
}

impl Deployment {
    fn object(&self) -> (WorkloadKind, &'static str, &str) {
        match (&self.name, &self.stateful_set) {
            (Some(name), _) => (WorkloadKind::Deployment, "deployments", name),
            (None, name) => (WorkloadKind::StatefulSet, "statefulsets", name.as_deref().unwrap_or_default()),
        }
    }
}

impl Observation for Deployment {
    fn describe(&self) -> String {
        let (kind, _, name) = self.object();
        format!("{kind:?} {}/{name} ({})", self.namespace, self.cluster)
    }

    fn subject(&self) -> String {
        self.object().2.to_owned()
    }

    fn choices(&mut self) -> Vec<&mut ClusterChoice> {
        vec![&mut self.cluster]
    }

    fn spec_errors(&self) -> Vec<SpecError> {
        let one = self.name.is_some() != self.stateful_set.is_some();
        (!one)
            .then(|| {
                SpecError::new(
                    "name",
                    "exactly one of `name` and `statefulSet` is needed",
                    "write `name: NAME` or `statefulSet: NAME`",
                )
            })
            .into_iter()
            .collect()
    }

    fn permissions(&self, _: &MeshSpec) -> Vec<Permission> {
        vec![Permission::new(self.cluster.key(), &self.namespace, "apps", self.object().1, "get")]
    }

    fn prepare<'a>(&'a self, world: &'a World, _: Role) -> BoxFuture<'a, Result<Box<dyn Observer>, ProbeError>> {
        Box::pin(async move {
            let cluster = Arc::clone(world.cluster(self.cluster.key())?);
            Ok(Box::new(DeploymentObserver { cluster, spec: self.clone() }) as Box<dyn Observer>)
        })
    }
}

struct DeploymentObserver {
    cluster: Arc<Cluster>,
    spec: Deployment,
}

impl DeploymentObserver {
    async fn object(&self) -> Result<Object, AccessError> {
        let (_, plural, name) = self.spec.object();
        let collection = format!("/apis/apps/v1/namespaces/{}/{plural}", self.spec.namespace);
        self.cluster.get_named(&collection, name).await
    }

    async fn ask(&self) -> Result<Outcome, ProbeError> {
        let (kind, _, name) = self.spec.object();
        let object = match self.object().await {
            Err(error) if error.is_not_found() => return Ok(Outcome::judged(false, error.to_string(), Value::Null)),
            found => found?,
        };
        let workload = Workload::read(&object, kind).map_err(|error| ProbeError(error.to_string()))?;
        let expect = &self.spec.expect;
        let mut missed = Vec::new();
        let complete = workload.rollout == Rollout::Complete;
        if expect.complete.unwrap_or(true) != complete {
            missed.push(format!("rollout {}", workload.rollout));
        }
        if let Some(comparison) = expect.replicas.filter(|one| !one.holds(workload.desired as f64)) {
            missed.push(format!("{} replicas desired, expected {comparison}", workload.desired));
        }
        if let Some(comparison) = expect.available.filter(|one| !one.holds(workload.available as f64)) {
            missed.push(format!("{} pods available, expected {comparison}", workload.available));
        }
        let seen = json!({ "desired": workload.desired, "updated": workload.updated, "available": workload.available, "rollout": workload.rollout });
        let place = format!("{kind:?} {}/{name} ({})", self.spec.namespace, self.cluster.key);
        let message = match missed.as_slice() {
            [] => format!(
                "{place}: {} of {} available, rollout {}",
                workload.available, workload.desired, workload.rollout
            ),
            missed => format!("{place}: {}", missed.join("; ")),
        };
        Ok(Outcome::judged(missed.is_empty(), message, seen))
    }
}

impl Observer for DeploymentObserver {
    fn observe(&self, _: Series) -> BoxFuture<'_, Outcome> {
        Box::pin(async move { settle(self.ask().await) })
    }

    fn causes<'a>(&'a self, outcome: &'a Outcome) -> BoxFuture<'a, Vec<String>> {
        Box::pin(async move {
            let desired = outcome.seen["desired"].as_u64().unwrap_or(0);
            let object = match self.object().await {
                Ok(object) if desired > 0 => object,
                _ => return Vec::new(),
            };
            let selector = label_selector(&object["spec"]["selector"]["matchLabels"]);
            if selector.is_empty() {
                return Vec::new();
            }
            cause::pod_causes(&self.cluster, &self.spec.namespace, &selector).await
        })
    }
}
