//! Where the runs of one command stand, as their events show. Writes nothing.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use meshdrill_checks::record::{At, Class, Event, Line, Phase, Sample};
use meshdrill_checks::units::{percent, seconds};

use crate::plan::{Plan, faulted};
use meshdrill_checks::units::counted;

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

/// What a fault that stays until it is undone does now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sustained {
    /// Nothing: it is not injected yet, or undone.
    Idle,
    Held,
    Undoing,
}

/// One run.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(super) struct RunState {
    pub title: String,
    drill: bool,
    /// How long its phases take if nothing goes wrong.
    baseline: Duration,
    faulted: Duration,
    observe: Duration,
    /// The faults that stay until they are undone.
    sustained: BTreeMap<String, Sustained>,
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
            sustained: sustained.map(|fault| (fault.id.clone(), Sustained::Idle)).collect(),
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
        self.sustained.values().filter(|state| **state != Sustained::Idle).count()
    }

    fn set(&mut self, fault: &str, state: Sustained, at: At) {
        let Some(known) = self.sustained.get_mut(fault) else { return };
        *known = state;
        let all = |wanted| self.sustained.values().all(|state| *state == wanted || *state == Sustained::Idle);
        // The record's phase changes when all faults are through; the last undo begins before.
        match (state, self.phase) {
            (Sustained::Undoing, Some((Phase::Inject | Phase::Hold, _))) if all(Sustained::Undoing) => {
                self.phase = Some((Phase::Undo, at));
            }
            (Sustained::Held, Some((Phase::Undo, _))) => self.phase = Some((Phase::Hold, at)),
            _ => {}
        }
    }

    fn apply(&mut self, line: &Line, now: Instant) {
        self.newest = (line.at, now);
        match &line.event {
            Event::Phase { phase } if self.phase.is_none_or(|(known, _)| known != *phase) => {
                self.phase = Some((*phase, line.at));
            }
            Event::Sample { probe, sample } => {
                if let Some((_, lane)) = self.probes.iter_mut().find(|(name, _)| name == probe) {
                    lane.take(sample, line.at);
                }
            }
            Event::FaultRequested { fault, .. } => {
                self.injected = true;
                self.set(fault, Sustained::Held, line.at);
            }
            Event::UndoRequested { fault, .. } => self.set(fault, Sustained::Undoing, line.at),
            Event::UndoVerified { fault, .. } => self.set(fault, Sustained::Idle, line.at),
            Event::Finished => self.ended = true,
            Event::Phase { .. }
            | Event::Started(_)
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
            | Event::FaultHeld { .. }
            | Event::FaultLapsed { .. }
            | Event::TargetReplaced { .. }
            | Event::UndoFailed { .. }
            | Event::Aborted { .. }
            | Event::Interrupted { .. }
            | Event::Recovery { .. }
            | Event::ClusterIdentified { .. }
            | Event::ClockChecked { .. }
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

    /// Counts, success ratio and P99 in 42 characters, and the current outage.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn run(drill: bool) -> RunState {
        RunState {
            title: "one".to_owned(),
            drill,
            baseline: Duration::from_secs(15),
            faulted: Duration::from_secs(45),
            observe: Duration::from_secs(30),
            sustained: BTreeMap::from([("f1".to_owned(), Sustained::Idle)]),
            injected: false,
            probes: vec![("page".to_owned(), Lane::default())],
            phase: None,
            newest: (At::ZERO, Instant::now()),
            real: true,
            ended: false,
        }
    }

    fn at(secs: u64) -> At {
        At::after_start(Duration::from_secs(secs))
    }

    #[test]
    fn a_phase_has_its_elapsed_and_remaining_time() {
        let (mut state, now) = (run(true), Instant::now());
        assert_eq!(state.stage(now), "waiting");
        state.apply(&Line { at: at(15), event: Event::Phase { phase: Phase::Hold } }, now);
        assert_eq!(state.stage(now + Duration::from_secs(12)), "hold 12 s, 33 s left", "time passes between events");
        assert_eq!(state.stage(now + Duration::from_secs(75)), "hold 1 m 15 s (planned 45 s)");
    }

    #[test]
    fn a_validation_samples_and_does_not_verify() {
        let (mut state, now) = (run(false), Instant::now());
        state.apply(&Line { at: at(0), event: Event::Phase { phase: Phase::Verify } }, now);
        assert_eq!(state.stage(now + Duration::from_secs(12)), "sampling 12 s, 18 s left");
        state.probes.clear();
        assert!(state.stage(now).starts_with("checks "));
    }

    #[test]
    fn a_signal_names_what_is_to_be_undone() {
        let now = Instant::now();
        let mut board = Board { runs: vec![run(true)], done: 0, bad: 0, begun: now };
        let mut event = |secs: u64, event: Event| {
            board.apply(0, &Line { at: at(secs), event }, now);
            board.acknowledge("SIGINT", false)
        };
        let said = event(0, Event::Phase { phase: Phase::Baseline });
        assert_eq!(said, "SIGINT: nothing is broken; stopping; press again only shows this");
        let said = event(15, Event::FaultRequested { fault: "f1".to_owned(), targets: Vec::new(), uids: Vec::new() });
        assert_eq!(said, "SIGINT: undoing 1 fault; press again only shows this");
        event(16, Event::Phase { phase: Phase::Hold });
        let said = event(20, Event::UndoRequested { fault: "f1".to_owned(), undo: String::new() });
        assert_eq!(said, "SIGINT: the undo of 1 fault continues; press again only shows this");
        let said = event(21, Event::UndoVerified { fault: "f1".to_owned(), proof: String::new() });
        assert!(said.contains("nothing is left to undo; verifying recovery"), "{said}");
        assert!(board.runs[0].stage(now).starts_with("undo "), "the phase is the real one");
    }
}
