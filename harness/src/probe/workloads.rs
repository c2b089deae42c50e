//! `workloads`: the workloads of the inventory in a cluster are rolled out, and their pods belong to the mesh as their
//! namespaces say. One list per kind, however many workloads there are.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::BoxFuture;
use meshdrill_checks::observe::kube::{Rollout, Workload, WorkloadKind};
use meshdrill_checks::record::Series;
use meshdrill_document::nearest;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::outcome::settle;
use super::role::{Observation, Observer, Role};
use super::summary::Summary;
use super::{Answer, Outcome, ProbeError, cause};
use crate::cluster::{Cluster, Object, Permission, World, has_proxy, label_selector};
use crate::format::{ClusterChoice, DataPlane, MeshSpec, Namespace};

/// The workloads of the inventory in a cluster: each rolled out, each pod in the mesh where its namespace is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Workloads {
    /// The cluster.
    pub cluster: ClusterChoice,
    /// The namespaces; default all of the inventory that the cluster has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub namespaces: Vec<String>,
}

/// The kinds of workloads: the word in the inventory, the path of the collection, and the fields by which they are judged.
const KINDS: [(&str, &str, Option<WorkloadKind>); 4] = [
    ("deployment", "/apis/apps/v1/deployments", Some(WorkloadKind::Deployment)),
    ("statefulset", "/apis/apps/v1/statefulsets", Some(WorkloadKind::StatefulSet)),
    ("daemonset", "/apis/apps/v1/daemonsets", Some(WorkloadKind::DaemonSet)),
    // Argo's: not part of Kubernetes, so that the collection may not exist.
    ("rollout", "/apis/argoproj.io/v1alpha1/rollouts", None),
];

/// How many causes are searched for.
const EXPLAINED: usize = 3;

impl Observation for Workloads {
    fn describe(&self) -> String {
        let which = if self.namespaces.is_empty() { "of the inventory".to_owned() } else { self.namespaces.join(", ") };
        format!("workloads {which} ({})", self.cluster)
    }

    fn subject(&self) -> String {
        if self.namespaces.is_empty() { "all".to_owned() } else { self.namespaces.join("-") }
    }

    fn choices(&mut self) -> Vec<&mut ClusterChoice> {
        vec![&mut self.cluster]
    }

    fn permissions(&self, _: &MeshSpec) -> Vec<Permission> {
        let key = self.cluster.key();
        let apps = ["deployments", "statefulsets", "daemonsets"];
        let of_apps = apps.map(|resource| Permission::new(key, "", "apps", resource, "list"));
        let of_core = ["pods", "namespaces"].map(|resource| Permission::new(key, "", "", resource, "list"));
        of_apps.into_iter().chain(of_core).collect()
    }

    fn prepare<'a>(&'a self, world: &'a World, _: Role) -> BoxFuture<'a, Result<Box<dyn Observer>, ProbeError>> {
        Box::pin(async move {
            let cluster = Arc::clone(world.cluster(self.cluster.key())?);
            let keys = world.keys();
            let has = |choice: &ClusterChoice| choice.includes(&cluster.key, &keys);
            let wanted = |name: &String| self.namespaces.is_empty() || self.namespaces.contains(name);
            let inventory = world.inventory();
            let here = inventory.namespaces.iter().filter(|(name, entry)| wanted(name) && has(&entry.clusters));
            let namespaces: BTreeMap<String, Namespace> = here
                .map(|(name, entry)| {
                    let mut entry = entry.clone();
                    let listed = !entry.workloads.is_empty();
                    entry.workloads.retain(|_, clusters| has(clusters));
                    (name.clone(), (listed, entry))
                })
                // A namespace whose workloads are all in other clusters has nothing here.
                .filter(|(_, (listed, entry))| !listed || !entry.workloads.is_empty())
                .map(|(name, (_, entry))| (name, entry))
                .collect();
            Ok(Box::new(WorkloadsObserver { cluster, namespaces }) as Box<dyn Observer>)
        })
    }
}

struct WorkloadsObserver {
    cluster: Arc<Cluster>,
    namespaces: BTreeMap<String, Namespace>,
}

/// One workload of a list.
struct Found {
    /// As in the inventory: `deployment/NAME`.
    id: String,
    object: Object,
    rollout: Rollout,
}

impl Found {
    fn read(word: &str, kind: Option<WorkloadKind>, object: Object) -> Result<Self, ProbeError> {
        let rollout = match kind {
            Some(kind) => Workload::read(&object, kind).map_err(|error| ProbeError(error.to_string()))?.rollout,
            None => rollout_of_argo(&object),
        };
        Ok(Self { id: format!("{word}/{}", object.name()), object, rollout })
    }

    fn selects(&self, pod: &Object) -> bool {
        let labels = self.object["spec"]["selector"]["matchLabels"].as_object();
        labels.is_some_and(|labels| !labels.is_empty() && labels.iter().all(|(key, value)| pod.labels()[key] == *value))
    }
}

/// Argo's controller judges its rollouts itself, and writes the result down.
fn rollout_of_argo(object: &Value) -> Rollout {
    let text = |field: &str| object["status"][field].as_str().unwrap_or_default().to_owned();
    match text("phase").as_str() {
        "Healthy" if object["spec"]["replicas"] == 0 => Rollout::ScaledToZero,
        "Healthy" => Rollout::Complete,
        "Degraded" => Rollout::Failed(text("message")),
        phase => Rollout::Waiting(format!("phase `{phase}` {}", text("message"))),
    }
}

impl WorkloadsObserver {
    async fn ask(&self) -> Result<Outcome, ProbeError> {
        let key = &self.cluster.key;
        if self.namespaces.is_empty() {
            let message = format!("the inventory lists no workload in {key}");
            return Ok(Outcome::new(Answer::NoData, message));
        }
        let present = self.cluster.list("/api/v1/namespaces", None).await?;
        let present: Vec<&str> = present.iter().map(Object::name).collect();
        let (found, pods) = self.lists().await?;
        let (mut summary, mut with_proxy, mut failed) = (Summary::default(), 0, Vec::new());
        for (name, namespace) in &self.namespaces {
            if !present.contains(&name.as_str()) {
                let meant = nearest(name, present.iter().copied()).map(|meant| format!(", did you mean `{meant}`?"));
                summary.missed(format!(
                    "namespace {name} does not exist{}; `meshdrill mesh init --update` looks again",
                    meant.unwrap_or_default()
                ));
                continue;
            }
            let here: Vec<&Found> = found.iter().filter(|one| one.object.namespace() == name).collect();
            for (id, workload) in expected(namespace, &here) {
                let place = format!("{name} {id}");
                let Some(workload) = workload else {
                    let meant = nearest(id, here.iter().map(|one| one.id.as_str()));
                    let meant = meant.map(|meant| format!(", did you mean `{meant}`?"));
                    summary.missed(format!("{place} does not exist{}", meant.unwrap_or_default()));
                    continue;
                };
                let own = pods.iter().filter(|pod| pod.namespace() == name && workload.selects(pod));
                let outside = match namespace.data_plane {
                    DataPlane::None => None,
                    _ if namespace.without_proxy.iter().any(|one| one == id) => None,
                    plane => {
                        let own: Vec<&Object> = own.collect();
                        with_proxy += own.iter().filter(|pod| is_in_mesh(pod, plane)).count();
                        own.into_iter().find(|pod| !is_in_mesh(pod, plane)).map(Object::name)
                    }
                };
                let why = match (&workload.rollout, outside) {
                    (Rollout::Complete, None) => None,
                    (Rollout::Complete, Some(pod)) => {
                        Some(format!("pod {pod} is not in the mesh: {}", lacking(namespace.data_plane)))
                    }
                    (rollout, _) => Some(format!("rollout {rollout}")),
                };
                match why {
                    None => summary.ok(),
                    Some(why) => {
                        let selector = label_selector(&workload.object["spec"]["selector"]["matchLabels"]);
                        failed.push(json!({ "namespace": name, "workload": id, "selector": selector }));
                        summary.missed(format!("{place}: {why}"));
                    }
                }
            }
        }
        let namespaces = self.namespaces.len();
        let seen =
            json!({ "workloads": summary.total(), "ready": summary.good(), "withProxy": with_proxy, "failed": failed });
        let counted =
            format!("{} workloads ready in {namespaces} namespaces, {with_proxy} pods in the mesh", summary.of());
        Ok(summary.outcome(&counted, key, seen))
    }

    /// The workloads of all namespaces, and the pods that have not ended.
    async fn lists(&self) -> Result<(Vec<Found>, Vec<Object>), ProbeError> {
        let mut found = Vec::new();
        for (word, path, kind) in KINDS {
            let listed = match self.cluster.list(path, None).await {
                Err(error) if kind.is_none() && error.is_not_found() => Vec::new(),
                // Who may not list Argo's rollouts has none in the inventory either.
                Err(_) if kind.is_none() && !self.lists_any(word) => Vec::new(),
                listed => listed?,
            };
            for object in listed.into_iter().filter(|object| self.namespaces.contains_key(object.namespace())) {
                found.push(Found::read(word, kind, object)?);
            }
        }
        let mut pods = self.cluster.list("/api/v1/pods", None).await?;
        pods.retain(|pod| {
            self.namespaces.contains_key(pod.namespace())
                && !pod.is_terminating()
                && !matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"))
        });
        Ok((found, pods))
    }

    fn lists_any(&self, word: &str) -> bool {
        let ids = self.namespaces.values().flat_map(|namespace| namespace.workloads.keys());
        ids.into_iter().any(|id| id.split('/').next() == Some(word))
    }
}

/// The workloads that a namespace must have; those that are there and not at zero where the inventory lists none.
fn expected<'a>(namespace: &'a Namespace, here: &[&'a Found]) -> Vec<(&'a str, Option<&'a Found>)> {
    if namespace.workloads.is_empty() {
        let running = here.iter().filter(|one| one.rollout != Rollout::ScaledToZero);
        return running.map(|one| (one.id.as_str(), Some(*one))).collect();
    }
    let find = |id: &'a String| (id.as_str(), here.iter().find(|one| one.id == *id).copied());
    namespace.workloads.keys().map(find).collect()
}

/// Whether a pod has a proxy of its own, or its traffic is redirected to ztunnel.
fn is_in_mesh(pod: &Object, plane: DataPlane) -> bool {
    let redirected = pod.annotation("ambient.istio.io/redirection") == Some("enabled");
    has_proxy(pod) || (plane == DataPlane::Ambient && redirected)
}

const fn lacking(plane: DataPlane) -> &'static str {
    match plane {
        DataPlane::Ambient => "its traffic is not redirected to ztunnel",
        DataPlane::Sidecar | DataPlane::None => {
            "it has no container istio-proxy; list its workload under `withoutProxy` if that is meant"
        }
    }
}

impl Observer for WorkloadsObserver {
    fn observe(&self, _: Series) -> BoxFuture<'_, Outcome> {
        Box::pin(async move { settle(self.ask().await) })
    }

    fn causes<'a>(&'a self, outcome: &'a Outcome) -> BoxFuture<'a, Vec<String>> {
        Box::pin(async move {
            let mut causes = Vec::new();
            for one in outcome.seen["failed"].as_array().into_iter().flatten().take(EXPLAINED) {
                let text = |field: &str| one[field].as_str().unwrap_or_default();
                if !text("selector").is_empty() {
                    causes.extend(cause::pod_causes(&self.cluster, text("namespace"), text("selector")).await);
                }
            }
            causes
        })
    }
}
