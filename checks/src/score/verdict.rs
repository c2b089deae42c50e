//! The verdict on a whole run, and its exit code.

use crate::exit_code::ExitCode;
use crate::record::{Ending, History, SCENARIO};
use crate::scorecard::{CheckResult, CriterionResult, FaultResult, NotRunResult, RecoveryResult};
use crate::verdict::Verdict;

/// What a run ends with.
pub(super) struct Outcome {
    pub verdict: Verdict,
    pub exit_code: ExitCode,
    pub message: String,
}

pub(super) fn decide(
    history: &History<'_>,
    criteria: &[CriterionResult],
    checks: &[CheckResult],
    faults: &[FaultResult],
    not_run: &[NotRunResult],
    recovery: &RecoveryResult,
) -> Outcome {
    let outcome = |verdict, exit_code, message: String| Outcome { verdict, exit_code, message };
    let injected = faults.iter().any(|fault| fault.requested.is_some()) || !history.finished;
    if injected && !recovery.verified {
        return outcome(Verdict::Error, ExitCode::NotRecovered, format!("recovery not verified: {}", recovery.message));
    }
    if let Some(outcome) = ended_early(history, !faults.is_empty()) {
        return outcome;
    }
    // What the whole scenario needs is not there: no fault was meant to take effect.
    if not_run.iter().any(|missing| missing.id == SCENARIO) {
        return all_right(None, not_run, faults, 0);
    }
    // A fault that ended before its time ends the others too: it is the reason.
    let flaws = || faults.iter().filter_map(|fault| Some((fault, fault.flaw.as_ref()?)));
    if let Some((fault, flaw)) = flaws().find(|(fault, _)| fault.took_effect).or_else(|| flaws().next()) {
        let message = format!("fault {} {}, so the drill is not valid: {}", fault.id, flaw.what, flaw.why);
        return outcome(Verdict::Error, ExitCode::Invalid, message);
    }
    if let Some(fault) = faults.iter().find(|fault| !fault.took_effect) {
        let message = format!("fault {} took no effect, so the drill is not valid: {}", fault.id, fault.message);
        return outcome(Verdict::Error, ExitCode::Invalid, message);
    }
    if !history.finished {
        return outcome(
            Verdict::Error,
            ExitCode::Invalid,
            "the record is incomplete: the run did not reach its end".into(),
        );
    }
    let judged = criteria.iter().map(|one| (one.verdict, &one.id, &one.message));
    let judged = judged.chain(checks.iter().map(|one| (one.verdict, &one.id, &one.message)));
    let worst = judged.clone().reduce(|worst, one| if worst.0.merge(one.0) == worst.0 { worst } else { one });
    // A missed target is a result; what could not be measured beside it does not take it away.
    let failed = judged.clone().find(|one| one.0 == Verdict::Fail);
    let says = |one: &(Verdict, &String, &String)| format!("{}: {}", one.1, one.2);
    let probe_failed =
        history.failed_probes.first().map(|(probe, why)| format!("probe {probe}: measurement error: {why}"));
    match (failed, worst, probe_failed) {
        (Some(failed), ..) => outcome(Verdict::Fail, ExitCode::Fail, says(&failed)),
        (_, Some(worst), _) if worst.0 == Verdict::Error => outcome(Verdict::Error, ExitCode::Invalid, says(&worst)),
        (_, _, Some(why)) => outcome(Verdict::Error, ExitCode::Invalid, why),
        (_, Some(worst), _) if worst.0 == Verdict::Inconclusive => {
            outcome(Verdict::Inconclusive, ExitCode::Inconclusive, says(&worst))
        }
        (_, worst, _) => all_right(worst.map(|one| one.0), not_run, faults, criteria.len() + checks.len()),
    }
}

/// Nothing failed; whether that is a pass depends on whether anything was asked at all.
fn all_right(worst: Option<Verdict>, not_run: &[NotRunResult], faults: &[FaultResult], count: usize) -> Outcome {
    if let Some(missing) = not_run.iter().find(|missing| !missing.waived) {
        let message = format!("{} did not run: {}", missing.id, missing.reason);
        return Outcome { verdict: Verdict::NotRun, exit_code: ExitCode::Inconclusive, message };
    }
    match worst {
        Some(Verdict::Pass) => Outcome {
            verdict: Verdict::Pass,
            exit_code: ExitCode::Pass,
            message: format!("all {count} criteria and checks passed"),
        },
        _ => {
            let reason = not_run.first().map_or_else(
                || format!("{} faults, no criterion and no check", faults.len()),
                |missing| missing.reason.clone(),
            );
            Outcome {
                verdict: Verdict::NotRun,
                exit_code: ExitCode::Inconclusive,
                message: format!("nothing ran: {reason}"),
            }
        }
    }
}

/// Runs that preflight refused, or that someone stopped.
fn ended_early(history: &History<'_>, drill: bool) -> Option<Outcome> {
    let outcome = |verdict, exit_code, message| Outcome { verdict, exit_code, message };
    Some(match history.endings.first()? {
        Ending::Crashed(why) => outcome(Verdict::Error, ExitCode::Internal, (*why).to_owned()),
        Ending::Refused(why) => {
            // A validation injects nothing anyway; that is not news.
            let ended = if drill { "nothing was injected" } else { "the validation did not start" };
            outcome(Verdict::Error, ExitCode::Refused, format!("{ended}: {why}"))
        }
        Ending::Infeasible { criterion, why } => outcome(
            Verdict::Fail,
            ExitCode::Fail,
            format!("nothing was injected, because {criterion} is infeasible: {why}"),
        ),
        Ending::NotSteady(message) => outcome(
            Verdict::Error,
            ExitCode::Refused,
            format!("nothing was injected, because the steady state did not hold: {message}"),
        ),
        Ending::Interrupted { by, injected: true } => outcome(
            Verdict::Error,
            ExitCode::Interrupted,
            format!("interrupted by {by}; all faults are undone and verified"),
        ),
        Ending::Interrupted { by, injected: false } => {
            let before = if drill { " before anything was injected" } else { "" };
            outcome(Verdict::Error, ExitCode::Refused, format!("stopped by {by}{before}"))
        }
        Ending::Aborted(why) => outcome(Verdict::Fail, ExitCode::Fail, format!("aborted: {why}")),
    })
}
