//! One criterion: dispatch to its kind, and the rules that hold for all kinds.

use super::evidence::{COVERAGE, Evidence, ProbeEvidence};
use super::{availability, detection, endpoints, latency, loss, outages, rate, restart, split};
use crate::criterion::{Claim, Criterion, Subject};
use crate::scorecard::{CriterionResult, FaultResult};
use crate::stats::Confidence;
use crate::units::percent;
use crate::verdict::Verdict;

/// What a criterion's kind works out: a value in its bounds, and what it says.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Judgement {
    pub value: Option<f64>,
    pub low: Option<f64>,
    pub high: Option<f64>,
    pub unit: &'static str,
    pub n: usize,
    pub verdict: Verdict,
    pub message: String,
}

impl Judgement {
    /// A judgement without a value.
    pub fn without_value(verdict: Verdict, unit: &'static str, message: impl Into<String>) -> Self {
        Self { value: None, low: None, high: None, unit, n: 0, verdict, message: message.into() }
    }

    /// No samples: never a pass.
    pub fn no_samples(unit: &'static str) -> Self {
        Self::without_value(Verdict::Inconclusive, unit, "no samples: nothing was measured in this part of the run")
    }
}

/// What every kind may look at.
pub(super) struct Context<'a> {
    pub evidence: &'a Evidence<'a>,
    pub confidence: Confidence,
}

/// Judges one criterion.
pub(super) fn judge(criterion: &Criterion, evidence: &Evidence<'_>, faults: &[FaultResult]) -> CriterionResult {
    let judgement = match Confidence::new(criterion.confidence.get()) {
        Ok(confidence) => of_subject(criterion, &Context { evidence, confidence }),
        Err(error) => Judgement::without_value(Verdict::Error, "", error.to_string()),
    };
    let judgement = match evidence.infeasible.get(criterion.id.as_str()) {
        Some(why) => Judgement::without_value(Verdict::Fail, "s", format!("infeasible: {why}")),
        None => invalidated(judgement, faults),
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
        target: criterion.claim.target(),
        value: judgement.value,
        low: judgement.low,
        high: judgement.high,
        unit: judgement.unit.to_owned(),
        n: judgement.n,
        verdict: judgement.verdict,
        message: judgement.message,
    }
}

fn of_subject(criterion: &Criterion, context: &Context<'_>) -> Judgement {
    match &criterion.subject {
        Subject::Fault(fault) => match &criterion.claim {
            Claim::RestartTime { target } => restart::judge(fault, *target, context),
            _ => Judgement::without_value(Verdict::Error, "", "this criterion speaks of a probe, not of a fault"),
        },
        Subject::Probe(name) => match context.evidence.probe(name) {
            None => Judgement::without_value(Verdict::Error, "", format!("the record has no probe `{name}`")),
            Some(_) if context.evidence.why_not_run(name).is_some() => {
                Judgement::without_value(Verdict::NotRun, "", context.evidence.why_not_run(name).unwrap_or_default())
            }
            Some(probe) => match &probe.failed {
                Some(why) => Judgement::without_value(Verdict::Error, "", format!("could not measure: {why}")),
                None => covered(of_probe(criterion, probe, context), probe, context.evidence),
            },
        },
    }
}

fn of_probe(criterion: &Criterion, probe: &ProbeEvidence<'_>, context: &Context<'_>) -> Judgement {
    match &criterion.claim {
        Claim::Availability { target } => availability::of_the_run(probe, *target, context),
        Claim::ErrorBudget { target, over, spend } => availability::budget(probe, *target, *over, *spend, context),
        Claim::RecoveryTime { target } => outages::recovery_time(probe, *target, context),
        Claim::MaxOutage { target } => outages::max_outage(probe, *target, context),
        Claim::ErrorRate { target, during } => rate::judge(probe, *target, *during, "bad", context),
        Claim::PacketLoss { target, during } => rate::judge(probe, *target, *during, "lost", context),
        Claim::Latency { quantile, target, during } | Claim::Rtt { quantile, target, during } => {
            latency::judge(probe, *quantile, *target, *during, context)
        }
        Claim::RestartTime { .. } => {
            Judgement::without_value(Verdict::Error, "s", "restartTime speaks of a fault, not of a probe")
        }
        Claim::Endpoints { expect, during } => endpoints::judge(probe, expect, *during, context),
        Claim::Split { by, weights, during } => split::judge(probe, by, weights, *during, context),
        Claim::DetectionTime { target, until, fault } => {
            detection::judge(probe, *target, *until, fault.as_deref(), context)
        }
        Claim::DataLoss { target } => loss::judge(probe.read_back, *target, context),
    }
}

/// A pass needs answers for nearly all of the schedule.
fn covered(mut judgement: Judgement, probe: &ProbeEvidence<'_>, evidence: &Evidence<'_>) -> Judgement {
    let coverage = probe.coverage();
    if coverage < COVERAGE && judgement.verdict == Verdict::Pass {
        judgement.verdict = Verdict::Inconclusive;
        judgement.message = format!(
            "{}; but only {} of the schedule was measured (needs {})",
            judgement.message,
            percent(coverage),
            percent(COVERAGE)
        );
    }
    if let Some(lost) = &evidence.lost {
        judgement.message = format!("{}; {lost}", judgement.message);
    }
    judgement
}

/// A drill whose fault took no effect proves nothing, whatever was measured.
fn invalidated(mut judgement: Judgement, faults: &[FaultResult]) -> Judgement {
    if let Some(fault) = faults.iter().find(|fault| fault.requested.is_some() && !fault.took_effect) {
        judgement.verdict = Verdict::Error;
        judgement.message =
            format!("proves nothing, because fault {} took no effect (measured: {})", fault.id, judgement.message);
    } else if faults.iter().any(|fault| fault.requested.is_none()) {
        judgement.verdict = Verdict::NotRun;
        "no fault is known to have been injected, so there is nothing to judge".clone_into(&mut judgement.message);
    }
    judgement
}
