//! One criterion: judged by its kind, and by the rules that hold for all kinds.

use std::collections::BTreeMap;

use crate::criterion::{Criterion, Subject};
use crate::evidence::{COVERAGE, Evidence, ProbeEvidence};
use crate::figure::Unit;
use crate::judgement::{Context, Judgement, Need};
use crate::record::{Class, Ending, SCENARIO};
use crate::scorecard::{CriterionResult, FaultResult};
use crate::stats::Confidence;
use crate::units::percent;
use crate::verdict::Verdict;

/// Judges one criterion.
pub(super) fn judge(criterion: &Criterion, evidence: &Evidence<'_>, faults: &[FaultResult]) -> CriterionResult {
    let judgement = match Confidence::new(criterion.confidence.get()) {
        Ok(confidence) => of_subject(criterion, &Context { evidence, confidence }),
        Err(error) => Judgement::without_value(Verdict::Error, Unit::None, error.to_string()),
    };
    let judgement = match evidence.history.infeasible.get(criterion.id.as_str()) {
        Some(why) => Judgement::without_value(Verdict::Fail, Unit::Seconds, format!("infeasible: {why}")),
        None => match unbegun(evidence) {
            Some(why) if faults.is_empty() => {
                Judgement::without_value(Verdict::NotRun, Unit::None, format!("not run: {why}"))
            }
            _ => invalidated(judgement, faults),
        },
    };
    let (probe, fault) = match &criterion.subject {
        Subject::Probe(name) => (Some(name.clone()), None),
        Subject::Fault(name) => (None, Some(name.clone())),
    };
    CriterionResult {
        id: criterion.id.clone(),
        kind: criterion.claim.kind().to_owned(),
        probe,
        fault,
        during: criterion.claim.during(),
        target: criterion.claim.target(),
        limit: criterion.claim.limit(),
        value: judgement.value,
        low: judgement.low,
        high: judgement.high,
        unit: judgement.unit,
        n: judgement.n,
        needed_samples: match judgement.need {
            Some(Need::Samples(needed)) if judgement.verdict == Verdict::Inconclusive => Some(needed),
            Some(Need::Samples(_) | Need::Coverage) | None => None,
        },
        verdict: judgement.verdict,
        message: judgement.message,
    }
}

/// Why a run took no sample; none if it took one, or if nothing kept it from doing so.
fn unbegun(evidence: &Evidence<'_>) -> Option<String> {
    if evidence.probes.values().any(|probe| !probe.samples.is_empty()) {
        return None;
    }
    match evidence.history.endings.first() {
        Some(Ending::Refused(why)) => Some((*why).to_owned()),
        Some(Ending::Infeasible { criterion, why }) => Some(format!("{criterion} is infeasible: {why}")),
        Some(Ending::Interrupted { by, .. }) => Some(format!("stopped by {by}")),
        Some(Ending::Crashed(_) | Ending::NotSteady(_) | Ending::Aborted(_)) => None,
        None => evidence.history.not_run.iter().find(|one| one.id == SCENARIO).map(|one| one.reason.to_owned()),
    }
}

fn of_subject(criterion: &Criterion, context: &Context<'_>) -> Judgement {
    let kind = criterion.claim.as_kind();
    match &criterion.subject {
        Subject::Fault(fault) => kind.judge_fault(fault, context),
        Subject::Probe(name) => match context.evidence.probe(name) {
            None => Judgement::without_value(Verdict::Error, Unit::None, format!("the record has no probe `{name}`")),
            Some(_) if context.evidence.why_not_run(name).is_some() => Judgement::without_value(
                Verdict::NotRun,
                Unit::None,
                context.evidence.why_not_run(name).unwrap_or_default(),
            ),
            Some(probe) => match probe.failed {
                Some(why) => Judgement::without_value(Verdict::Error, Unit::None, format!("measurement error: {why}")),
                None => covered(kind.judge_probe(probe, context), probe, context.evidence),
            },
        },
    }
}

/// A pass needs answers for nearly all of the schedule.
fn covered(mut judgement: Judgement, probe: &ProbeEvidence<'_>, evidence: &Evidence<'_>) -> Judgement {
    let coverage = probe.coverage();
    if coverage < COVERAGE && judgement.verdict == Verdict::Pass {
        judgement.verdict = Verdict::Inconclusive;
        judgement.need = Some(Need::Coverage);
        judgement.message = format!(
            "{}; only {} of the schedule was measured (needs {})",
            judgement.message,
            percent(coverage),
            percent(COVERAGE)
        );
    }
    if coverage < COVERAGE
        && judgement.verdict == Verdict::Inconclusive
        && let Some(why) = unmeasured(probe)
    {
        judgement.message = format!("{}; {why}", judgement.message);
    }
    if let Some(lost) = &evidence.lost {
        judgement.message = format!("{}; {lost}", judgement.message);
    }
    judgement
}

/// Why observations of a probe measured nothing: the most frequent reason of the record, and how often it occurs.
fn unmeasured(probe: &ProbeEvidence<'_>) -> Option<String> {
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    let lost = probe.samples.iter().filter(|sample| matches!(sample.class, Class::NoData | Class::NotSent));
    for seen in lost.filter_map(|sample| sample.seen.as_ref()) {
        if let Some(reason) = seen.as_str().or_else(|| seen["message"].as_str()) {
            *reasons.entry(reason).or_default() += 1;
        }
    }
    let all: usize = reasons.values().sum();
    let (reason, count) = reasons.into_iter().max_by_key(|(_, count)| *count)?;
    let others = if count < all { format!(" ({count} of {all} for this reason)") } else { String::new() };
    Some(format!("{all} observations measured nothing: {reason}{others}"))
}

/// A drill whose fault took no effect proves nothing, whatever was measured.
fn invalidated(mut judgement: Judgement, faults: &[FaultResult]) -> Judgement {
    let flaw = |fault: &FaultResult| {
        fault.requested.and(fault.flaw.as_ref()).map(|flaw| format!("fault {} {}", fault.id, flaw.what))
    };
    if let Some(flaw) = faults.iter().find_map(flaw) {
        judgement.verdict = Verdict::Error;
        judgement.message = format!("not valid, because {flaw} (measured: {})", judgement.message);
    } else if faults.iter().any(|fault| fault.requested.is_none()) {
        judgement.verdict = Verdict::NotRun;
        "no fault was injected, so there is nothing to judge".clone_into(&mut judgement.message);
    }
    judgement
}
