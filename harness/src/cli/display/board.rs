//! Where the runs of one command stand, as their events show. Writes nothing.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use meshdrill_checks::record::{At, Class, Event, Line, Phase, Sample};
use meshdrill_checks::units::{percent, seconds};

use super::event::counted;
use crate::plan::{Plan, faulted};

/// How many latencies a probe keeps for its P99.
const RECENT: usize = 1000;

/// All runs of one command.
pub(super) struct Board {
    pub runs: Vec<RunState>,
    /// Runs that have ended.
    pub done: usize,
    /// Those of them that did not pass, without waived ones.
    pub bad: usize,
    pub begun: Instant,
}

/// One run.
pub(super) struct RunState {
    pub title: String,
    drill: bool,
    /// How long its phases take if nothing goes wrong.
    baseline: Duration,
    faulted: Duration,
    observe: Duration,
    /// The faults that stay until they are undone, by whether they are in effect.
    sustained: BTreeMap<String, bool>,
    injected: bool,
    pub probes: Vec<(String, Lane)>,
    /// The phase, and when it began.
    phase: Option<(Phase, At)>,
    /// The newest event, and when it came.
    newest: (At, Instant),
    /// Whether its clock runs as ours does.
    real: bool,
    pub ended: bool,
}

impl Board {
    pub fn new(plans: &[&Plan], real: bool) -> Self {
        let now = Instant::now();
        Self { runs: plans.iter().map(|plan| RunState::new(plan, real, now)).collect(), done: 0, bad: 0, begun: now }
    }

    /// Whether there are several runs.
    pub const fn is_suite(&self) -> bool {
        self.runs.len() > 1
    }

    /// Runs that go on, in the order of the selection.
    pub fn running(&self) -> impl Iterator<Item = (usize, &RunState)> {
        self.runs.iter().enumerate().filter(|(_, run)| run.is_running())
    }

    pub fn apply(&mut self, run: usize, line: &Line, now: Instant) {
        if let Some(run) = self.runs.get_mut(run) {
            run.apply(line, now);
        }
    }

    /// What a signal leads to, from where the runs stand.
    pub fn acknowledge(&self, signal: &str, again: bool) -> String {
        let again = if again { " again" } else { "" };
        let open: usize = self.running().map(|(_, run)| run.open()).sum();
        let injected = self.running().any(|(_, run)| run.injected);
        let undoing = self.running().any(|(_, run)| matches!(run.phase, Some((Phase::Undo, _))));
        let what = match (open, injected) {
            (0, false) => "nothing is broken; stopping".to_owned(),
            (0, true) => "nothing is left to undo; verifying recovery, at most 30 s".to_owned(),
            (open, _) if undoing => format!("the undo of {} continues", counted(open, "fault")),
            (open, _) => format!("undoing {}", counted(open, "fault")),
        };
        format!("{signal}{again}: {what}; press again only shows this")
    }
}

impl RunState {
    fn new(plan: &Plan, real: bool, now: Instant) -> Self {
        let sustained = plan.faults.iter().filter(|fault| fault.kind.as_behavior().sustained());
        Self {
            title: plan.title(),
            drill: plan.is_drill(),
            baseline: plan.phases.baseline.0,
            faulted: faulted(&plan.faults).0,
            observe: if plan.probes.is_empty() && !plan.is_drill() { Duration::ZERO } else { plan.phases.observe.0 },
            sustained: sustained.map(|fault| (fault.id.clone(), false)).collect(),
            injected: false,
            probes: plan.probes.iter().map(|probe| (probe.name.clone(), Lane::default())).collect(),
            phase: None,
            newest: (At::ZERO, now),
            real,
            ended: false,
        }
    }

    fn is_running(&self) -> bool {
        self.phase.is_some() && !self.ended
    }

    /// Whether it breaks something.
    pub const fn is_drill(&self) -> bool {
        self.drill
    }

    /// Faults that are to be undone.
    fn open(&self) -> usize {
        self.sustained.values().filter(|open| **open).count()
    }

    fn apply(&mut self, line: &Line, now: Instant) {
        self.newest = (line.at, now);
        match &line.event {
            Event::Phase { phase } => self.phase = Some((*phase, line.at)),
            Event::Sample { probe, sample } => {
                if let Some((_, lane)) = self.probes.iter_mut().find(|(name, _)| name == probe) {
                    lane.take(sample, line.at);
                }
            }
            Event::FaultRequested { fault, .. } => {
                self.injected = true;
                self.sustained.entry(fault.clone()).and_modify(|open| *open = true);
            }
            Event::UndoVerified { fault, .. } => {
                self.sustained.entry(fault.clone()).and_modify(|open| *open = false);
            }
            Event::Finished => self.ended = true,
            Event::Started(_)
            | Event::Refused { .. }
            | Event::Crashed { .. }
            | Event::ProbeReady { .. }
            | Event::ProbeFailed { .. }
            | Event::ProbeStopped { .. }
            | Event::Control { .. }
            | Event::ReadBack { .. }
            | Event::Infeasible { .. }
            | Event::Check { .. }
            | Event::NotRun { .. }
            | Event::SteadyState { .. }
            | Event::FaultEffective { .. }
            | Event::FaultIneffective { .. }
            | Event::TargetReplaced { .. }
            | Event::UndoRequested { .. }
            | Event::UndoFailed { .. }
            | Event::Aborted { .. }
            | Event::Interrupted { .. }
            | Event::Recovery { .. }
            | Event::Note { .. } => {}
        }
    }

    /// The time of the run.
    pub fn clock(&self, now: Instant) -> At {
        let (at, came) = self.newest;
        if self.real { at.plus(now.saturating_duration_since(came)) } else { at }
    }

    /// The word for a phase. A validation has one phase, in which it samples or asks.
    pub fn phase_word(&self, phase: Phase) -> &'static str {
        match phase {
            Phase::Verify if !self.drill && self.probes.is_empty() => "checks",
            Phase::Verify if !self.drill => "sampling",
            phase => phase.word(),
        }
    }

    /// The phase with its elapsed and remaining time: `hold 12 s, 33 s left`.
    pub fn stage(&self, now: Instant) -> String {
        let Some((phase, begun)) = self.phase else { return "waiting".to_owned() };
        let elapsed = self.clock(now).since(begun);
        let planned = match phase {
            Phase::Baseline => self.baseline,
            Phase::Hold => self.faulted,
            Phase::Observe => self.observe,
            Phase::Verify if !self.drill => self.observe,
            Phase::Preflight | Phase::Inject | Phase::Undo | Phase::Verify => Duration::ZERO,
        };
        let word = self.phase_word(phase);
        let left = planned.saturating_sub(elapsed);
        if planned.is_zero() {
            format!("{word} {}", rounded(elapsed))
        } else if left.is_zero() {
            format!("{word} {} (planned {})", rounded(elapsed), rounded(planned))
        } else {
            format!("{word} {}, {} left", rounded(elapsed), rounded(left))
        }
    }

    /// The samples of all its probes: `450 samples, 3 bad`; empty without a probe.
    pub fn samples(&self) -> String {
        if self.probes.is_empty() {
            return String::new();
        }
        let bad: u64 = self.probes.iter().map(|(_, lane)| lane.bad).sum();
        let all: u64 = self.probes.iter().map(|(_, lane)| lane.good + lane.bad).sum();
        format!("; {all} samples, {bad} bad")
    }
}

/// What was sampled of one probe.
#[derive(Default)]
pub(super) struct Lane {
    good: u64,
    bad: u64,
    recent: Vec<Duration>,
    since: Option<At>,
}

impl Lane {
    fn take(&mut self, sample: &Sample, at: At) {
        match sample.class {
            Class::Good => {
                self.good += 1;
                self.since = None;
            }
            class if class.is_bad() => {
                self.bad += 1;
                self.since.get_or_insert(at);
            }
            _ => {}
        }
        self.recent.push(sample.latency());
        if self.recent.len() > RECENT {
            self.recent.drain(..RECENT / 2);
        }
    }

    /// Counts, success ratio, P99 and the current outage, in at most 52 characters.
    pub fn figures(&self, clock: At) -> (String, Option<String>) {
        let all = self.good + self.bad;
        let share = if all == 0 { "-".to_owned() } else { percent(self.good as f64 / all as f64) };
        let mut sorted = self.recent.clone();
        sorted.sort_unstable();
        let p99 = sorted
            .get((sorted.len() * 99).div_ceil(100).saturating_sub(1))
            .map_or_else(|| "-".to_owned(), |latency| seconds(latency.as_secs_f64()));
        let down = self.since.map(|since| format!("DOWN {}", rounded(clock.since(since))));
        (format!("{all:>7}  {share:>9} good  p99 {p99:<8}"), down)
    }
}

/// Whole seconds: `34 s`, `2 m 05 s`, `1 h 02 m`.
pub(super) fn rounded(length: Duration) -> String {
    match length.as_secs() {
        secs @ 0..60 => format!("{secs} s"),
        secs @ 60..3600 => format!("{} m {:02} s", secs / 60, secs % 60),
        secs => format!("{} h {:02} m", secs / 3600, secs % 3600 / 60),
    }
}
