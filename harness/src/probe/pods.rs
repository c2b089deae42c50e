//! `pods`: readiness, count, restarts and containers of the pods that match a selector.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::BoxFuture;
use meshdrill_checks::observe::kube::Pod;
use meshdrill_checks::record::Series;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::outcome::settle;
use super::role::{Observation, Observer, Role};
use super::{Answer, Outcome, ProbeError, cause};
use crate::cluster::{Cluster, Object, Permission, World, owner_name, select_pods};
use crate::format::{ClusterChoice, Comparison, MeshSpec, Selector};

/// The pods that match a selector: readiness, count, restarts, containers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Pods {
    /// The cluster.
    pub cluster: ClusterChoice,
    /// The namespace.
    pub namespace: String,
    /// The pods, by label.
    pub selector: Selector,
    /// The expectations; `ready: all` by default.
    #[serde(default)]
    pub expect: PodsExpect,
}

/// The expectations of pods.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodsExpect {
    /// The number of ready pods, such as `>= 2`; or `all`: as many as their owners desire and at least one, and none is
    /// terminating or unready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<ReadyExpect>,
    /// The number of pods, without terminating ones, such as `>= 2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<Comparison>,
    /// The number of container restarts since the run began, such as `0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restarts: Option<Comparison>,
    /// Whether every pod must be in the mesh: with a sidecar (also a native one), or with its traffic redirected to ztunnel.
    #[serde(default)]
    pub in_mesh: bool,
    /// Containers that every pod must have, including native sidecars.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub containers: Vec<String>,
}

/// `all`, or a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum ReadyExpect {
    /// The word `all`.
    All(AllWord),
    /// A number of pods.
    Count(Comparison),
}

/// The word `all`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AllWord {
    /// As written.
    All,
}

impl<'de> Deserialize<'de> for ReadyExpect {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(from)?;
        if value == "all" {
            return Ok(Self::All(AllWord::All));
        }
        let comparison = serde_json::from_value(value).map(Self::Count);
        comparison.map_err(|_| serde::de::Error::custom("write `all`, a number, or a comparison such as `>= 1`"))
    }
}

impl Observation for Pods {
    fn describe(&self) -> String {
        format!("pods {}/{} ({})", self.namespace, self.selector, self.cluster)
    }

    fn subject(&self) -> String {
        // The values of the selector make the id; its keys and operators do not belong there.
        let value = self.selector.as_str().rsplit(['=', '(']).next().unwrap_or_default();
        let plain = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
        value.split(|c| !plain(c)).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
    }

    fn choices(&mut self) -> Vec<&mut ClusterChoice> {
        vec![&mut self.cluster]
    }

    fn has_baseline(&self) -> bool {
        self.expect.restarts.is_some()
    }

    fn permissions(&self, _: &MeshSpec) -> Vec<Permission> {
        let need = |resource| Permission::new(self.cluster.key(), &self.namespace, "", resource, "list");
        vec![need("pods"), Permission::new(self.cluster.key(), &self.namespace, "apps", "deployments", "get")]
    }

    fn prepare<'a>(&'a self, world: &'a World, _: Role) -> BoxFuture<'a, Result<Box<dyn Observer>, ProbeError>> {
        Box::pin(async move {
            let cluster = Arc::clone(world.cluster(self.cluster.key())?);
            let before = if self.expect.restarts.is_some() {
                restarts(&select_pods(&cluster, &self.namespace, self.selector.as_str()).await?)?
            } else {
                BTreeMap::new()
            };
            Ok(Box::new(PodsObserver { cluster, spec: self.clone(), before }) as Box<dyn Observer>)
        })
    }
}

/// Restarts by the pod's UID.
fn restarts(pods: &[Object]) -> Result<BTreeMap<String, u64>, ProbeError> {
    let read = pods.iter().map(|pod| Pod::read(pod).map(|pod| (pod.uid, pod.restarts)));
    read.collect::<Result<_, _>>().map_err(|error| ProbeError(error.to_string()))
}

struct PodsObserver {
    cluster: Arc<Cluster>,
    spec: Pods,
    before: BTreeMap<String, u64>,
}

impl PodsObserver {
    async fn ask(&self) -> Result<Outcome, ProbeError> {
        let spec = &self.spec;
        let objects = select_pods(&self.cluster, &spec.namespace, spec.selector.as_str()).await?;
        let pods = objects
            .iter()
            .map(|pod| Pod::read(pod))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| ProbeError(error.to_string()))?;
        let live: Vec<&Pod> = pods.iter().filter(|pod| !pod.terminating).collect();
        let ready = live.iter().filter(|pod| pod.ready).count();
        let expect = &spec.expect;
        let wanted = match expect.ready {
            None if expect.count.is_none()
                && expect.restarts.is_none()
                && expect.containers.is_empty()
                && !expect.in_mesh =>
            {
                Some(ReadyExpect::All(AllWord::All))
            }
            ready => ready,
        };
        let mut missed = Vec::new();
        match wanted {
            Some(ReadyExpect::All(_)) => {
                let desired = self.desired(&objects).await?;
                if desired == 0 || (ready as u64) < desired || live.iter().any(|pod| !pod.ready) {
                    let more = match live.len().saturating_sub(desired as usize) {
                        0 => String::new(),
                        more => format!(", {more} more than desired"),
                    };
                    missed.push(format!("{ready} of {desired} desired pods ready{more}"));
                }
            }
            Some(ReadyExpect::Count(comparison)) if !comparison.holds(ready as f64) => {
                missed.push(format!("{ready} pods ready, expected {comparison}"));
            }
            Some(ReadyExpect::Count(_)) | None => {}
        }
        if let Some(comparison) = expect.count.filter(|comparison| !comparison.holds(live.len() as f64)) {
            missed.push(format!("{} pods, expected {comparison}", live.len()));
        }
        let restarted: u64 =
            pods.iter().map(|pod| pod.restarts.saturating_sub(self.before.get(&pod.uid).copied().unwrap_or(0))).sum();
        if let Some(comparison) = expect.restarts.filter(|comparison| !comparison.holds(restarted as f64)) {
            missed.push(format!("{restarted} container restarts since the run began, expected {comparison}"));
        }
        let redirected = redirected(&objects);
        for pod in &live {
            let outside = pod.container("istio-proxy").is_none() && !redirected.contains(&pod.name);
            if expect.in_mesh && outside {
                missed.push(format!(
                    "pod {} is not in the mesh: it has no container istio-proxy, and its traffic is not redirected to ztunnel",
                    pod.name
                ));
            }
            for name in expect.containers.iter().filter(|name| pod.container(name).is_none()) {
                missed.push(format!("pod {} has no container {name}", pod.name));
            }
        }
        let seen = json!({ "ready": ready, "pods": pods.iter().map(|pod| json!({ "name": pod.name, "ready": pod.ready_column(), "status": pod.status, "restarts": pod.restarts })).collect::<Vec<_>>() });
        if pods.is_empty() && missed.is_empty() && expect.count.is_none() && expect.ready.is_none() {
            let message = format!("no pod matches {}/{} ({})", spec.namespace, spec.selector, self.cluster.key);
            return Ok(Outcome { seen, ..Outcome::new(Answer::NoData, message) });
        }
        let place = format!("pods {}/{} ({})", spec.namespace, spec.selector, self.cluster.key);
        let columns = live.iter().map(|pod| pod.ready_column()).collect::<Vec<_>>().join(" ");
        let columns = if columns.is_empty() { columns } else { format!(" ({columns})") };
        let message = if missed.is_empty() {
            let counted = if expect.restarts.is_some() {
                format!(", {restarted} restarts since the run began")
            } else {
                String::new()
            };
            format!("{place}: {ready} ready{columns}{counted}")
        } else {
            format!("{place}: {}", missed.join("; "))
        };
        Ok(Outcome::judged(missed.is_empty(), message, seen))
    }

    /// How many pods the owners of the matching pods desire; without pods, the Deployments that match the selector.
    async fn desired(&self, pods: &[Object]) -> Result<u64, ProbeError> {
        let mut desired = 0;
        let mut seen = Vec::new();
        for pod in pods {
            match owner_name(pod) {
                Some((kind, name)) if !seen.contains(&(kind.clone(), name.clone())) => {
                    desired += self.desired_by(&kind, &name).await?;
                    seen.push((kind, name));
                }
                Some(_) => {}
                None => desired += 1,
            }
        }
        if seen.is_empty() && desired == 0 {
            let path = format!("/apis/apps/v1/namespaces/{}/deployments", self.spec.namespace);
            for object in self.cluster.list(&path, Some(self.spec.selector.as_str())).await? {
                desired += object["spec"]["replicas"].as_u64().unwrap_or(1);
            }
        }
        Ok(desired)
    }

    async fn desired_by(&self, kind: &str, name: &str) -> Result<u64, ProbeError> {
        let namespace = &self.spec.namespace;
        let (path, field) = match kind {
            "Deployment" => (format!("/apis/apps/v1/namespaces/{namespace}/deployments/{name}"), "/spec/replicas"),
            "StatefulSet" => (format!("/apis/apps/v1/namespaces/{namespace}/statefulsets/{name}"), "/spec/replicas"),
            "ReplicaSet" => (format!("/apis/apps/v1/namespaces/{namespace}/replicasets/{name}"), "/spec/replicas"),
            "DaemonSet" => {
                (format!("/apis/apps/v1/namespaces/{namespace}/daemonsets/{name}"), "/status/desiredNumberScheduled")
            }
            _ => return Ok(1),
        };
        let object: Value = self.cluster.get(&path).await?;
        Ok(object.pointer(field).and_then(Value::as_u64).unwrap_or(1))
    }
}

/// The names of pods in ambient mode, whose traffic is redirected to ztunnel.
fn redirected(pods: &[Object]) -> Vec<String> {
    let ambient = |pod: &&Object| pod.annotation("ambient.istio.io/redirection") == Some("enabled");
    let names = pods.iter().filter(ambient).map(|pod| pod.name().to_owned());
    names.collect()
}

impl Observer for PodsObserver {
    fn observe(&self, _: Series) -> BoxFuture<'_, Outcome> {
        Box::pin(async move { settle(self.ask().await) })
    }

    fn causes<'a>(&'a self, _: &'a Outcome) -> BoxFuture<'a, Vec<String>> {
        Box::pin(cause::pod_causes(&self.cluster, &self.spec.namespace, self.spec.selector.as_str()))
    }
}
