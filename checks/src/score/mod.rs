//! From a record to a scorecard: pure, so that an old run judged again gets the same verdict.

mod criterion;
mod faults;
mod gather;
mod probes;
#[cfg(test)]
pub(crate) mod tests;
mod verdict;

use crate::control;
use crate::criterion::Criterion;
use crate::record::{Event, Record};
use crate::scorecard::{
    CheckResult, CriterionResult, NotRunResult, RecoveryResult, RunInfo, SCORECARD_SCHEMA, Scorecard, TimelineEntry,
};
use crate::verdict::Verdict;

pub use verdict::merge_exit_codes;

/// Judges a run.
pub fn score(record: &Record) -> Scorecard {
    let lost = control::lost(record);
    let (seen, judged) = (record, control::excused(record, &lost));
    let record = judged.as_ref();
    let mut evidence = gather::evidence(record);
    evidence.lost = control::words(&lost);
    let faults = faults::judge(record);
    let checks = checks(record);
    let not_run = not_run(record);
    let criteria =
        record.header.criteria.iter().map(|one| criterion::judge(one, &evidence, &faults)).collect::<Vec<_>>();
    let recovery = recovery(record);
    let outcome = verdict::decide(record, &criteria, &checks, &faults, &not_run, &recovery);
    Scorecard {
        schema: SCORECARD_SCHEMA.into(),
        run: RunInfo {
            id: record.header.id.clone(),
            scenario: record.header.scenario.clone(),
            binding: record.header.binding.clone(),
            suite: record.header.suite.clone(),
            started: record.header.started.clone(),
            finished: finished(record),
            mesh: record.header.mesh.clone(),
            lab: record.header.lab,
            change: record.header.change.clone(),
        },
        verdict: outcome.verdict,
        exit_code: outcome.exit_code,
        message: outcome.message,
        criteria,
        checks,
        probes: record.header.probes.iter().map(|probe| probes::summarise(probe, &evidence)).collect(),
        faults,
        not_run,
        recovery,
        control: control::summarise(seen, &lost, record),
        timeline: timeline(record),
        notes: notes(record),
    }
}

/// The last answer of every planned check; one that was never asked is an error, never a pass.
fn checks(record: &Record) -> Vec<CheckResult> {
    let refused =
        record.events.iter().any(|line| matches!(line.event, Event::Refused { .. } | Event::Infeasible { .. }));
    let planned = record.header.checks.iter().map(|check| {
        let last = record.events.iter().rev().find_map(|line| match &line.event {
            Event::Check { id, stage, verdict, message, observed } if *id == check.id && *stage == check.stage => {
                Some((*verdict, message.clone(), observed.clone()))
            }
            Event::NotRun { id, reason, .. } if *id == check.id || id == "scenario" => {
                Some((Verdict::NotRun, reason.clone(), serde_json::Value::Null))
            }
            _ => None,
        });
        let (verdict, message, observed) = last.unwrap_or_else(|| {
            let verdict = if refused { Verdict::NotRun } else { Verdict::Error };
            (verdict, "it was never asked: the run ended before its turn".to_owned(), serde_json::Value::Null)
        });
        CheckResult { id: check.id.clone(), phase: check.stage.clone(), verdict, message, observed }
    });
    planned.collect()
}

fn not_run(record: &Record) -> Vec<NotRunResult> {
    let left_out = record.events.iter().filter_map(|line| match &line.event {
        Event::NotRun { id, reason, waived } => {
            Some(NotRunResult { id: id.clone(), reason: reason.clone(), waived: *waived })
        }
        _ => None,
    });
    left_out.collect()
}

/// What the run itself found out about its leftovers; without a word of it, an injected fault is not verified. Nor is one
/// that a run may have injected after the last thing it wrote down.
fn recovery(record: &Record) -> RecoveryResult {
    let said = record.events.iter().rev().find_map(|line| match &line.event {
        Event::Recovery { verified, leftovers, message } => {
            Some(RecoveryResult { verified: *verified, leftovers: leftovers.clone(), message: message.clone() })
        }
        _ => None,
    });
    let injected = record.events.iter().any(|line| matches!(line.event, Event::FaultRequested { .. }));
    let unknown = !record.is_complete() && !record.header.faults.is_empty();
    let message = match (injected, unknown) {
        (true, _) => "the record ends before recovery was looked at",
        (false, true) => "the run did not reach its end, so it is not known whether anything was injected",
        (false, false) => "nothing was injected",
    };
    said.unwrap_or_else(|| RecoveryResult {
        verified: !injected && !unknown,
        leftovers: Vec::new(),
        message: message.to_owned(),
    })
}

fn timeline(record: &Record) -> Vec<TimelineEntry> {
    let entries = record.events.iter().filter_map(|line| match line.event {
        Event::Phase { phase } => Some(TimelineEntry { at: line.at.secs(), phase }),
        _ => None,
    });
    entries.collect()
}

fn notes(record: &Record) -> Vec<String> {
    let notes = record.events.iter().filter_map(|line| match &line.event {
        Event::Note { text } => Some(text.clone()),
        Event::Aborted { why } => Some(format!("aborted: {why}")),
        Event::Interrupted { by, .. } => Some(format!("interrupted by {by}")),
        _ => None,
    });
    notes.collect()
}

/// The wall time of the end: the start plus the monotonic length of the run.
fn finished(record: &Record) -> String {
    let started: Result<jiff::Timestamp, _> = record.header.started.parse();
    let length = jiff::SignedDuration::from_micros((record.end().secs() * 1e6).round() as i64);
    started.map_or_else(|_| record.header.started.clone(), |at| format!("{:.3}", at + length))
}

/// Whether a criterion is still open that more samples like the last ones would decide.
pub fn undecided(record: &Record) -> bool {
    let evidence = gather::evidence(record);
    let faults = faults::judge(record);
    let open = record.header.criteria.iter().filter(|one| one.claim.is_decided_by_more());
    open.map(|one| criterion::judge(one, &evidence, &faults)).any(|one| one.verdict == Verdict::Inconclusive)
}

/// The first of some criteria that the record contradicts so far, in words; none while nothing is certain.
pub fn breached(record: &Record, criteria: &[Criterion]) -> Option<String> {
    contradicted(record, criteria).first().map(|(_, missed)| format!("{}: {}", missed.id, missed.message))
}

/// Those of some criteria that the record contradicts so far.
pub fn contradicted<'a>(record: &Record, criteria: &'a [Criterion]) -> Vec<(&'a Criterion, CriterionResult)> {
    let record = control::excused(record, &control::lost(record));
    let evidence = gather::evidence(&record);
    let judged = criteria.iter().map(|one| (one, criterion::judge(one, &evidence, &[])));
    judged.filter(|(_, one)| one.verdict == Verdict::Fail).collect()
}
