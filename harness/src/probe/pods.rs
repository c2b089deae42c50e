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
use crate::cluster::{AccessError, Cluster, Object, Owner, Permission, World, is_serving, select_pods};
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
    /// The expectations; default `ready: all`.
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

    fn has_baseline(&self, role: Role) -> bool {
        self.expect.restarts.is_some() || (role == Role::Recovered && self.expect.wants_all())
    }

    fn permissions(&self, _: &MeshSpec) -> Vec<Permission> {
        let need = |resource| Permission::new(self.cluster.key(), &self.namespace, "", resource, "list");
        vec![need("pods"), Permission::new(self.cluster.key(), &self.namespace, "apps", "deployments", "get")]
    }

    fn prepare<'a>(&'a self, world: &'a World, role: Role) -> BoxFuture<'a, Result<Box<dyn Observer>, ProbeError>> {
        Box::pin(async move {
            let cluster = Arc::clone(world.cluster(self.cluster.key())?);
            let found = if self.has_baseline(role) {
                select_pods(&cluster, &self.namespace, self.selector.as_str()).await?
            } else {
                Vec::new()
            };
            let ready_before = match role {
                Role::Recovered => found.iter().filter(|pod| is_serving(pod)).count(),
                Role::Probe | Role::Check => 0,
            };
            let restarts_before = restarts(&found)?;
            Ok(Box::new(PodsObserver { cluster, spec: self.clone(), restarts_before, ready_before })
                as Box<dyn Observer>)
        })
    }
}

impl PodsExpect {
    /// Whether all pods must be ready: as written, or because nothing else is expected.
    fn wants_all(&self) -> bool {
        let nothing = self.count.is_none() && self.restarts.is_none() && self.containers.is_empty() && !self.in_mesh;
        match self.ready {
            Some(ready) => matches!(ready, ReadyExpect::All(_)),
            None => nothing,
        }
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
    restarts_before: BTreeMap<String, u64>,
    /// How many pods were ready before the fault; 0 where that does not matter.
    ready_before: usize,
}

impl PodsObserver {
    async fn ask(&self) -> Result<Outcome, ProbeError> {
        let spec = &self.spec;
        let objects = select_pods(&self.cluster, &spec.namespace, spec.selector.as_str()).await?;
        if objects.is_empty() {
            self.cluster.must_have_namespace(&spec.namespace).await?;
        }
        let pods = objects
            .iter()
            .map(|pod| Pod::read(pod))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| ProbeError(error.to_string()))?;
        let live: Vec<&Pod> = pods.iter().filter(|pod| !pod.terminating).collect();
        let ready = live.iter().filter(|pod| pod.ready).count();
        let expect = &spec.expect;
        let mut missed = Vec::new();
        if expect.wants_all() {
            let desired = self.desired(&objects).await?.max(self.ready_before as u64);
            if desired == 0 || (ready as u64) < desired || live.iter().any(|pod| !pod.ready) {
                let more = match live.len().saturating_sub(desired as usize) {
                    0 => String::new(),
                    more => format!(", {more} more than desired"),
                };
                missed.push(format!("{ready} of {desired} desired pods ready{more}"));
            }
        } else if let Some(ReadyExpect::Count(comparison)) = expect.ready
            && !comparison.holds(ready as f64)
        {
            missed.push(format!("{ready} pods ready, expected {comparison}"));
        }
        if let Some(comparison) = expect.count.filter(|comparison| !comparison.holds(live.len() as f64)) {
            missed.push(format!("{} pods, expected {comparison}", live.len()));
        }
        let restarted: u64 = pods
            .iter()
            .map(|pod| pod.restarts.saturating_sub(self.restarts_before.get(&pod.uid).copied().unwrap_or(0)))
            .sum();
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

    /// How many pods the owners of the matching pods desire: an owner that does not say so desires the pods that it has. Without
    /// pods, the Deployments and `StatefulSets` that match the selector.
    async fn desired(&self, pods: &[Object]) -> Result<u64, ProbeError> {
        let mut owned: BTreeMap<Option<Owner>, u64> = BTreeMap::new();
        for pod in pods {
            *owned.entry(Owner::of(pod)).or_default() += u64::from(!pod.is_terminating());
        }
        let mut desired = 0;
        for (owner, live) in &owned {
            desired += match owner {
                Some(owner) => owner.desired_pods(&self.cluster).await?.unwrap_or(*live),
                None => *live,
            };
        }
        if owned.is_empty() {
            for plural in ["deployments", "statefulsets"] {
                let path = format!("/apis/apps/v1/namespaces/{}/{plural}", self.spec.namespace);
                let matching = match self.cluster.list(&path, Some(self.spec.selector.as_str())).await {
                    // Without pods the check fails either way; the number is for its message.
                    Err(AccessError::Forbidden { .. }) => Vec::new(),
                    found => found?,
                };
                desired += matching.iter().map(|one| u64::try_from(one.replicas()).unwrap_or(0)).sum::<u64>();
            }
        }
        Ok(desired)
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
