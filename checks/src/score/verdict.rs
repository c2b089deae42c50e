//! The verdict on a whole run, and its exit code.

use crate::record::{Event, Record};
use crate::scorecard::{CheckResult, CriterionResult, FaultResult, NotRunResult, RecoveryResult};
use crate::verdict::Verdict;

/// What a run ends with.
pub(super) struct Outcome {
    pub verdict: Verdict,
    pub exit_code: u8,
    pub message: String,
}

/// Exit codes in the order in which they win when several runs end together.
const PRECEDENCE: [u8; 8] = [1, 12, 130, 10, 13, 3, 11, 0];

/// The exit code of several runs: the first present of 1, 12, 130, 10, 13, 3, 11, 0. No run at all ends in 11.
pub fn merge_exit_codes(codes: impl IntoIterator<Item = u8>) -> u8 {
    let codes: Vec<u8> = codes.into_iter().collect();
    PRECEDENCE.into_iter().find(|code| codes.contains(code)).unwrap_or(if codes.is_empty() { 11 } else { 1 })
}

pub(super) fn decide(
    record: &Record,
    criteria: &[CriterionResult],
    checks: &[CheckResult],
    faults: &[FaultResult],
    not_run: &[NotRunResult],
    recovery: &RecoveryResult,
) -> Outcome {
    let outcome = |verdict, exit_code, message: String| Outcome { verdict, exit_code, message };
    let injected = faults.iter().any(|fault| fault.requested.is_some()) || !record.is_complete();
    if injected && !recovery.verified {
        return outcome(Verdict::Error, 12, format!("recovery not verified: {}", recovery.message));
    }
    if let Some(outcome) = ended_early(record) {
        return outcome;
    }
    // What the whole scenario needs is not there: no fault was meant to take effect.
    if not_run.iter().any(|missing| missing.id == "scenario") {
        return all_right(None, not_run, faults, 0);
    }
    if let Some(fault) = faults.iter().find(|fault| !fault.took_effect) {
        let message = format!("fault {} took no effect, so the drill proves nothing: {}", fault.id, fault.message);
        return outcome(Verdict::Error, 13, message);
    }
    if !record.is_complete() {
        return outcome(Verdict::Error, 13, "the record is incomplete: the run did not reach its end".into());
    }
    let judged = criteria.iter().map(|one| (one.verdict, &one.id, &one.message));
    let judged = judged.chain(checks.iter().map(|one| (one.verdict, &one.id, &one.message)));
    let worst = judged.clone().reduce(|worst, one| if worst.0.merge(one.0) == worst.0 { worst } else { one });
    // A missed target is a result; what could not be measured beside it does not take it away.
    let failed = judged.clone().find(|one| one.0 == Verdict::Fail);
    let says = |one: &(Verdict, &String, &String)| format!("{}: {}", one.1, one.2);
    let probe_failed = record.events.iter().find_map(|line| match &line.event {
        Event::ProbeFailed { probe, why } => Some(format!("probe {probe} could not measure: {why}")),
        _ => None,
    });
    match (failed, worst, probe_failed) {
        (Some(failed), ..) => outcome(Verdict::Fail, 10, says(&failed)),
        (_, Some(worst), _) if worst.0 == Verdict::Error => outcome(Verdict::Error, 13, says(&worst)),
        (_, _, Some(why)) => outcome(Verdict::Error, 13, why),
        (_, Some(worst), _) if worst.0 == Verdict::Inconclusive => outcome(Verdict::Inconclusive, 11, says(&worst)),
        (_, worst, _) => all_right(worst.map(|one| one.0), not_run, faults, criteria.len() + checks.len()),
    }
}

/// Nothing failed; whether that is a pass depends on whether anything was asked at all.
fn all_right(worst: Option<Verdict>, not_run: &[NotRunResult], faults: &[FaultResult], count: usize) -> Outcome {
    if let Some(missing) = not_run.iter().find(|missing| !missing.waived) {
        let message = format!("{} did not run: {}", missing.id, missing.reason);
        return Outcome { verdict: Verdict::NotRun, exit_code: 11, message };
    }
    match worst {
        Some(Verdict::Pass) => {
            Outcome { verdict: Verdict::Pass, exit_code: 0, message: format!("all {count} criteria and checks passed") }
        }
        _ => {
            let reason = not_run.first().map_or_else(
                || format!("nothing was asked of {} faults and no criterion or check", faults.len()),
                |missing| missing.reason.clone(),
            );
            Outcome { verdict: Verdict::NotRun, exit_code: 11, message: format!("nothing ran: {reason}") }
        }
    }
}

/// Runs that preflight refused, or that someone stopped.
fn ended_early(record: &Record) -> Option<Outcome> {
    record.events.iter().find_map(|line| match &line.event {
        Event::Crashed { why } => Some(Outcome { verdict: Verdict::Error, exit_code: 1, message: why.clone() }),
        Event::Refused { why } => {
            Some(Outcome { verdict: Verdict::Error, exit_code: 3, message: format!("nothing was injected: {why}") })
        }
        Event::Infeasible { criterion, why } => Some(Outcome {
            verdict: Verdict::Fail,
            exit_code: 10,
            message: format!("nothing was injected, because {criterion} is infeasible: {why}"),
        }),
        Event::SteadyState { met: false, message } => Some(Outcome {
            verdict: Verdict::Error,
            exit_code: 3,
            message: format!("nothing was injected, because the steady state did not hold: {message}"),
        }),
        Event::Interrupted { by, injected: true } => Some(Outcome {
            verdict: Verdict::Error,
            exit_code: 130,
            message: format!("interrupted by {by}; everything was undone and verified"),
        }),
        Event::Interrupted { by, injected: false } => Some(Outcome {
            verdict: Verdict::Error,
            exit_code: 3,
            message: format!("stopped by {by} before anything was injected"),
        }),
        Event::Aborted { why } => {
            Some(Outcome { verdict: Verdict::Fail, exit_code: 10, message: format!("aborted: {why}") })
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::merge_exit_codes;

    #[test]
    fn damage_outranks_everything_but_a_bug() {
        assert_eq!(merge_exit_codes([0, 10, 12, 130]), 12);
        assert_eq!(merge_exit_codes([0, 10, 13]), 10);
        assert_eq!(merge_exit_codes([0, 3, 11]), 3);
        assert_eq!(merge_exit_codes([0, 0]), 0);
        assert_eq!(merge_exit_codes([]), 11);
        assert_eq!(merge_exit_codes([77]), 1);
    }
}
