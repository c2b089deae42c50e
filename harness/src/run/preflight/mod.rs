//! Preflight: the one list of questions that `plan` and `run` both ask before anything is injected.
//!
//! A run stops at the first obstacle and takes the lease of every cluster that it breaks. A plan collects all obstacles,
//! takes nothing and changes nothing, and so predicts the exit code of a run.

mod obstacle;
mod permissions;
mod prepare;
mod refusal;

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use meshdrill_checks::criterion::{Claim, DetectionTime};
use meshdrill_checks::exit_code::ExitCode;
use meshdrill_checks::record::SCENARIO;
use meshdrill_checks::units::TimeSpan;

pub use obstacle::Obstacle;
use refusal::Refusal;

use super::ask::CheckRunner;
use super::environment::{first_missing, unconfirmed};
use super::halt::halted;
use super::lease::{self, Account, Held};
use super::recover::leftovers;
use super::{ChangeWindow, Interrupts, WorldSource};
use crate::cluster::{Permission, World, read_now};
use crate::fault::FaultOptions;
use crate::format::{FaultPermission, MeshFile};
use crate::notes::{Note, collect, incomplete};
use crate::plan::{Plan, PlannedProbe};
use crate::probe::{Observer, ProbeError};

/// A probe and what makes its observations.
pub(super) type Prepared = (PlannedProbe, Arc<dyn Observer>);

/// What was found.
#[derive(Default)]
pub struct Findings {
    /// What keeps the run, or parts of it, from taking place, in the order of the questions.
    pub obstacles: Vec<Obstacle>,
    /// One line per fault: its targets and how it is undone.
    pub targets: Vec<String>,
    /// What a reader should know of the targets, such as who else scales them.
    pub remarks: Vec<String>,
    /// What APIs reported about the answers that this rests on.
    pub(crate) notes: Vec<Note>,
    /// The permissions that the run needs; none where the clusters could not be reached.
    pub permissions: BTreeSet<Permission>,
    /// The clusters; none if one could not be reached.
    pub(super) world: Option<World>,
    pub(super) probes: Vec<Prepared>,
    pub(super) check_runners: Vec<CheckRunner>,
}

impl Findings {
    /// Whether a run would not go on.
    pub fn stops(&self) -> bool {
        self.obstacles.iter().any(Obstacle::stops)
    }

    /// The exit code that a run would have because of what was found, if nothing else happened.
    pub fn exit_code(&self) -> ExitCode {
        match self.obstacles.iter().find(|obstacle| obstacle.stops()) {
            Some(obstacle) => obstacle.exit_code(),
            None => ExitCode::merge(self.obstacles.iter().map(Obstacle::exit_code).chain([ExitCode::Pass])),
        }
    }

    /// Whether the mesh file waives all of it, so that it does not count in a suite.
    pub fn is_waived(&self) -> bool {
        self.obstacles.iter().any(Obstacle::is_waived_scenario)
    }

    fn refuse(&mut self, why: impl std::fmt::Display) {
        self.obstacles.push(Obstacle::Refused(why.to_string()));
    }

    fn note<T, E: std::fmt::Display>(&mut self, answer: Result<T, E>) -> Option<T> {
        answer.map_err(|error| self.refuse(error)).ok()
    }
}

/// Who asks, and so what an obstacle leads to.
pub(super) enum Mode<'a> {
    /// A plan: all obstacles, and nothing is taken.
    Look,
    /// A run: ends at the first obstacle, takes leases. Those that were taken are in `leases` even when it ends.
    Take { holder: &'a str, account: &'a Account, interrupts: &'a Interrupts, leases: &'a mut Vec<Held> },
}

/// Asks the clusters everything that a run would ask, without a run.
pub async fn look(plan: &Plan, source: &WorldSource) -> Findings {
    let now = crate::run::Clock::start(&source.net).wall();
    preflight(plan, source, None, now, Mode::Look).await
}

/// Asks the list. What APIs report about their answers is among the findings.
pub(super) async fn preflight(
    plan: &Plan,
    source: &WorldSource,
    window: Option<ChangeWindow>,
    now: Timestamp,
    mode: Mode<'_>,
) -> Findings {
    let (mut found, notes) = collect(Box::pin(ask(plan, source, window, now, mode))).await;
    for note in notes {
        if !found.notes.contains(&note) {
            found.notes.push(note);
        }
    }
    found
}

async fn ask(
    plan: &Plan,
    source: &WorldSource,
    window: Option<ChangeWindow>,
    now: Timestamp,
    mut mode: Mode<'_>,
) -> Findings {
    let mut found = Findings::default();
    let ends = matches!(mode, Mode::Take { .. });
    let goes_on = |found: &Findings| !(ends && found.stops());
    if let Some(why) = window.filter(|_| plan.is_drill()).and_then(|window| window.forbids(now, plan.duration().0)) {
        found.refuse(why);
    }
    found.note(declared(plan, source.mesh.as_deref()));
    if !goes_on(&found) {
        return found;
    }
    let Some(world) = found.note(source.connect_for(plan).await) else { return found };
    let today = now.to_zoned(TimeZone::UTC).date();
    let questions = Questions { plan, world: &world, today, shares: source.shares_for(plan) };
    found.permissions = permissions::needed(plan, &world, questions.namespace(), today);
    let permitted = questions.permitted(&found.permissions).await;
    found.note(permitted);
    if !goes_on(&found) {
        return found;
    }
    if let Some(missing) = first_missing(&plan.needs, &world, today).await {
        found.obstacles.push(missing.of(SCENARIO));
        return found;
    }
    if let Some(missing) = unconfirmed(plan, &world) {
        found.obstacles.push(missing.of(SCENARIO));
        return found;
    }
    found.note(questions.unhalted().await);
    if goes_on(&found) {
        questions.unlocked(&mut mode, &mut found).await;
    }
    if goes_on(&found) {
        questions.resolvable(&mut found).await;
    }
    if goes_on(&found) {
        questions.measurable(&mut found).await;
    }
    found.world = Some(world);
    found
}

/// The mesh file allows it. Asked before anything is contacted.
fn declared(plan: &Plan, mesh: Option<&MeshFile>) -> Result<(), Refusal> {
    for key in &plan.broken {
        let Some(cluster) = mesh.and_then(|mesh| mesh.spec.clusters.get(key)) else { continue };
        if cluster.faults == FaultPermission::Forbidden {
            return Err(Refusal::Forbidden(key.clone()));
        }
        if cluster.uid.is_none() {
            return Err(Refusal::Unpinned(key.clone()));
        }
    }
    Ok(())
}

/// What is asked of the clusters.
struct Questions<'a> {
    plan: &'a Plan,
    world: &'a World,
    today: Date,
    /// Whether checks may use what those of other validations have read.
    shares: bool,
}

impl Questions<'_> {
    fn namespace(&self) -> &str {
        self.world.state_namespace()
    }

    /// The credentials allow it.
    async fn permitted(&self, needed: &BTreeSet<Permission>) -> Result<(), Refusal> {
        let missing = permissions::missing(self.world, needed).await?;
        if missing.is_empty() { Ok(()) } else { Err(Refusal::NotPermitted(missing)) }
    }

    /// Nobody has halted the clusters.
    async fn unhalted(&self) -> Result<(), Refusal> {
        for key in &self.plan.broken {
            if let Some(by) = halted(self.world.cluster(key)?, self.namespace()).await? {
                return Err(Refusal::Halted { cluster: key.clone(), by });
            }
        }
        Ok(())
    }

    /// One run at a time breaks a cluster, and none before the leftovers of earlier ones are gone.
    async fn unlocked(&self, mode: &mut Mode<'_>, found: &mut Findings) {
        for key in &self.plan.broken {
            let Some(cluster) = found.note(self.world.cluster(key)) else { continue };
            let answer = match mode {
                Mode::Look => lease::free(cluster, self.namespace()).await,
                Mode::Take { holder, account, interrupts, leases } => {
                    lease::acquire(cluster, self.namespace(), holder, Some(account), None, interrupts)
                        .await
                        .map(|held| leases.push(held))
                }
            };
            if found.note(answer).is_none() && matches!(mode, Mode::Take { .. }) {
                return;
            }
        }
        for key in &self.plan.broken {
            let Some(cluster) = found.note(self.world.cluster(key)) else { continue };
            let Some(left) = found.note(leftovers(cluster, self.namespace()).await) else { continue };
            if let Some(first) = left.first() {
                let (undo, run) = (first.undo.to_string(), first.run.clone());
                found.refuse(Refusal::Leftovers { cluster: key.clone(), count: left.len(), undo, run });
            }
        }
    }

    /// Every fault has a target and an undo, and the cluster would accept it. Where it may not be injected anyway, the
    /// cluster is not asked to accept it.
    async fn resolvable(&self, found: &mut Findings) {
        let refused = found.stops();
        for planned in &self.plan.faults {
            let options = FaultOptions { seed: planned.seed, ..FaultOptions::default() };
            let (resolved, notes) = collect(planned.kind.as_behavior().resolve(self.world, options)).await;
            let fault = match resolved {
                Ok(fault) => fault,
                Err(error) => {
                    found.refuse(Refusal::Fault { id: planned.id.clone(), source: error });
                    continue;
                }
            };
            // Targets of a part of the objects would not be those that the scenario means.
            if let Some(partial) = incomplete(&notes) {
                found.refuse(format!("fault {}: its targets are not known for certain: {partial}", planned.id));
            }
            found.notes.extend(notes);
            if !refused && let Err(error) = fault.dry_run().await {
                found.refuse(Refusal::Fault { id: planned.id.clone(), source: error });
            }
            found.remarks.extend(fault.remarks());
            let undos: Vec<String> = fault.undo().iter().map(ToString::to_string).collect();
            let undo = if undos.is_empty() { "none needed".to_owned() } else { undos.join("; ") };
            let again = planned.repeat.map_or("", |_| "; later rounds select their targets when they start");
            let scope = fault.scope().map_or_else(String::new, |scope| format!("{scope}: "));
            let targets = fault.targets().join(", ");
            found.targets.push(format!("{}: {scope}{targets}{again}; undo: {undo}", planned.id));
        }
    }

    /// Every probe can be asked, and no criterion is infeasible. A validation judges what it can; a drill must not break
    /// what it cannot watch.
    async fn measurable(&self, found: &mut Findings) {
        // A probe shows the mesh as it is while it is sampled.
        let (probes, obstacles) = read_now(prepare::probes(self.plan, self.world, self.today)).await;
        let unwatched = self.plan.is_drill() && probes.is_empty() && !self.plan.probes.is_empty();
        let reasons: Vec<(&str, bool)> = obstacles
            .iter()
            .filter_map(|obstacle| match obstacle {
                Obstacle::NotRun { reason, waived, .. } => Some((reason.as_str(), *waived)),
                Obstacle::Refused(_) | Obstacle::Infeasible { .. } | Obstacle::Unprepared { .. } => None,
            })
            .collect();
        let unwatched = unwatched.then(|| reasons.first().map(|(reason, _)| (*reason).to_owned())).flatten();
        let waived = reasons.iter().all(|(_, waived)| *waived);
        let failed: Vec<String> = obstacles
            .iter()
            .filter(|obstacle| matches!(obstacle, Obstacle::Unprepared { .. }))
            .map(ToString::to_string)
            .collect();
        found.obstacles.extend(obstacles);
        if self.plan.is_drill() && !failed.is_empty() {
            found.refuse(failed.join("; "));
        } else if let Some(reason) = unwatched {
            found.obstacles.push(Obstacle::NotRun { id: SCENARIO.to_owned(), reason, waived });
        }
        if let Some((infeasible, remarks)) = found.note(infeasible(self.plan, &probes).await) {
            found.obstacles.extend(infeasible);
            found.remarks.extend(remarks);
        }
        let (check_runners, obstacles) = prepare::checks(self.plan, self.world, self.today, self.shares).await;
        found.obstacles.extend(obstacles);
        (found.probes, found.check_runners) = (probes, check_runners);
    }
}

/// The criteria whose target lies below the floor of what they wait for: no run can meet them, so none is made. And remarks about
/// those whose fault is held for less than that.
async fn infeasible(plan: &Plan, probes: &[Prepared]) -> Result<(Vec<Obstacle>, Vec<String>), ProbeError> {
    let (mut found, mut remarks) = (Vec::new(), Vec::new());
    let held = longest_effect(plan);
    for criterion in &plan.criteria {
        let Claim::DetectionTime(DetectionTime { target, .. }) = &criterion.claim else { continue };
        let Some((_, observer)) = probes.iter().find(|(probe, _)| probe.name == criterion.subject.name()) else {
            continue;
        };
        let Some(floor) = observer.min_detection_time().await? else { continue };
        let (id, least) = (&criterion.id, TimeSpan(floor.total));
        if floor.total > target.0 {
            let why = format!("at least {least} ({}), the target is {target}", floor.parts);
            found.push(Obstacle::Infeasible { criterion: id.clone(), why });
        } else if let Some(held) = held.filter(|held| held.0 < floor.total) {
            remarks.push(format!(
                "{id}: the fault is held for {held}, and detection takes at least {least} ({}): it is detected only if what the alert watches outlasts the fault; hold it longer",
                floor.parts
            ));
        }
    }
    Ok((found, remarks))
}

/// How long the longest fault is held; none if one ends by itself, at a time that nobody knows before.
fn longest_effect(plan: &Plan) -> Option<TimeSpan> {
    let sustained = plan.faults.iter().all(|fault| fault.kind.as_behavior().sustained());
    plan.faults.iter().map(|fault| fault.hold).max().filter(|_| sustained)
}
