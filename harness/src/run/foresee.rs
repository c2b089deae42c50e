//! What a plan would meet in the clusters as they are now: targets, undos, missing permissions, targets that no run can
//! meet. Asks only; the same questions that preflight asks, without a run.

use std::sync::Arc;

use meshdrill_checks::criterion::Claim;
use meshdrill_checks::units::TimeSpan;

use super::permissions;
use super::preflight::Prepared;
use crate::cluster::World;
use crate::fault::Options;
use crate::plan::Plan;
use crate::probe::{CannotAsk, Role};

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Foreseen {
    /// One line per fault: its targets and how it is undone, or why there is none.
    pub faults: Vec<String>,
    /// What would keep a run from beginning: what is not permitted, not there, or could not be asked.
    pub obstacles: Vec<String>,
    /// What a reader should know of the targets, such as who else scales them.
    pub remarks: Vec<String>,
    /// Criteria that no run on this mesh can meet, each with what stands against it.
    pub infeasible: Vec<(String, String)>,
}

/// Asks the clusters.
pub async fn foresee(plan: &Plan, world: &World) -> Foreseen {
    let mut found = Foreseen::default();
    let today = world.clock.wall().to_zoned(jiff::tz::TimeZone::UTC).date();
    let namespace = world.mesh.as_ref().map_or("istio-system", |mesh| mesh.spec.state_namespace.as_str());
    match permissions::missing(world, permissions::needed(plan, world, namespace, today)).await {
        Ok(missing) => found.obstacles.extend(missing.into_iter().map(|what| format!("not permitted: {what}"))),
        Err(error) => found.obstacles.push(error.to_string()),
    }
    for planned in &plan.faults {
        let line =
            match planned.kind.as_role().resolve(world, Options { seed: planned.seed, ..Options::default() }).await {
                Err(error) => {
                    found.obstacles.push(format!("fault {}: {error}", planned.id));
                    continue;
                }
                Ok(fault) => {
                    found.remarks.extend(fault.remarks());
                    let undos: Vec<String> = fault.undo().iter().map(ToString::to_string).collect();
                    let undo = if undos.is_empty() { "nothing".to_owned() } else { undos.join("; ") };
                    let anew = planned.repeat.map_or("", |_| ", the next ones picked when their time comes");
                    format!("{}: {}{anew}; undone by: {undo}", planned.id, fault.targets().join(", "))
                }
            };
        found.faults.push(line);
    }
    let mut prepared: Vec<Prepared> = Vec::new();
    for probe in &plan.probes {
        match probe.kind.as_kind().prepare(world, Role::Probe).await {
            Ok(observer) => prepared.push((probe.clone(), Arc::from(observer))),
            Err(error) => found.obstacles.push(format!("probe {} cannot start: {error}", probe.name)),
        }
    }
    match infeasible(plan, &prepared).await {
        Ok(infeasible) => found.infeasible = infeasible,
        Err(error) => found.obstacles.push(error.to_string()),
    }
    found
}

/// The criteria whose target lies below the floor of what they wait for, and why.
pub(super) async fn infeasible(plan: &Plan, probes: &[Prepared]) -> Result<Vec<(String, String)>, CannotAsk> {
    let mut found = Vec::new();
    for criterion in &plan.criteria {
        let Claim::DetectionTime { target, .. } = &criterion.claim else { continue };
        let Some((_, observer)) = probes.iter().find(|(probe, _)| probe.name == criterion.subject.name()) else {
            continue;
        };
        if let Some(floor) = observer.floor().await?.filter(|floor| floor.total > target.0) {
            let why = format!("{} at the least ({}), the target is {target}", TimeSpan(floor.total), floor.parts);
            found.push((criterion.id.clone(), why));
        }
    }
    Ok(found)
}
