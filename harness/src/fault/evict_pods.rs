//! `evictPods`: evicts pods like a node drain, within disruption budgets. A budget that refuses is reported, never
//! bypassed.

use futures::future::BoxFuture;
use meshdrill_checks::units::Ratio;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::pod_targets::{PodTargets, Wanted, apply_blast_radius};
use super::{BlastRadius, Effect, Fault, FaultBehavior, FaultError, FaultOptions, Replacement, UndoData};
use crate::cluster::{AccessError, Cluster, ObjectRef, Permission, World};
use crate::format::{ClusterChoice, MeshSpec, Selector};
use crate::probe::SpecError;

/// Evicts pods like a node drain, within disruption budgets. A budget that refuses is reported, never bypassed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EvictPods {
    /// The cluster.
    pub cluster: ClusterChoice,
    /// The namespace.
    pub namespace: String,
    /// The pods: all that match, unless `count` or `percent` limits them.
    pub selector: Selector,
    /// This many of the matching pods that are Ready, chosen at random by the run's seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<usize>,
    /// This share of the matching pods that are Ready, such as `50%`, and at least one, chosen at random by the run's seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<Ratio>,
    /// Whether pods that are not Ready may be removed too; false by default: then `count` and `percent` choose among Ready pods,
    /// and where all pods are meant, all must be Ready.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub include_unready: bool,
}

impl EvictPods {
    fn wanted(&self) -> Wanted<'_> {
        Wanted {
            cluster: &self.cluster,
            namespace: &self.namespace,
            selector: &self.selector,
            count: self.count,
            percent: self.percent,
            include_unready: self.include_unready,
        }
    }
}

impl FaultBehavior for EvictPods {
    fn describe(&self) -> String {
        format!("evict {}", self.wanted().describe())
    }

    fn sustained(&self) -> bool {
        false
    }

    fn selects_pods(&self) -> bool {
        true
    }

    fn apply_blast_radius(&mut self, radius: BlastRadius) -> Vec<SpecError> {
        let grace =
            SpecError::new("grace", "an eviction uses the pod's own grace period", "remove it, or use deletePods");
        let grace = radius.grace.map(|_| grace);
        apply_blast_radius(&mut self.count, &mut self.percent, radius).into_iter().chain(grace).collect()
    }

    fn spec_errors(&self) -> Vec<SpecError> {
        self.wanted().spec_errors()
    }

    fn permissions(&self, _: &MeshSpec) -> Vec<Permission> {
        self.wanted().permissions(("pods/eviction", "create"))
    }

    fn resolve<'a>(
        &'a self,
        world: &'a World,
        options: FaultOptions,
    ) -> BoxFuture<'a, Result<Box<dyn Fault>, FaultError>> {
        Box::pin(async move { Ok(Box::new(Eviction(self.wanted().find(world, options).await?)) as Box<dyn Fault>) })
    }
}

/// Evicts one pod. A refusal by a disruption budget is an error.
pub(super) async fn evict(cluster: &Cluster, pod: &ObjectRef, dry_run: bool) -> Result<(), FaultError> {
    let body = json!({
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": { "name": pod.name, "namespace": pod.namespace },
        "deleteOptions": { "preconditions": { "uid": pod.uid }, "dryRun": if dry_run { json!(["All"]) } else { json!([]) } }
    });
    let path = format!("/api/v1/namespaces/{}/pods/{}/eviction", pod.namespace, pod.name);
    match cluster.send(http::Method::POST, &path, "application/json", &body).await {
        Ok(_) => Ok(()),
        Err(AccessError::Status { status: 429, why, .. }) => Err(FaultError::Refused(format!(
            "a disruption budget refuses the eviction of pod {pod} ({}): {why}",
            cluster.key
        ))),
        Err(error) => Err(error.into()),
    }
}

struct Eviction(PodTargets);

impl Eviction {
    async fn evict(&self, dry_run: bool) -> Result<(), FaultError> {
        for pod in self.0.pods() {
            evict(&self.0.cluster, pod, dry_run).await?;
        }
        Ok(())
    }
}

impl Fault for Eviction {
    fn targets(&self) -> Vec<String> {
        self.0.names()
    }

    fn uids(&self) -> Vec<String> {
        self.0.uids()
    }

    fn scope(&self) -> Option<String> {
        Some(self.0.scope())
    }

    fn undo(&self) -> Vec<UndoData> {
        Vec::new()
    }

    fn remarks(&self) -> Vec<String> {
        self.0.remarks()
    }

    fn dry_run(&self) -> BoxFuture<'_, Result<(), FaultError>> {
        Box::pin(self.evict(true))
    }

    fn inject(&self) -> BoxFuture<'_, Result<(), FaultError>> {
        Box::pin(self.evict(false))
    }

    fn effect(&self) -> BoxFuture<'_, Effect> {
        Box::pin(self.0.effect(false))
    }

    fn replacements(&self) -> BoxFuture<'_, Result<Vec<Replacement>, FaultError>> {
        Box::pin(self.0.replacements())
    }

    fn missing(&self) -> BoxFuture<'_, Result<Option<String>, FaultError>> {
        Box::pin(self.0.missing())
    }

    fn removes(&self) -> bool {
        true
    }
}
