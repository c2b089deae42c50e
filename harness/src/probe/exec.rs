//! `exec`: a command in a named container of a pod.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use meshdrill_checks::record::Series;
use meshdrill_checks::units::TimeSpan;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::answered_by::{self, AnsweredBy};
use super::command::CommandExpect;
use super::outcome::settle;
use super::role::{Observation, Observer, Role, SpecError, Timing};
use super::{Outcome, ProbeError};
use crate::cluster::{Cluster, ObjectRef, Permission, World, ready_pods};
use crate::format::{ClusterChoice, MeshSpec, Selector};

/// Runs a command in a container of a pod.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Exec {
    /// The cluster.
    pub cluster: ClusterChoice,
    /// The namespace.
    pub namespace: String,
    /// The pod, by label; the first ready one is used.
    pub selector: Selector,
    /// The container; by default the first one of the pod that is not a sidecar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// The command and its arguments, such as `[curl, -sf, http://reviews:9080/health]`.
    pub command: Vec<String>,
    /// The timeout, such as `30s`; default 10 s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<TimeSpan>,
    /// The expectations.
    #[serde(default)]
    pub expect: CommandExpect,
    /// Requires that the answers in its stdout come from pods of every cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_by: Option<AnsweredBy>,
}

impl Observation for Exec {
    fn describe(&self) -> String {
        format!("run {} in {}/{} ({})", self.command.join(" "), self.namespace, self.selector, self.cluster)
    }

    fn subject(&self) -> String {
        self.command.first().cloned().unwrap_or_default().replace('/', "-")
    }

    fn choices(&mut self) -> Vec<&mut ClusterChoice> {
        vec![&mut self.cluster]
    }

    fn timing(&self) -> Timing {
        let timeout = self.timeout.unwrap_or(TimeSpan::secs(10));
        Timing { timeout, slow: timeout, ..Timing::api() }
    }

    fn spec_errors(&self) -> Vec<SpecError> {
        let empty = self
            .command
            .is_empty()
            .then(|| SpecError::new("command", "the command is missing", "write `command: [program, argument]`"));
        let answered_by = self.answered_by.iter().flat_map(AnsweredBy::spec_errors);
        empty.into_iter().chain(self.expect.spec_errors()).chain(answered_by).collect()
    }

    fn needs_all_clusters(&self) -> bool {
        self.answered_by.is_some()
    }

    fn permissions(&self, mesh: &MeshSpec) -> Vec<Permission> {
        let answered_by = self.answered_by.iter().flat_map(|one| one.permissions(mesh, &self.namespace));
        exec_permissions(self.cluster.key(), &self.namespace).into_iter().chain(answered_by).collect()
    }

    fn prepare<'a>(&'a self, world: &'a World, _: Role) -> BoxFuture<'a, Result<Box<dyn Observer>, ProbeError>> {
        Box::pin(async move {
            let cluster = Arc::clone(world.cluster(self.cluster.key())?);
            Ok(Box::new(ExecObserver { cluster, world: world.clone(), spec: self.clone() }) as Box<dyn Observer>)
        })
    }
}

/// The permissions for exec: `get` for the WebSocket, and also `create` from Kubernetes 1.35 on.
pub(super) fn exec_permissions(cluster: &str, namespace: &str) -> Vec<Permission> {
    let need = |resource, verb| Permission::new(cluster, namespace, "", resource, verb);
    vec![need("pods", "list"), need("pods/exec", "get"), need("pods/exec", "create")]
}

/// The first ready pod that matches a selector, and the container for the command.
pub(super) async fn exec_target(
    cluster: &Cluster,
    namespace: &str,
    selector: &Selector,
    container: Option<&str>,
) -> Result<(ObjectRef, Option<String>), ProbeError> {
    let pods = ready_pods(cluster, namespace, selector.as_str()).await?;
    let pod = pods
        .first()
        .ok_or_else(|| ProbeError(format!("cluster `{}`: no ready pod matches {namespace}/{selector}", cluster.key)))?;
    let own = pod["spec"]["containers"].as_array().into_iter().flatten();
    let first = own.filter_map(|container| container["name"].as_str()).find(|name| *name != "istio-proxy");
    Ok((pod.object_ref(), container.or(first).map(str::to_owned)))
}

struct ExecObserver {
    cluster: Arc<Cluster>,
    world: World,
    spec: Exec,
}

impl ExecObserver {
    async fn ask(&self, timeout: Duration) -> Result<Outcome, ProbeError> {
        let spec = &self.spec;
        let (pod, container) =
            exec_target(&self.cluster, &spec.namespace, &spec.selector, spec.container.as_deref()).await?;
        let output = self.cluster.exec(&pod.namespace, &pod.name, container.as_deref(), &spec.command, timeout).await?;
        let ran = spec.expect.judge(output.exit_code, &output.stdout, &output.stderr);
        let Some(answered_by) = &spec.answered_by else { return Ok(ran) };
        let answered = answered_by.judge(&self.world, &spec.namespace, &output.stdout).await?;
        Ok(answered_by::both(ran, answered))
    }
}

impl Observer for ExecObserver {
    fn observe(&self, _: Series) -> BoxFuture<'_, Outcome> {
        Box::pin(async move { settle(self.ask(self.spec.timing().timeout.0).await) })
    }
}
