//! Observers of probes and checks. A probe that cannot be prepared is an obstacle; a check reports it when it is asked.

use std::sync::Arc;

use futures::future::join_all;
use jiff::civil::Date;

use super::{Obstacle, Prepared};
use crate::cluster::World;
use crate::plan::{Plan, PlannedCheck};
use crate::probe::{Observer, ProbeError, Role, prepare};
use crate::run::ask::CheckRunner;
use crate::run::environment::first_missing;
use crate::spec::Stage;

/// The probes of a plan with their observers, and what keeps the others from starting.
pub(super) async fn probes(plan: &Plan, world: &World, today: Date) -> (Vec<Prepared>, Vec<Obstacle>) {
    let prepared = plan.probes.iter().map(|probe| async move {
        if let Some(missing) = first_missing(&probe.needs, world, today).await {
            return Err(missing.of(&probe.name));
        }
        match prepare(&probe.kind, world, Role::Probe).await {
            Ok(observer) => Ok((probe.clone(), Arc::from(observer))),
            Err(error) => Err(Obstacle::Unprepared { probe: probe.name.clone(), why: error.to_string() }),
        }
    });
    divided(join_all(prepared).await)
}

/// Observers of all checks. One that cannot be prepared is asked like the others, and reports why.
pub(super) async fn checks(plan: &Plan, world: &World, today: Date, shares: bool) -> (Vec<CheckRunner>, Vec<Obstacle>) {
    let effects = plan.faults.iter().flat_map(|fault| &fault.effect);
    let prepared = plan.checks.iter().chain(effects).map(|check| async move {
        if let Some(missing) = first_missing(&check.needs, world, today).await {
            return Err(missing.of(&check.id));
        }
        let lazy = LazyObserver { check: check.clone(), world: world.clone(), made: tokio::sync::OnceCell::new() };
        if check.kind.as_observation().has_baseline(lazy.role()) {
            lazy.make().await.ok();
        }
        let observer: Arc<dyn Observer> = Arc::new(lazy);
        Ok(CheckRunner { check: check.clone(), observer, shares })
    });
    divided(join_all(prepared).await)
}

/// What is ready, and what keeps the rest from it.
fn divided<T>(results: Vec<Result<T, Obstacle>>) -> (Vec<T>, Vec<Obstacle>) {
    let mut ready = Vec::new();
    let mut obstacles = Vec::new();
    for result in results {
        match result {
            Ok(one) => ready.push(one),
            Err(obstacle) => obstacles.push(obstacle),
        }
    }
    (ready, obstacles)
}

/// An observer that is made at its first question: the object it asks about may not exist before.
struct LazyObserver {
    check: PlannedCheck,
    world: World,
    made: tokio::sync::OnceCell<Box<dyn Observer>>,
}

impl LazyObserver {
    fn role(&self) -> Role {
        if self.check.stage == Stage::Recovered { Role::Recovered } else { Role::Check }
    }

    async fn make(&self) -> Result<&dyn Observer, ProbeError> {
        let make = || prepare(&self.check.kind, &self.world, self.role());
        let made = self.made.get_or_try_init(make).await?;
        Ok(made.as_ref())
    }
}

impl Observer for LazyObserver {
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
