//! Whether everything a run will do is permitted: the faults, their undo, the lease and the records.

use std::collections::BTreeSet;

use futures::future::join_all;
use serde_json::{Value, json};

use crate::cluster::{AccessError, World};
use crate::plan::Plan;
use crate::probe::Permission;

/// Every permission a plan needs.
pub(super) fn needed(plan: &Plan, namespace: &str) -> BTreeSet<Permission> {
    let kinds = plan.probes.iter().map(|probe| &probe.kind).chain(plan.checks.iter().map(|check| &check.kind));
    let mut all: BTreeSet<Permission> = kinds.flat_map(|kind| kind.as_kind().permissions()).collect();
    all.extend(plan.faults.iter().flat_map(|fault| fault.kind.as_role().permissions()));
    for cluster in &plan.broken {
        let need = |group, resource, verb| Permission::new(cluster, namespace, group, resource, verb);
        all.extend(["get", "create", "update", "delete"].map(|verb| need("coordination.k8s.io", "leases", verb)));
        all.extend(["get", "list", "create", "patch", "delete"].map(|verb| need("", "configmaps", verb)));
    }
    all
}

/// The permissions that are missing, in words.
pub(super) async fn missing(world: &World, permissions: BTreeSet<Permission>) -> Result<Vec<String>, AccessError> {
    let asked = permissions.into_iter().map(|permission| async move {
        let cluster = world.cluster(&permission.cluster)?;
        let (resource, subresource) = permission.resource.split_once('/').unwrap_or((&permission.resource, ""));
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": { "resourceAttributes": {
                "namespace": permission.namespace, "verb": permission.verb, "group": permission.group,
                "resource": resource, "subresource": subresource
            } }
        });
        let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
        let answer: Value = cluster.send(http::Method::POST, path, "application/json", &review).await?;
        let allowed = answer["status"]["allowed"] == true;
        let place =
            if permission.namespace.is_empty() { "all namespaces".to_owned() } else { permission.namespace.clone() };
        Ok((!allowed)
            .then(|| format!("{} {} in {place} of {}", permission.verb, permission.resource, permission.cluster)))
    });
    let answers: Vec<Result<Option<String>, AccessError>> = join_all(asked).await;
    answers.into_iter().filter_map(Result::transpose).collect()
}
