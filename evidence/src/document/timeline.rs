//! The timeline of an evidence document: what meshdrill did, what the probes measured, and what came from outside.

use jiff::{SignedDuration, Timestamp};
use meshdrill_checks::record::{Event, Record};
use meshdrill_checks::scorecard::{OutageResult, Scorecard};

use super::schema::TimelineStep;

/// Who does what a run does.
const RUNNER: &str = "meshdrill";

/// All steps of a run in the order of their times.
pub(super) fn timeline(record: &Record, card: &Scorecard) -> Vec<TimelineStep> {
    let clock = Wall { start: record.header.started.parse().ok() };
    let mut steps: Vec<TimelineStep> =
        record.events.iter().filter_map(|line| clock.step(line.at.secs(), &line.event)).collect();
    for probe in &card.probes {
        steps.extend(probe.all.outages.iter().flat_map(|outage| clock.outage(&probe.name, outage)));
    }
    // Stable: what happened at one time stays in the order of the record.
    steps.sort_by(|one, next| one.at.total_cmp(&next.at));
    steps
}

struct Wall {
    start: Option<Timestamp>,
}

impl Wall {
    fn time(&self, at: f64) -> String {
        let since = SignedDuration::from_micros((at * 1e6).round() as i64);
        let time = self.start.and_then(|start| start.checked_add(since).ok());
        time.map_or_else(|| super::NOT_RECORDED.to_owned(), |time| format!("{time:.3}"))
    }

    fn made(&self, at: f64, actor: &str, action: String, objects: &[String], detail: &str) -> TimelineStep {
        let (time, actor, objects, detail) = (self.time(at), actor.to_owned(), objects.to_vec(), detail.to_owned());
        TimelineStep { time, at, actor, action, objects, uids: Vec::new(), detail }
    }

    fn outage(&self, probe: &str, outage: &OutageResult) -> Vec<TimelineStep> {
        let actor = format!("probe {probe}");
        let classes: Vec<String> = outage.classes.iter().map(|(class, count)| format!("{class} {count}")).collect();
        let begun = self.made(outage.start, &actor, "outage began".to_owned(), &[], &classes.join(", "));
        let ended = outage.end.map(|end| self.made(end, &actor, "outage ended".to_owned(), &[], ""));
        [begun].into_iter().chain(ended).collect()
    }

    /// The step of an event; none for what the results have already.
    fn step(&self, at: f64, event: &Event) -> Option<TimelineStep> {
        let by =
            |action: String, objects: &[String], detail: &str| Some(self.made(at, RUNNER, action, objects, detail));
        match event {
            Event::Phase { phase } => by(format!("phase {} began", phase.word()), &[], ""),
            Event::Refused { why } => by("refused: nothing was injected".to_owned(), &[], why),
            Event::Crashed { why } => by("crashed".to_owned(), &[], why),
            Event::ProbeFailed { probe, why } => by(format!("probe {probe} failed"), &[], why),
            Event::SteadyState { met: true, message } => by("steady state met".to_owned(), &[], message),
            Event::SteadyState { met: false, message } => by("steady state not met".to_owned(), &[], message),
            Event::FaultRequested { fault, targets, uids } => {
                let step = self.made(at, RUNNER, format!("fault {fault} requested"), targets, "");
                Some(TimelineStep { uids: uids.clone(), ..step })
            }
            Event::FaultEffective { fault, since, proof } => {
                let detail =
                    since.map_or_else(|| proof.clone(), |since| format!("since {:.3} s: {proof}", since.secs()));
                by(format!("fault {fault} effective"), &[], &detail)
            }
            Event::FaultIneffective { fault, why } => by(format!("fault {fault} without effect"), &[], why),
            Event::FaultHeld { fault, observations, .. } => {
                by(format!("fault {fault} held"), &[], &format!("observed in effect {observations} times"))
            }
            Event::FaultLapsed { fault, why, .. } => by(format!("fault {fault} ended before its time"), &[], why),
            Event::TargetReplaced { fault, target, by: replacement } => {
                let objects = [target.clone(), replacement.clone()];
                by(format!("target of fault {fault} replaced"), &objects, "")
            }
            Event::UndoRequested { fault, undo } => by(format!("undo of fault {fault} requested"), &[], undo),
            Event::UndoVerified { fault, proof } => by(format!("undo of fault {fault} verified"), &[], proof),
            Event::UndoFailed { fault, why } => by(format!("undo of fault {fault} failed"), &[], why),
            Event::Aborted { why } => by("aborted".to_owned(), &[], why),
            Event::Interrupted { by: who, .. } => Some(self.made(at, who, "interrupted the run".to_owned(), &[], "")),
            Event::Recovery { verified: true, message, .. } => by("recovery verified".to_owned(), &[], message),
            Event::Recovery { verified: false, leftovers, message } => {
                by("recovery not verified".to_owned(), leftovers, message)
            }
            Event::Finished => by("finished".to_owned(), &[], ""),
            Event::Started(_)
            | Event::ProbeReady { .. }
            | Event::ProbeStopped { .. }
            | Event::Sample { .. }
            | Event::Control { .. }
            | Event::ReadBack { .. }
            | Event::Infeasible { .. }
            | Event::Check { .. }
            | Event::NotRun { .. }
            | Event::ClusterIdentified { .. }
            | Event::ClockChecked { .. }
            | Event::Note { .. } => None,
        }
    }
}
