//! The typed history of a run: one exhaustive fold over its events. Judges, screens and reports read this; a new event is
//! taken up here, and by the live progress display.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::{At, CheckStage, ClusterFacts, Event, FaultWindow, Header, Line, Phase, ReadBack};
use crate::units::TimeSpan;
use crate::verdict::Verdict;
use crate::window::{EffectEnd, EffectTime, Marks};

/// The id under which the whole scenario is left out.
pub const SCENARIO: &str = "scenario";

/// What happened in a run, samples aside.
#[derive(Debug, Default)]
pub struct History<'a> {
    /// The instants that divide the run.
    pub marks: Marks,
    /// When each phase began.
    pub phases: Vec<(At, Phase)>,
    /// The faults by their id.
    pub faults: BTreeMap<&'a str, FaultHistory<'a>>,
    /// Every time that a fault took hold, in order.
    pub effects: Vec<(&'a str, At)>,
    /// Every undo that was begun, in order.
    pub undo_requests: Vec<(&'a str, At)>,
    /// The probes by their name.
    pub probes: BTreeMap<&'a str, ProbeHistory<'a>>,
    /// The probes that could not start or died, in order, and why.
    pub failed_probes: Vec<(&'a str, &'a str)>,
    /// The last answer of every check, by its stage and id.
    pub checks: BTreeMap<(CheckStage, &'a str), CheckAnswer<'a>>,
    /// What was left out, in order.
    pub not_run: Vec<NotRun<'a>>,
    /// Criteria that no run can meet, by id, and why.
    pub infeasible: BTreeMap<&'a str, &'a str>,
    /// Every answer of a control target, in order.
    pub controls: Vec<ControlAnswer<'a>>,
    /// Whether the steady state held, and what was observed; none if it was not judged.
    pub steady_state: Option<(bool, &'a str)>,
    /// What ended the run before its time, in order. The first decides the verdict.
    pub endings: Vec<Ending<'a>>,
    /// What the run itself found out about its recovery.
    pub recovery: Option<Recovery<'a>>,
    /// What identifies the clusters, as read in preflight.
    pub clusters: Vec<(&'a str, &'a ClusterFacts)>,
    /// How far the wall clock of the runner moved against its monotonic clock, in seconds; none where it was not compared.
    pub clock_moved: Option<f64>,
    /// What a reader should know, in order.
    pub notes: Vec<Note<'a>>,
    /// Whether the run wrote its last event.
    pub finished: bool,
}

/// What happened to one fault.
#[derive(Debug, Default)]
pub struct FaultHistory<'a> {
    /// When it was first requested.
    pub first_requested: Option<At>,
    /// When it was last requested.
    pub requested: Option<At>,
    /// The objects it targets, each once.
    pub targets: Vec<&'a str>,
    /// How many objects its requests named.
    pub removed: usize,
    /// When each target was last removed.
    removals: BTreeMap<&'a str, At>,
    /// How long each replacement took, from the removal it replaces.
    pub replaced: Vec<Duration>,
    /// When it first took hold.
    pub effective: Option<At>,
    /// The index in the marks of the time in which it is in effect; none where nothing is to be ended.
    in_effect: Option<usize>,
    /// When that was first observed.
    pub observed: Option<At>,
    /// The last proof of its effect, or what was looked for.
    pub message: Option<&'a str>,
    /// Whether a request of it had no effect.
    pub ineffective: bool,
    /// How the observation of its effect went while it was held; none where it was not held to the end.
    pub held: Option<Held>,
    /// How it ended before its time.
    pub lapsed: Option<Lapse<'a>>,
    /// The undos of the current try.
    undos: Vec<&'a str>,
    /// What failed of them. A try begins with an undo that was requested before.
    pub undo_failures: Vec<&'a str>,
    /// When its undo was begun since it was last requested; a second try begins nothing.
    pub undo_begun: Option<At>,
    /// Whether an undo was verified at all.
    pub undo_verified: bool,
    /// Whether an undo was verified since it was last requested.
    undo_verified_since: bool,
}

impl FaultHistory<'_> {
    /// Whether it was undone after it was last requested, and nothing of that failed.
    pub fn is_undone(&self) -> bool {
        self.undo_verified_since && self.undo_failures.is_empty()
    }
}

/// The observation of a fault's effect while it was held; of several injections, the worst of each.
#[derive(Debug, Clone, Copy)]
pub struct Held {
    /// The shortest time from the effect to its last observation.
    pub length: Duration,
    /// The fewest observations.
    pub observations: u32,
    /// The longest time between two of them.
    pub gap: Duration,
}

/// The end of a sustained fault before its time.
#[derive(Debug, Clone, Copy)]
pub struct Lapse<'a> {
    /// How long it was in effect, up to the observation that it was not any more.
    pub length: Duration,
    /// The last observation of its effect, from the beginning of the effect.
    pub seen: Duration,
    /// How long it was meant to be held.
    pub hold: TimeSpan,
    /// What was observed instead.
    pub why: &'a str,
}

/// What happened to one probe.
#[derive(Debug, Default)]
pub struct ProbeHistory<'a> {
    /// Whether it made its first observation.
    pub ready: bool,
    /// How many slots its schedule held; none if it did not end.
    pub planned: Option<u64>,
    /// Why it could not measure.
    pub failed: Option<&'a str>,
    /// What became of what it wrote.
    pub read_back: Option<&'a ReadBack>,
}

/// The answer of a check.
#[derive(Debug, Clone, Copy)]
pub struct CheckAnswer<'a> {
    /// When it was given.
    pub at: At,
    /// The verdict.
    pub verdict: Verdict,
    /// The measured value first, then what was expected.
    pub message: &'a str,
    /// What was observed.
    pub observed: &'a Value,
}

/// Something that was left out.
#[derive(Debug, Clone, Copy)]
pub struct NotRun<'a> {
    /// The id of the check or probe, or [`SCENARIO`].
    pub id: &'a str,
    /// Why.
    pub reason: &'a str,
    /// Whether a valid waiver covers it.
    pub waived: bool,
}

/// One answer of a control target.
#[derive(Debug, Clone, Copy)]
pub struct ControlAnswer<'a> {
    /// The target.
    pub target: &'a str,
    /// Whether nothing that the run breaks can touch it.
    pub outside: bool,
    /// When it was asked.
    pub asked: At,
    /// When that was settled.
    pub settled: At,
    /// Whether anything came back.
    pub answered: bool,
}

/// What ended a run before its time.
#[derive(Debug, Clone, Copy)]
pub enum Ending<'a> {
    /// The runner failed.
    Crashed(&'a str),
    /// Preflight refused it.
    Refused(&'a str),
    /// No run on this mesh can meet a criterion.
    Infeasible {
        /// Its id.
        criterion: &'a str,
        /// Why.
        why: &'a str,
    },
    /// The steady state did not hold.
    NotSteady(&'a str),
    /// A signal, a halt object or a lost lease.
    Interrupted {
        /// Which.
        by: &'a str,
        /// Whether a fault had been requested by then.
        injected: bool,
    },
    /// A criterion of `abortWhen` was breached.
    Aborted(&'a str),
}

/// What a run found out about its recovery.
#[derive(Debug, Clone, Copy)]
pub struct Recovery<'a> {
    /// Whether everything is as it was before.
    pub verified: bool,
    /// What is left over.
    pub leftovers: &'a [String],
    /// What was looked at.
    pub message: &'a str,
}

/// Something that a reader should know.
#[derive(Debug, Clone, Copy)]
pub enum Note<'a> {
    /// A note of the runner.
    Text(&'a str),
    /// The run was aborted, and why.
    Aborted(&'a str),
    /// The run was interrupted, and by what.
    Interrupted(&'a str),
}

static NOTHING: Value = Value::Null;

impl<'a> History<'a> {
    /// Reads the events of a record, samples left out.
    pub fn read(header: &'a Header, events: &'a [Line]) -> Self {
        let mut history = Self::default();
        if header.fault_window == FaultWindow::Effect {
            history.marks.in_effect = Some(Vec::new());
        }
        for line in events {
            history.add(line, header);
        }
        history
    }

    /// Whether a fault was requested.
    pub const fn is_injected(&self) -> bool {
        self.marks.requested.is_some()
    }

    /// Whether it was ended before anything was injected because of what preflight found.
    pub fn is_refused(&self) -> bool {
        self.endings.iter().any(|ending| match ending {
            Ending::Refused(_) | Ending::Infeasible { .. } => true,
            Ending::Crashed(_) | Ending::NotSteady(_) | Ending::Interrupted { .. } | Ending::Aborted(_) => false,
        })
    }

    /// What failed of all undos, each with its fault, in file order.
    pub fn failed_undos(&self, header: &Header) -> Vec<String> {
        let ids = header.faults.iter().map(|fault| fault.id.as_str());
        let failures = ids.filter_map(|id| Some((id, &self.faults.get(id)?.undo_failures)));
        failures.flat_map(|(id, failures)| failures.iter().map(move |why| format!("{id}: {why}"))).collect()
    }

    fn fault(&mut self, id: &'a str) -> &mut FaultHistory<'a> {
        self.faults.entry(id).or_default()
    }

    fn probe(&mut self, name: &'a str) -> &mut ProbeHistory<'a> {
        self.probes.entry(name).or_default()
    }

    fn add(&mut self, line: &'a Line, header: &'a Header) {
        let at = line.at;
        match &line.event {
            // The header and the samples have their own place in a record.
            Event::Started(_) | Event::Sample { .. } => {}
            Event::Phase { phase } => {
                if *phase == Phase::Observe {
                    self.marks.observing.get_or_insert(at);
                }
                self.phases.push((at, *phase));
            }
            Event::Refused { why } => self.endings.push(Ending::Refused(why)),
            Event::Crashed { why } => self.endings.push(Ending::Crashed(why)),
            Event::ProbeReady { probe } => self.probe(probe).ready = true,
            Event::ProbeFailed { probe, why } => {
                self.probe(probe).failed = Some(why);
                self.failed_probes.push((probe, why));
            }
            Event::ProbeStopped { probe, planned } => self.probe(probe).planned = Some(*planned),
            Event::Control { target, outside, asked, answered } => self.controls.push(ControlAnswer {
                target,
                outside: *outside,
                asked: *asked,
                settled: at,
                answered: *answered,
            }),
            Event::ReadBack { probe, found } => self.probe(probe).read_back = Some(found),
            Event::Infeasible { criterion, why } => {
                self.infeasible.insert(criterion, why);
                self.endings.push(Ending::Infeasible { criterion, why });
            }
            Event::Check { id, stage, verdict, message, observed } => {
                self.checks.insert((*stage, id), CheckAnswer { at, verdict: *verdict, message, observed });
            }
            Event::NotRun { id, reason, waived } => self.leave_out(at, NotRun { id, reason, waived: *waived }, header),
            Event::SteadyState { met, message } => {
                self.steady_state = Some((*met, message));
                if !met {
                    self.endings.push(Ending::NotSteady(message));
                }
            }
            Event::FaultRequested { fault, targets, uids: _ } => self.request(at, fault, targets),
            Event::FaultEffective { fault, since, proof } => {
                let sustained = header.faults.iter().any(|one| one.id == *fault && one.sustained);
                self.take_hold(at, fault, since.unwrap_or(at), proof, sustained);
            }
            Event::FaultHeld { fault, seen, observations, gap } => self.hold(fault, *seen, *observations, gap.0),
            Event::FaultLapsed { fault, seen, hold, why } => self.lapse(at, fault, *seen, *hold, why),
            Event::FaultIneffective { fault, why } => {
                let fault = self.fault(fault);
                fault.ineffective = true;
                fault.message = Some(why);
            }
            Event::TargetReplaced { fault, target, by: _ } => {
                let fault = self.fault(fault);
                if let Some(removed) = fault.removals.get(target.as_str()) {
                    fault.replaced.push(at.since(*removed));
                }
            }
            Event::UndoRequested { fault, undo } => self.request_undo(at, fault, undo),
            Event::UndoVerified { fault, proof: _ } => {
                self.marks.undone = Some(at);
                let fault = self.fault(fault);
                fault.undo_verified = true;
                fault.undo_verified_since = true;
            }
            Event::UndoFailed { fault, why } => self.fault(fault).undo_failures.push(why),
            Event::Aborted { why } => {
                self.endings.push(Ending::Aborted(why));
                self.notes.push(Note::Aborted(why));
            }
            Event::Interrupted { by, injected } => {
                self.endings.push(Ending::Interrupted { by, injected: *injected });
                self.notes.push(Note::Interrupted(by));
            }
            Event::Recovery { verified, leftovers, message } => {
                self.recovery = Some(Recovery { verified: *verified, leftovers, message });
            }
            Event::ClusterIdentified { cluster, facts } => self.clusters.push((cluster, facts)),
            Event::ClockChecked { moved } => self.clock_moved = Some(*moved),
            Event::Note { text } => self.notes.push(Note::Text(text)),
            Event::Finished => self.finished = true,
        }
    }

    /// The last answer of a check that is left out is that it is left out.
    fn leave_out(&mut self, at: At, left_out: NotRun<'a>, header: &'a Header) {
        for check in header.checks.iter().filter(|check| left_out.id == SCENARIO || check.id == left_out.id) {
            let answer = CheckAnswer { at, verdict: Verdict::NotRun, message: left_out.reason, observed: &NOTHING };
            self.checks.insert((check.stage, &check.id), answer);
        }
        self.not_run.push(left_out);
    }

    fn request(&mut self, at: At, id: &'a str, targets: &'a [String]) {
        self.marks.requested.get_or_insert(at);
        let fault = self.fault(id);
        fault.first_requested.get_or_insert(at);
        fault.requested = Some(at);
        fault.undo_begun = None;
        fault.undo_verified_since = false;
        fault.removed += targets.len();
        for target in targets {
            fault.removals.insert(target, at);
            if !fault.targets.contains(&target.as_str()) {
                fault.targets.push(target);
            }
        }
    }

    fn take_hold(&mut self, at: At, id: &'a str, since: At, proof: &'a str, sustained: bool) {
        self.marks.effective.get_or_insert(since);
        self.marks.undone = Some(at);
        self.effects.push((id, since));
        if let Some(times) = &mut self.marks.in_effect {
            let end = if sustained { EffectEnd::Undo(None) } else { EffectEnd::Recovery };
            times.push(EffectTime { from: since, end });
        }
        let newest = self.marks.in_effect.as_ref().map_or(0, Vec::len).checked_sub(1);
        let fault = self.fault(id);
        fault.effective.get_or_insert(since);
        fault.observed.get_or_insert(at);
        fault.in_effect = newest.filter(|_| sustained);
        fault.message = Some(proof);
    }

    /// Ends the time in which a sustained fault is in effect.
    fn end_effect(&mut self, at: At, id: &'a str) {
        let index = self.fault(id).in_effect.take();
        if let (Some(times), Some(index)) = (&mut self.marks.in_effect, index) {
            times[index].end = EffectEnd::Undo(Some(at));
        }
    }

    /// When a fault last took hold.
    fn last_effect(&self, id: &str) -> Option<At> {
        self.effects.iter().rfind(|(fault, _)| *fault == id).map(|(_, since)| *since)
    }

    fn hold(&mut self, id: &'a str, seen: At, observations: u32, gap: Duration) {
        let length = self.last_effect(id).map_or(Duration::ZERO, |since| seen.since(since));
        let fault = self.fault(id);
        let now = Held { length, observations, gap };
        fault.held = Some(fault.held.map_or(now, |held| Held {
            length: held.length.min(length),
            observations: held.observations.min(observations),
            gap: held.gap.max(gap),
        }));
    }

    fn lapse(&mut self, at: At, id: &'a str, seen: At, hold: TimeSpan, why: &'a str) {
        self.end_effect(at, id);
        let since = self.last_effect(id).unwrap_or(seen);
        let fault = self.fault(id);
        fault.lapsed.get_or_insert(Lapse { length: at.since(since), seen: seen.since(since), hold, why });
    }

    fn request_undo(&mut self, at: At, id: &'a str, undo: &'a str) {
        self.marks.undo_requested.get_or_insert(at);
        self.undo_requests.push((id, at));
        self.end_effect(at, id);
        let fault = self.fault(id);
        // An undo that failed is tried again, and counts as it went in the end.
        if fault.undos.contains(&undo) {
            fault.undos.clear();
            fault.undo_failures.clear();
        }
        fault.undos.push(undo);
        fault.undo_begun.get_or_insert(at);
    }
}
