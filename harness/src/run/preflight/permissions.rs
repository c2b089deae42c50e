//! Whether everything a run will do is permitted: the faults, their undo, the lease and the records.

use std::collections::BTreeSet;

use futures::future::join_all;
use jiff::civil::Date;

use crate::cluster::{AccessError, Permission, World};
use crate::plan::Plan;
use crate::run::environment::{is_without, to_look};

/// Every permission a plan needs; none for parts that do not run because the mesh file declares something as missing.
pub(super) fn needed(plan: &Plan, world: &World, namespace: &str, today: Date) -> BTreeSet<Permission> {
    let Some(mesh) = world.mesh.as_ref().map(|mesh| &mesh.spec) else { return BTreeSet::new() };
    let runs = |needs: &[String]| !needs.iter().any(|need| is_without(need, mesh, today));
    if !runs(&plan.needs) {
        return BTreeSet::new();
    }
    let effects = plan.faults.iter().flat_map(|fault| &fault.effect);
    let checks = plan.checks.iter().chain(effects).map(|check| (&check.kind, &check.needs));
    let kinds = plan.probes.iter().map(|probe| (&probe.kind, &probe.needs)).chain(checks);
    let kinds: Vec<_> = kinds.filter(|(_, needs)| runs(needs)).collect();
    let needs = kinds.iter().flat_map(|(_, needs)| needs.iter()).chain(&plan.needs);
    let mut all: BTreeSet<Permission> = needs.flat_map(|need| to_look(need, &world.clusters, mesh)).collect();
    all.extend(kinds.iter().flat_map(|(kind, _)| kind.as_observation().permissions(mesh)));
    all.extend(plan.faults.iter().flat_map(|fault| fault.kind.as_behavior().permissions(mesh)));
    for cluster in &plan.broken {
        let need = |group, resource, verb| Permission::new(cluster, namespace, group, resource, verb);
        all.extend(["get", "create", "update", "delete"].map(|verb| need("coordination.k8s.io", "leases", verb)));
        all.extend(["get", "list", "create", "patch", "delete"].map(|verb| need("", "configmaps", verb)));
    }
    all
}

/// The permissions that are missing.
pub(super) async fn missing(world: &World, permissions: &BTreeSet<Permission>) -> Result<Vec<Permission>, AccessError> {
    let asked = permissions.iter().map(|permission| async move {
        let permitted = world.cluster(&permission.cluster)?.permits(permission).await?;
        Ok((!permitted).then(|| permission.clone()))
    });
    let answers: Vec<Result<Option<Permission>, AccessError>> = join_all(asked).await;
    answers.into_iter().filter_map(Result::transpose).collect()
}
