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
use crate::record::{At, CheckStage, History, NotRun, Note, Record};
use crate::scorecard::{
    CheckResult, CriterionResult, NotRunResult, RecoveryResult, RunInfo, SCORECARD_SCHEMA, Scorecard, TimelineEntry,
};
use crate::verdict::Verdict;

/// Judges a run.
pub fn score(record: &Record) -> Scorecard {
    let history = record.history();
    let lost = control::lost_in(record, &history);
    let (original, judged) = (record, control::excused(record, &lost));
    let record = judged.as_ref();
    let mut evidence = gather::evidence(record, &history);
    evidence.lost = control::words(&lost);
    let faults = faults::judge(record, &history);
    let checks = checks(record, &history);
    let not_run = not_run(&history);
    let criteria =
        record.header.criteria.iter().map(|one| criterion::judge(one, &evidence, &faults)).collect::<Vec<_>>();
    let recovery = recovery(record, &history);
    let outcome = verdict::decide(&history, &criteria, &checks, &faults, &not_run, &recovery);
    Scorecard {
        schema: SCORECARD_SCHEMA.into(),
        run: RunInfo {
            id: record.header.id.clone(),
            scenario: record.header.scenario.clone(),
            aliases: record.header.aliases.clone(),
            binding: record.header.binding.clone(),
            suite: record.header.suite.clone(),
            started: record.header.started.clone(),
            finished: finished(record),
            mesh: record.header.mesh.clone(),
            lab: record.is_lab(),
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
        control: control::summarise(original, &history, &lost, record),
        timeline: timeline(&history),
        notes: notes(&history),
    }
}

/// The last answer of every planned check; one that was never asked is an error, never a pass.
fn checks(record: &Record, history: &History<'_>) -> Vec<CheckResult> {
    // Whatever is to show recovery is not asked where there was nothing to recover from.
    let unasked = |stage| match stage {
        CheckStage::Recovered if !history.is_injected() && history.finished => Verdict::NotRun,
        _ if history.is_refused() => Verdict::NotRun,
        _ => Verdict::Error,
    };
    let planned = record.header.checks.iter().map(|check| {
        let (id, phase) = (check.id.clone(), check.stage);
        match history.checks.get(&(check.stage, check.id.as_str())) {
            Some(answer) => {
                let (message, observed) = (answer.message.to_owned(), answer.observed.clone());
                CheckResult { id, phase, verdict: answer.verdict, message, observed }
            }
            None => {
                let message = "not run: the run ended before this check".to_owned();
                CheckResult { id, phase, verdict: unasked(phase), message, observed: serde_json::Value::Null }
            }
        }
    });
    planned.collect()
}

fn not_run(history: &History<'_>) -> Vec<NotRunResult> {
    let result =
        |one: &NotRun<'_>| NotRunResult { id: one.id.to_owned(), reason: one.reason.to_owned(), waived: one.waived };
    history.not_run.iter().map(result).collect()
}

/// What the run itself found out about its leftovers; without it, an injected fault is not verified. Nor is one that a run
/// may have injected after the last event it wrote.
fn recovery(record: &Record, history: &History<'_>) -> RecoveryResult {
    if let Some(recovery) = &history.recovery {
        return RecoveryResult {
            verified: recovery.verified,
            leftovers: recovery.leftovers.to_vec(),
            message: recovery.message.to_owned(),
        };
    }
    let unknown = !history.finished && !record.header.faults.is_empty();
    let message = match (history.is_injected(), unknown) {
        (true, _) => "the record ends before recovery was checked",
        (false, true) => "the run did not reach its end, so it is not known whether anything was injected",
        (false, false) if record.header.faults.is_empty() => "a validation breaks nothing",
        (false, false) => "nothing was injected",
    };
    RecoveryResult { verified: !history.is_injected() && !unknown, leftovers: Vec::new(), message: message.to_owned() }
}

fn timeline(history: &History<'_>) -> Vec<TimelineEntry> {
    history.phases.iter().map(|(at, phase)| TimelineEntry { at: at.secs(), phase: *phase }).collect()
}

fn notes(history: &History<'_>) -> Vec<String> {
    let text = |note: &Note<'_>| match note {
        Note::Text(text) => (*text).to_owned(),
        Note::Aborted(why) => format!("aborted: {why}"),
        Note::Interrupted(by) => format!("interrupted by {by}"),
    };
    history.notes.iter().map(text).collect()
}

/// The wall time of the end: the start plus the monotonic length of the run.
fn finished(record: &Record) -> String {
    let started: Result<jiff::Timestamp, _> = record.header.started.parse();
    let length = jiff::SignedDuration::from_micros((record.end().secs() * 1e6).round() as i64);
    started.map_or_else(|_| record.header.started.clone(), |at| format!("{:.3}", at + length))
}

/// Whether a criterion is still open that more samples like the last ones would decide.
pub fn undecided(record: &Record) -> bool {
    let history = record.history();
    let evidence = gather::evidence(record, &history);
    let faults = faults::judge(record, &history);
    let open = record.header.criteria.iter().filter(|one| one.claim.is_decided_by_more());
    open.map(|one| criterion::judge(one, &evidence, &faults)).any(|one| one.verdict == Verdict::Inconclusive)
}

/// The first of some criteria that the samples since the first fault contradict, in words; none while nothing is certain.
pub fn breached(record: &Record, criteria: &[Criterion]) -> Option<String> {
    let found = contradicted_since(record, criteria, |history| history.marks.requested);
    found
        .first()
        .map(|(_, missed)| format!("{} since the fault: limit {}; {}", missed.id, missed.target, missed.message))
}

/// Those of some criteria that the record contradicts so far.
pub fn contradicted<'a>(record: &Record, criteria: &'a [Criterion]) -> Vec<(&'a Criterion, CriterionResult)> {
    contradicted_since(record, criteria, |_| Some(At::ZERO))
}

/// Those of some criteria that the samples since an instant contradict; none before that instant has come.
fn contradicted_since<'a>(
    record: &Record,
    criteria: &'a [Criterion],
    from: fn(&History<'_>) -> Option<At>,
) -> Vec<(&'a Criterion, CriterionResult)> {
    let history = record.history();
    let Some(from) = from(&history) else { return Vec::new() };
    let record = control::excused(record, &control::lost_in(record, &history));
    let evidence = gather::evidence(&record, &history).since(from);
    let judged = criteria.iter().map(|one| (one, criterion::judge(one, &evidence, &[])));
    judged.filter(|(_, one)| one.verdict == Verdict::Fail).collect()
}
