//! Records made by hand: a probe on its schedule, a fault in its middle, and what a run writes down around them.

use std::time::Duration;

use serde_json::Value;

use crate::criterion::{Claim, Criterion, Subject};
use crate::record::{
    At, Change, Class, Event, FaultHeader, FaultWindow, Header, Identity, Line, Phase, ProbeHeader, RECORD_SCHEMA,
    Record, Sample, Series,
};
use crate::score::score;
use crate::scorecard::{CriterionResult, Scorecard};
use crate::units::{Ratio, TimeSpan};

/// When the fault of a drill is asked for, and when it takes hold.
pub const REQUESTED: u64 = 20_000;
pub const EFFECTIVE: u64 = 20_100;

/// A run to be judged.
pub struct Story {
    record: Record,
    every: u64,
}

pub fn at(millis: u64) -> At {
    At::after_start(Duration::from_millis(millis))
}

impl Story {
    /// A validation whose probe `p` samples every so many milliseconds.
    pub fn validation(every: u64) -> Self {
        let probe = ProbeHeader {
            name: "p".into(),
            kind: "http".into(),
            what: "ask".into(),
            every: TimeSpan::millis(every),
            slow: TimeSpan::millis(500),
            series: vec![Series::New],
        };
        let header = Header {
            fault_window: FaultWindow::Effect,
            schema: RECORD_SCHEMA.into(),
            id: "0".into(),
            scenario: "story".into(),
            aliases: Vec::new(),
            suite: String::new(),
            binding: String::new(),
            mesh: None,
            clusters: Vec::new(),
            lab: true,
            started: "2026-01-01T00:00:00.000Z".into(),
            tool: "test".into(),
            change: Change::default(),
            identity: Identity::default(),
            probes: vec![probe],
            faults: Vec::new(),
            checks: Vec::new(),
            criteria: Vec::new(),
        };
        Self { record: Record::begin(header), every }
    }

    /// A drill whose fault `f1` took hold.
    pub fn drill(every: u64) -> Self {
        let effect = Event::FaultEffective { fault: "f1".into(), since: None, proof: "seen".into() };
        Self::faulted(every).event(EFFECTIVE, effect)
    }

    /// A drill whose fault `f1` was asked for.
    pub fn faulted(every: u64) -> Self {
        let requested = Event::FaultRequested { fault: "f1".into(), targets: vec!["demo/a".into()], uids: Vec::new() };
        Self::planned(every).event(REQUESTED, requested)
    }

    /// A drill that has not begun.
    pub fn planned(every: u64) -> Self {
        let mut story = Self::validation(every);
        story.record.header.faults.push(FaultHeader {
            id: "f1".into(),
            kind: "deletePods".into(),
            what: "break".into(),
            clusters: Vec::new(),
            sustained: false,
        });
        story
    }

    /// A drill whose fault `f1` took hold and lasts until its undo at 40 s.
    pub fn held(every: u64) -> Self {
        Self::drill(every)
            .sustained()
            .event(40_000, Event::UndoRequested { fault: "f1".into(), undo: "put it back".into() })
    }

    /// The fault lasts until it is undone. To be said before anything happens to the fault.
    pub fn sustained(mut self) -> Self {
        self.record.header.faults[0].sustained = true;
        self
    }

    /// The record is of a version that did not observe a fault while it was held.
    pub fn of_an_older_version(mut self) -> Self {
        self.record.header.fault_window = FaultWindow::Requested;
        self
    }

    pub fn event(mut self, millis: u64, event: Event) -> Self {
        self.record.push(Line { at: at(millis), event });
        self
    }

    /// Good samples for so many seconds, each with what was seen at the instant it was due.
    pub fn sights(self, seconds: u64, seen: impl Fn(u64) -> Value) -> Self {
        self.classed(seconds, |due| (Class::Good, seen(due)))
    }

    /// Samples for so many seconds, each with its class and what was seen at the instant it was due.
    pub fn classed(mut self, seconds: u64, answer: impl Fn(u64) -> (Class, Value)) -> Self {
        for slot in 0..seconds * 1000 / self.every {
            let due = slot * self.every;
            let (class, seen) = answer(due);
            let sample = Sample {
                series: Series::New,
                slot,
                scheduled: at(due),
                started: at(due),
                completed: at(due + 10),
                class,
                responder: None,
                phases: None,
                seen: Some(std::sync::Arc::new(seen)),
                message: None,
            };
            self = self.event(due + 10, Event::Sample { probe: "p".into(), sample });
        }
        let planned = seconds * 1000 / self.every;
        self.event(seconds * 1000, Event::ProbeStopped { probe: "p".into(), planned })
    }

    /// Samples for so many seconds, each answered after 10 ms, in the class that the instant it was due has.
    pub fn samples(self, seconds: u64, class: impl Fn(u64) -> Class) -> Self {
        self.answers(seconds, |due| (class(due), 10))
    }

    /// The same with the time that each answer takes, in milliseconds.
    pub fn answers(mut self, seconds: u64, answer: impl Fn(u64) -> (Class, u64)) -> Self {
        for slot in 0..seconds * 1000 / self.every {
            let due = slot * self.every;
            let (class, took) = answer(due);
            let sample = Sample {
                series: Series::New,
                slot,
                scheduled: at(due),
                started: at(due),
                completed: at(due + took),
                class,
                responder: None,
                phases: None,
                seen: None,
                message: None,
            };
            self = self.event(due + took, Event::Sample { probe: "p".into(), sample });
        }
        let planned = seconds * 1000 / self.every;
        self.event(seconds * 1000, Event::ProbeStopped { probe: "p".into(), planned })
    }

    /// Ends the run as one ends that went well, and judges it by one criterion.
    pub fn judged(self, claim: Claim) -> CriterionResult {
        let mut card = self.card(claim);
        card.criteria.remove(0)
    }

    /// The whole scorecard.
    pub fn card(self, claim: Claim) -> Scorecard {
        let mut story = self.with(claim);
        let end = story.record.end();
        let message = "all is well".to_owned();
        for event in [
            Event::Phase { phase: Phase::Verify },
            Event::Recovery { verified: true, leftovers: Vec::new(), message },
            Event::Finished,
        ] {
            story.record.push(Line { at: end, event });
        }
        score(&story.record)
    }

    /// What is recorded so far.
    pub fn recorded(self) -> Record {
        self.record
    }

    /// The scorecard of what a killed run has written down.
    pub fn cut_short(self, claim: Claim) -> Scorecard {
        score(&self.with(claim).record)
    }

    fn with(mut self, claim: Claim) -> Self {
        let of_fault = matches!(claim, Claim::RestartTime(_));
        let subject = if of_fault { Subject::Fault("f1".into()) } else { Subject::Probe("p".into()) };
        let criterion = Criterion { id: "c".into(), subject, claim, confidence: Ratio::new(0.95) };
        self.record.header.criteria.push(criterion);
        self
    }
}
