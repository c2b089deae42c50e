//! Preflight: everything that must be true before anything is touched. What fails here ends the run with nothing
//! injected.

use std::sync::Arc;

use futures::future::join_all;
use meshdrill_checks::record::Event;

use super::ask::Asker;
use super::environment::first_missing;
use super::foresee::infeasible;
use super::halt::halted;
use super::lease::{self, Held};
use super::recover::leftovers;
use super::{Interrupts, Recorder, permissions};
use crate::cluster::World;
use crate::plan::{Plan, PlannedCheck, PlannedProbe};
use crate::probe::{CannotAsk, Observer, Role};
use crate::spec::{FaultPermission, MeshFile};

/// A probe and what makes its observations.
pub(super) type Prepared = (PlannedProbe, Arc<dyn Observer>);

/// What a run goes on with.
pub(super) struct Ready {
    pub probes: Vec<Prepared>,
    pub askers: Vec<Asker>,
    pub leases: Vec<Held>,
}

/// Why a run does not go on.
pub(super) enum Stop {
    /// Nothing may be injected.
    Refused(String),
    /// The environment lacks what the whole scenario needs, or a criterion is infeasible; the record says it.
    NotRun,
}

impl<E: std::fmt::Display> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Refused(error.to_string())
    }
}

/// Goes through preflight. Leases that were taken are in `leases` even when it fails.
pub(super) async fn preflight(
    plan: &Plan,
    world: &World,
    recorder: &Recorder,
    holder: &str,
    interrupts: &Interrupts,
    leases: &mut Vec<Held>,
) -> Result<Ready, Stop> {
    let today = recorder.clock().wall().to_zoned(jiff::tz::TimeZone::UTC).date();
    let namespace = world.mesh.as_ref().map_or("istio-system", |mesh| mesh.spec.state_namespace.as_str());
    permitted(plan, world, namespace, today).await?;
    if let Some(missing) = first_missing(&plan.needs, world, today).await {
        missing.record(recorder, "scenario");
        return Err(Stop::NotRun);
    }
    unhalted(plan, world, namespace).await?;
    lock(plan, world, namespace, holder, interrupts, leases).await?;
    let probes = prepare_probes(plan, world, recorder, today).await?;
    // No run can meet a target below the floor of what it waits for, so none is made.
    let infeasible = infeasible(plan, &probes).await?;
    for (criterion, why) in &infeasible {
        recorder.event(Event::Infeasible { criterion: criterion.clone(), why: why.clone() });
    }
    if !infeasible.is_empty() {
        return Err(Stop::NotRun);
    }
    let askers = prepare_checks(plan, world, recorder, today).await;
    if probes.is_empty() && plan.is_drill() && !plan.probes.is_empty() {
        return Err(Stop::NotRun);
    }
    Ok(Ready { probes, askers, leases: std::mem::take(leases) })
}

/// The mesh file allows it. Asked before anything is contacted.
pub(super) fn declared(plan: &Plan, mesh: Option<&MeshFile>) -> Result<(), Stop> {
    for key in &plan.broken {
        let Some(cluster) = mesh.and_then(|mesh| mesh.spec.clusters.get(key)) else { continue };
        if cluster.faults == FaultPermission::Forbidden {
            return Err(Stop::Refused(format!(
                "cluster `{key}` may not be broken: the mesh file says `faults: forbidden`; set it to `allowed` if that is meant"
            )));
        }
        if cluster.uid.is_none() {
            return Err(Stop::Refused(format!(
                "cluster `{key}` is not pinned: the mesh file names no `uid` for it, so a changed context would go unnoticed; run `meshdrill mesh init`"
            )));
        }
    }
    Ok(())
}

/// The clusters allow it.
async fn permitted(plan: &Plan, world: &World, namespace: &str, today: jiff::civil::Date) -> Result<(), Stop> {
    let missing = permissions::missing(world, permissions::needed(plan, world, namespace, today)).await?;
    if missing.is_empty() {
        return Ok(());
    }
    Err(Stop::Refused(format!(
        "the credentials do not permit: {}; grant these, or use other credentials",
        missing.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    )))
}

/// Nobody has halted the clusters.
async fn unhalted(plan: &Plan, world: &World, namespace: &str) -> Result<(), Stop> {
    for key in &plan.broken {
        if let Some(by) = halted(world.cluster(key)?, namespace).await? {
            return Err(Stop::Refused(format!("cluster `{key}` is halted by {by}; lift it with `meshdrill resume`")));
        }
    }
    Ok(())
}

/// One run at a time breaks a cluster, and none before the leftovers of earlier ones are gone.
async fn lock(
    plan: &Plan,
    world: &World,
    namespace: &str,
    holder: &str,
    interrupts: &Interrupts,
    leases: &mut Vec<Held>,
) -> Result<(), Stop> {
    for key in &plan.broken {
        leases.push(lease::acquire(world.cluster(key)?, namespace, holder, false, interrupts).await?);
    }
    for key in &plan.broken {
        let left = leftovers(world.cluster(key)?, namespace).await?;
        if let Some(first) = left.first() {
            return Err(Stop::Refused(format!(
                "cluster `{key}` has leftovers of {} earlier run(s), such as {} of {}; undo them with `meshdrill recover`, or give --clean",
                left.len(),
                first.undo,
                first.run
            )));
        }
    }
    Ok(())
}

async fn prepare_probes(
    plan: &Plan,
    world: &World,
    recorder: &Recorder,
    today: jiff::civil::Date,
) -> Result<Vec<Prepared>, Stop> {
    let prepared = plan.probes.iter().map(|probe| async move {
        if let Some(missing) = first_missing(&probe.needs, world, today).await {
            missing.record(recorder, &probe.name);
            return Ok(None);
        }
        let observer =
            probe.kind.as_kind().prepare(world, Role::Probe).await.map_err(|error| (probe.name.clone(), error))?;
        Ok(Some((probe.clone(), Arc::from(observer))))
    });
    let results: Vec<Result<Option<Prepared>, (String, CannotAsk)>> = join_all(prepared).await;
    let mut ready = Vec::new();
    let mut failures = Vec::new();
    for result in results {
        match result {
            Ok(probe) => ready.extend(probe),
            Err((probe, error)) => {
                recorder.event(Event::ProbeFailed { probe: probe.clone(), why: error.to_string() });
                failures.push(format!("probe {probe} cannot start: {error}"));
            }
        }
    }
    // A validation judges what it can; a drill must not break what it cannot watch.
    if failures.is_empty() || !plan.is_drill() { Ok(ready) } else { Err(Stop::Refused(failures.join("; "))) }
}

/// Observers of all checks. One that cannot be made is asked like the others, and says why it cannot.
async fn prepare_checks(plan: &Plan, world: &World, recorder: &Recorder, today: jiff::civil::Date) -> Vec<Asker> {
    let effects = plan.faults.iter().flat_map(|fault| &fault.effect);
    let prepared = plan.checks.iter().chain(effects).map(|check| async move {
        if let Some(missing) = first_missing(&check.needs, world, today).await {
            missing.record(recorder, &check.id);
            return None;
        }
        let late = Late { check: check.clone(), world: world.clone(), made: tokio::sync::OnceCell::new() };
        if check.kind.as_kind().has_baseline() {
            late.make().await.ok();
        }
        let observer: Arc<dyn Observer> = Arc::new(late);
        Some(Asker { check: check.clone(), observer })
    });
    join_all(prepared).await.into_iter().flatten().collect()
}

/// An observer that is made when it is first asked: what it asks about may only come to be while the run goes on.
struct Late {
    check: PlannedCheck,
    world: World,
    made: tokio::sync::OnceCell<Box<dyn Observer>>,
}

impl Late {
    async fn make(&self) -> Result<&dyn Observer, CannotAsk> {
        let made = self.made.get_or_try_init(|| self.check.kind.as_kind().prepare(&self.world, Role::Check)).await?;
        Ok(made.as_ref())
    }
}

impl Observer for Late {
    fn observe(
        &self,
        series: meshdrill_checks::record::Series,
    ) -> futures::future::BoxFuture<'_, crate::probe::Outcome> {
        Box::pin(async move {
            match self.make().await {
                Ok(observer) => observer.observe(series).await,
                Err(error) => error.into(),
            }
        })
    }

    fn causes<'a>(&'a self, outcome: &'a crate::probe::Outcome) -> futures::future::BoxFuture<'a, Vec<String>> {
        Box::pin(async move {
            match self.made.get() {
                Some(observer) => observer.causes(outcome).await,
                None => Vec::new(),
            }
        })
    }
}
