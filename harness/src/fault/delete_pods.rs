//! `deletePods`: deletes pods, gracefully or by force. There is nothing to undo; recovery waits for the replacements.

use futures::future::{BoxFuture, join_all};
use kube::api::{DeleteParams, Preconditions};
use meshdrill_checks::units::{Ratio, TimeSpan};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::pod_targets::{PodTargets, Wanted, apply_blast_radius, twice};
use super::workload::{pods_errors, selector_of};
use super::{
    BlastRadius, Effect, Fault, FaultBehavior, FaultError, FaultOptions, Replacement, UndoData, WorkloadResource,
};
use crate::cluster::{AccessError, Permission, World};
use crate::format::{ClusterChoice, MeshSpec, Selector};
use crate::probe::SpecError;

/// Deletes pods. There is nothing to undo; recovery waits until the replacements are ready.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeletePods {
    /// The cluster.
    pub cluster: ClusterChoice,
    /// The namespace.
    pub namespace: String,
    /// The pods: all that match, unless `count` or `percent` limits them. Write this or `workload`.
    #[serde(default, skip_serializing_if = "Selector::is_empty")]
    pub selector: Selector,
    /// The workload whose pods are meant: `deployment/NAME`, `statefulset/NAME` or `daemonset/NAME`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<String>,
    /// The grace period, such as `5s`. Without it, each pod's own; `0s` forces the deletion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace: Option<TimeSpan>,
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

impl DeletePods {
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

impl FaultBehavior for DeletePods {
    fn describe(&self) -> String {
        let how = match self.grace {
            Some(grace) if grace.0.is_zero() => "forcibly delete".to_owned(),
            Some(grace) => format!("delete, with a grace period of {grace},"),
            None => "gracefully delete".to_owned(),
        };
        match &self.workload {
            Some(workload) => {
                format!("{how} {} of {}/{workload} ({})", self.wanted().share(), self.namespace, self.cluster)
            }
            None => format!("{how} {}", self.wanted().describe()),
        }
    }

    fn sustained(&self) -> bool {
        false
    }

    fn selects_pods(&self) -> bool {
        true
    }

    fn apply_blast_radius(&mut self, radius: BlastRadius) -> Vec<SpecError> {
        let mut found = apply_blast_radius(&mut self.count, &mut self.percent, radius);
        if radius.grace.is_some() && self.grace.is_some() {
            found.push(twice("grace"));
        }
        self.grace = self.grace.or(radius.grace);
        found
    }

    fn spec_errors(&self) -> Vec<SpecError> {
        let mut found = self.wanted().spec_errors();
        found.extend(pods_errors(&self.selector, self.workload.as_deref()));
        found
    }

    fn permissions(&self, _: &MeshSpec) -> Vec<Permission> {
        let plural = self.workload.as_deref().and_then(WorkloadResource::parse).map(|(resource, _)| resource.plural());
        let read = plural.map(|plural| Permission::new(self.cluster.key(), &self.namespace, "apps", plural, "get"));
        self.wanted().permissions(("pods", "delete")).into_iter().chain(read).collect()
    }

    fn resolve<'a>(
        &'a self,
        world: &'a World,
        options: FaultOptions,
    ) -> BoxFuture<'a, Result<Box<dyn Fault>, FaultError>> {
        Box::pin(async move {
            let grace = self.grace.map(|grace| u32::try_from(grace.0.as_secs()).unwrap_or(u32::MAX));
            let workload = self.workload.as_deref();
            let selector = selector_of(world, &self.cluster, &self.namespace, &self.selector, workload).await?;
            let targets = Wanted { selector: &selector, ..self.wanted() }.find(world, options).await?;
            Ok(Box::new(Deletion { targets, grace }) as Box<dyn Fault>)
        })
    }
}

struct Deletion {
    targets: PodTargets,
    grace: Option<u32>,
}

impl Deletion {
    async fn delete(&self, dry_run: bool) -> Result<(), FaultError> {
        let cluster = &self.targets.cluster;
        let deletions = self.targets.pods().map(|pod| {
            let params = DeleteParams {
                dry_run,
                grace_period_seconds: self.grace,
                preconditions: Some(Preconditions { uid: Some(pod.uid.clone()), resource_version: None }),
                ..DeleteParams::default()
            };
            let pods = cluster.pods(&self.targets.namespace);
            async move { cluster.bounded(pods.delete(&pod.name, &params)).await.map(|_| ()) }
        });
        let results: Vec<Result<(), AccessError>> = join_all(deletions).await;
        results.into_iter().collect::<Result<(), _>>().map_err(FaultError::from)
    }
}

impl Fault for Deletion {
    fn targets(&self) -> Vec<String> {
        self.targets.names()
    }

    fn uids(&self) -> Vec<String> {
        self.targets.uids()
    }

    fn scope(&self) -> Option<String> {
        Some(self.targets.scope())
    }

    fn undo(&self) -> Vec<UndoData> {
        Vec::new()
    }

    fn remarks(&self) -> Vec<String> {
        self.targets.remarks()
    }

    fn dry_run(&self) -> BoxFuture<'_, Result<(), FaultError>> {
        Box::pin(self.delete(true))
    }

    fn inject(&self) -> BoxFuture<'_, Result<(), FaultError>> {
        Box::pin(self.delete(false))
    }

    fn effect(&self) -> BoxFuture<'_, Effect> {
        Box::pin(self.targets.effect(self.grace == Some(0)))
    }

    fn replacements(&self) -> BoxFuture<'_, Result<Vec<Replacement>, FaultError>> {
        Box::pin(self.targets.replacements())
    }

    fn missing(&self) -> BoxFuture<'_, Result<Option<String>, FaultError>> {
        Box::pin(self.targets.missing())
    }

    fn removes(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_stands_beside_the_kind_is_taken_and_never_twice() {
        let plain = json!({ "cluster": "a", "namespace": "shop", "selector": "app=cart" });
        let mut kind: DeletePods = serde_json::from_value(plain).unwrap();
        assert_eq!(kind.describe(), "gracefully delete all pods matching shop/app=cart (a)");
        let beside = BlastRadius { grace: Some(TimeSpan::secs(0)), count: Some(1), percent: None };
        assert!(kind.apply_blast_radius(beside).is_empty());
        assert_eq!(kind.describe(), "forcibly delete 1 of the pods matching shop/app=cart (a)");
        let keys = |found: Vec<SpecError>| found.into_iter().map(|one| one.key).collect::<Vec<_>>();
        assert_eq!(keys(kind.apply_blast_radius(beside)), ["count", "grace"]);
        assert_eq!(
            keys(
                kind.apply_blast_radius(BlastRadius {
                    percent: Some("50%".parse().unwrap()),
                    ..BlastRadius::default()
                })
            ),
            ["percent"]
        );
        assert_eq!(kind.count, Some(1));
    }
}
