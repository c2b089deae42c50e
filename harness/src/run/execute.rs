//! One run from its plan to its reports.

use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::FutureExt as _;
use meshdrill_checks::record::{
    Change, CheckHeader, Event, FaultHeader, FaultWindow, Header, Identity, Phase, ProbeHeader, RECORD_SCHEMA, Record,
    SCENARIO,
};
use meshdrill_checks::score::score;
use meshdrill_checks::scorecard::Scorecard;
use tokio::sync::Mutex;

use super::annotate::Annotator;
use super::context::{FaultContext, Injected, Noted, UndoTimes};
use super::control;
use super::drill::Drill;
use super::identity::{identify, identity};
use super::lease::{Account, Held};
use super::preflight::{Findings, Mode, preflight};
use super::sampler::most_in_flight;
use super::validation::validate;
use super::{ChangeWindow, Clock, Interrupts, Journal, Progress, Recorder, RunDir, WorldSource};
use crate::cluster::World;
use crate::net::make_room;
use crate::plan::Plan;
use crate::reporting::{write_evidence, write_reports};
use crate::spec::Stage;

/// How a run is carried out.
pub struct RunOptions {
    /// Folder for run directories.
    pub runs: PathBuf,
    /// Shown while it goes on.
    pub progress: Box<dyn Progress>,
    /// Ends it early.
    pub interrupts: Interrupts,
    /// The change that it is part of.
    pub change: Change,
    /// The only time in which something may be broken.
    pub window: Option<ChangeWindow>,
}

/// A finished run.
#[derive(Debug)]
pub struct Finished {
    /// Its directory.
    pub dir: RunDir,
    /// Its record.
    pub record: Record,
    /// Its judgement.
    pub scorecard: Scorecard,
    /// Whether it was not even begun, because of another run of the same command.
    pub left_out: bool,
}

/// Makes the directory of a run, with its plan.
async fn begin(
    plan: &Plan,
    source: &WorldSource,
    runs: &Path,
    change: Change,
) -> std::io::Result<(RunDir, Clock, Header)> {
    let clock = Clock::start(&source.net);
    let id = uuid::Uuid::now_v7().to_string();
    let time = clock.wall().strftime("%Y%m%dT%H%M%SZ").to_string();
    let dir = RunDir::create(runs, &time, &plan.title(), &id)?;
    dir.write("plan.yaml", plan_yaml(plan).as_bytes())?;
    let identity = identity(plan, source).await;
    let header = Header { change, identity, ..header(plan, source, &id, &clock) };
    Ok((dir, clock, header))
}

/// Runs a plan to its end, whatever happens, and writes record and reports. An error is one of this machine's disk.
pub async fn execute(plan: &Plan, source: &WorldSource, options: RunOptions) -> std::io::Result<Finished> {
    let (dir, clock, header) = begin(plan, source, &options.runs, options.change).await?;
    // Whatever happens to this process, there is a report that is not green.
    let change = header.change.clone();
    let (id, skeleton) = (header.id.clone(), skeleton(&header));
    write_reports(&dir, &skeleton, &score(&skeleton))?;
    let (recorder, task) = Recorder::open(&dir, header, clock, options.progress)?;
    let (interrupts, window) = (options.interrupts, options.window);
    let annotator = Annotator::start(plan, source, &recorder);
    let run = Run { plan, source, dir: &dir, recorder: recorder.clone(), interrupts, window, change, id };
    if AssertUnwindSafe(run.go()).catch_unwind().await.is_err() {
        recorder.event(Event::Crashed { why: "the runner panicked; this is a bug of meshdrill".to_owned() });
    }
    if let Some(annotator) = annotator {
        annotator.finish(&recorder).await;
    }
    recorder.event(Event::Finished);
    drop(run);
    let record = recorder.close().await?;
    let _ = task.await;
    let scorecard = score(&record);
    write_all(&dir, &record, &scorecard)?;
    Ok(Finished { dir, record, scorecard, left_out: false })
}

/// Writes the record and reports of a plan that does not run, because of another run of the same command.
pub async fn leave_out(plan: &Plan, source: &WorldSource, options: RunOptions, why: &str) -> std::io::Result<Finished> {
    let (dir, clock, header) = begin(plan, source, &options.runs, options.change).await?;
    let (recorder, task) = Recorder::open(&dir, header, clock, options.progress)?;
    recorder.event(Event::NotRun { id: SCENARIO.to_owned(), reason: why.to_owned(), waived: false });
    recorder.event(Event::Finished);
    let record = recorder.close().await?;
    let _ = task.await;
    let scorecard = score(&record);
    write_all(&dir, &record, &scorecard)?;
    Ok(Finished { dir, record, scorecard, left_out: true })
}

/// Writes everything that is made of a record. The manifest is the last: a directory without one is that of a run that was killed.
fn write_all(dir: &RunDir, record: &Record, scorecard: &Scorecard) -> std::io::Result<()> {
    write_reports(dir, record, scorecard)?;
    write_evidence(dir, record, scorecard)
}

struct Run<'a> {
    plan: &'a Plan,
    source: &'a WorldSource,
    dir: &'a RunDir,
    recorder: Recorder,
    interrupts: Interrupts,
    window: Option<ChangeWindow>,
    change: Change,
    id: String,
}

impl Run<'_> {
    async fn go(&self) {
        self.recorder.event(Event::Phase { phase: Phase::Preflight });
        for warning in &self.plan.warnings {
            self.recorder.note(warning.to_string());
        }
        let mut leases: Vec<Held> = Vec::new();
        let prepared = self.interrupts.run_until_cancelled(self.prepare(&mut leases)).await;
        match prepared {
            Err(by) => self.recorder.event(Event::Interrupted { by, injected: false }),
            Ok(found) => {
                found.obstacles.iter().for_each(|obstacle| self.recorder.event(obstacle.event()));
                found.notes.iter().for_each(|note| self.recorder.note(format!("preflight: {note}")));
                if !found.stops()
                    && let Some(world) = found.world.clone()
                {
                    let _control = control::watch(self.plan, self.source, &world, &self.recorder);
                    if self.plan.is_drill() {
                        self.drill(world, &found).await;
                    } else {
                        validate(self.plan, &found, &self.recorder, &self.interrupts).await;
                    }
                }
            }
        }
        for lease in leases {
            if let Err(error) = lease.release().await {
                self.recorder.note(format!("a lease could not be released; it expires by itself: {error}"));
            }
        }
        let moved = self.recorder.clock().moved();
        let step = moved.unsigned_abs();
        if !self.source.lab {
            self.recorder.event(Event::ClockChecked { moved: (moved.as_secs_f64() * 1e6).round() / 1e6 });
        }
        if !self.source.lab && step > std::time::Duration::from_secs(2) {
            self.recorder.note(format!("the machine's wall clock moved by {} s against its monotonic clock during the run; durations are not affected", step.as_secs()));
        }
    }

    async fn prepare(&self, leases: &mut Vec<Held>) -> Findings {
        self.make_room();
        let holder = format!("{}@{}", self.id, hostname());
        let account = Account {
            scenario: self.plan.title(),
            by: self.change.by.clone(),
            ticket: self.change.ticket.clone(),
            phase: self.recorder.phase(),
        };
        let mode = Mode::Take { holder: &holder, account: &account, interrupts: &self.interrupts, leases };
        let wall = self.recorder.clock().wall();
        let prepared = async {
            let found = preflight(self.plan, self.source, self.window, wall, mode).await;
            if let Some(world) = &found.world {
                identify(world, self.source.lab, &self.recorder).await;
            }
            found
        };
        self.source.sharing(self.plan, Box::pin(prepared)).await
    }

    /// Makes room for as many sockets as the probes may hold open at once.
    fn make_room(&self) {
        if self.source.lab {
            return;
        }
        let wanted = self.plan.probes.iter().map(|probe| most_in_flight(probe) * probe.series.len()).sum();
        let allowed = make_room(wanted);
        if wanted > allowed {
            self.recorder.note(format!(
                "this process may open {allowed} sockets, and its probes may need {wanted}; a sample without a free socket becomes `not-sent`: raise `ulimit -n`"
            ));
        }
    }

    async fn drill(&self, world: World, ready: &Findings) {
        let namespace = world.state_namespace().to_owned();
        let journal = match Journal::open(&self.dir.file("journal.jsonl"), &self.id, &self.plan.name, &namespace) {
            Ok(journal) => journal,
            Err(error) => {
                let why = format!("the undo journal cannot be written: {error}");
                return self.recorder.event(Event::Refused { why });
            }
        };
        let context = FaultContext {
            world,
            recorder: self.recorder.clone(),
            journal: Arc::new(Mutex::new(journal)),
            interrupts: self.interrupts.clone(),
            effects: ready.check_runners.iter().filter(|runner| runner.check.stage == Stage::Effect).cloned().collect(),
            undo_timeout: self.plan.phases.undo.0,
            undo_times: UndoTimes::default(),
            injected: Injected::default(),
            noted: Noted::default(),
        };
        let drill = Drill {
            plan: self.plan,
            context: context.clone(),
            recorder: self.recorder.clone(),
            interrupts: self.interrupts.clone(),
        };
        if AssertUnwindSafe(drill.run(ready)).catch_unwind().await.is_err() {
            let why = "the runner panicked during the drill; this is a bug of meshdrill. Everything is being undone.";
            self.recorder.event(Event::Crashed { why: why.to_owned() });
            let undone = context.undo_all(self.plan, &[]).await;
            if undone && let Err(error) = context.journal.lock().await.clear(&context.world).await {
                self.recorder.note(format!("the run's record could not be removed from the cluster: {error}"));
            }
            let message = "the runner panicked during the drill".to_owned();
            self.recorder.event(Event::Recovery { verified: undone, leftovers: Vec::new(), message });
        }
    }
}

/// The name of this machine, for people who wonder who holds a lease.
pub(crate) fn hostname() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .or_else(|_| std::env::var("HOSTNAME").map_err(std::io::Error::other));
    name.map_or_else(|_| "unknown-host".to_owned(), |name| name.trim().to_owned())
}

fn header(plan: &Plan, source: &WorldSource, id: &str, clock: &Clock) -> Header {
    Header {
        fault_window: FaultWindow::Effect,
        schema: RECORD_SCHEMA.to_owned(),
        id: id.to_owned(),
        scenario: plan.name.clone(),
        aliases: plan.aliases.clone(),
        suite: plan.suite.clone(),
        binding: plan.binding.label(),
        mesh: source.mesh.as_ref().filter(|_| !plan.clusters.is_empty()).map(|mesh| mesh.metadata.name.clone()),
        clusters: plan.clusters.iter().cloned().collect(),
        lab: source.lab,
        started: clock.started(),
        change: Change::default(),
        identity: Identity::default(),
        tool: concat!("meshdrill ", env!("CARGO_PKG_VERSION")).to_owned(),
        probes: plan
            .probes
            .iter()
            .map(|probe| ProbeHeader {
                name: probe.name.clone(),
                kind: probe.kind.name().to_owned(),
                what: probe.kind.as_observation().describe(),
                every: probe.every,
                slow: probe.slow,
                series: probe.series.clone(),
            })
            .collect(),
        faults: plan
            .faults
            .iter()
            .map(|fault| FaultHeader {
                id: fault.id.clone(),
                kind: fault.kind.name().to_owned(),
                what: fault.kind.as_behavior().describe(),
                clusters: fault.kind.cluster().into_iter().map(str::to_owned).collect(),
                sustained: fault.kind.as_behavior().sustained(),
            })
            .collect(),
        checks: plan.checks.iter().map(|check| CheckHeader { id: check.id.clone(), stage: check.stage }).collect(),
        criteria: plan.criteria.clone(),
    }
}

/// The record of a run that never got anywhere.
fn skeleton(header: &Header) -> Record {
    Record::begin(header.clone())
}

/// The plan with every default, as YAML.
fn plan_yaml(plan: &Plan) -> String {
    serde_saphyr::to_string(plan).unwrap_or_else(|error| format!("# the plan cannot be written as YAML: {error}\n"))
}
