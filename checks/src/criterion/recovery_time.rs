//! Recovery time: from the effect of the fault to the end of the outage that it caused.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Claim, CriterionKind, CriterionRow, During, OrDefault, RowOptions, time_limit};
use crate::evidence::ProbeEvidence;
use crate::figure::{Limit, Unit};
use crate::judgement::{Context, Judgement};
use crate::outage::{Outage, SUSTAINED_SAMPLES};
use crate::record::{At, Sample};
use crate::stats::Confidence;
use crate::units::{TimeSpan, seconds};
use crate::verdict::Verdict;

/// The upper end of the recovery time must lie below the target; of several outages the one that took longest counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecoveryTime {
    /// Less than this.
    pub target: TimeSpan,
}

impl CriterionRow for RecoveryTime {
    type Value = OrDefault<TimeSpan>;
    const NAME: &'static str = "recoveryTime";
    const WITHOUT_FAULT: Option<&'static str> = Some("a validation breaks nothing, so there is no recovery");

    fn claims(value: &Self::Value, options: &mut RowOptions<'_>) -> Vec<Claim> {
        let default = options.defaults.recovery_time;
        options.value(Self::NAME, *value, default).map(|target| Self { target }.into()).into_iter().collect()
    }
}

impl CriterionKind for RecoveryTime {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn id_suffix(&self) -> String {
        "recovery-time".into()
    }

    fn target(&self) -> String {
        format!("< {}", self.target)
    }

    fn limit(&self) -> Option<Limit> {
        Some(Limit::Below(self.target.as_secs_f64()))
    }

    fn sampled_in(&self) -> During {
        During::Recovered
    }

    fn needed_samples(&self, _: Confidence) -> Option<u64> {
        Some(SUSTAINED_SAMPLES as u64)
    }

    fn is_decided_by_more(&self) -> bool {
        true
    }

    fn judge_probe(&self, probe: &ProbeEvidence<'_>, context: &Context<'_>) -> Judgement {
        let Some(t0) = context.evidence.marks.effective else {
            return Judgement::without_value(
                Verdict::Error,
                Unit::Seconds,
                "no fault took effect, so there is no recovery to measure",
            );
        };
        let after = since(probe, t0);
        let n = after.len();
        let caused: Vec<&Outage> =
            probe.outages.iter().filter(|outage| outage.end.is_none_or(|end| end > t0)).collect();
        if n < SUSTAINED_SAMPLES {
            let message = format!("{n} samples after the fault took effect; recovery needs {SUSTAINED_SAMPLES}");
            return Judgement { n, ..Judgement::without_value(Verdict::Inconclusive, Unit::Seconds, message) };
        }
        let Some(worst) = caused.iter().max_by_key(|outage| (outage.end.is_none(), recovery(outage, context, t0)))
        else {
            let gap = time_limit::resolution(&after);
            let message = format!("0 s: no outage in {n} samples (resolution {})", seconds(gap.as_secs_f64()));
            return time_limit::judge(Some(0.0), 0.0, Some(gap), self.target, n, message);
        };
        let from = injected_before(worst, context, t0);
        let low = worst.last_bad.since(from).as_secs_f64();
        match worst.end {
            Some(end) => {
                let value = end.since(from);
                let requested = context.evidence.marks.requested.filter(|_| context.evidence.history.effects.len() < 2);
                let second = requested.map_or_else(String::new, |requested| {
                    format!("; {} after it was requested", seconds(end.since(requested).as_secs_f64()))
                });
                let message = format!(
                    "{} after the fault took effect (at least {}, n {n}){second}{}",
                    seconds(value.as_secs_f64()),
                    seconds(low),
                    healed(end, context)
                );
                time_limit::judge(Some(value.as_secs_f64()), low, Some(value), self.target, n, message)
            }
            None => time_limit::judge(
                None,
                low,
                None,
                self.target,
                n,
                format!(
                    "not recovered when the run ended {} after the fault took effect: recovery is {} good samples in a row over 30 s",
                    seconds(context.evidence.end.since(from).as_secs_f64()),
                    SUSTAINED_SAMPLES
                ),
            ),
        }
    }
}

fn since<'a>(probe: &ProbeEvidence<'a>, t0: At) -> Vec<&'a Sample> {
    probe.samples.iter().copied().filter(|sample| sample.class.is_valid() && sample.scheduled >= t0).collect()
}

/// When the injection took hold that an outage is counted from: the last one before the outage began.
fn injected_before(outage: &Outage, context: &Context<'_>, t0: At) -> At {
    context.evidence.history.effects.iter().map(|(_, at)| *at).filter(|at| *at <= outage.start).max().unwrap_or(t0)
}

fn recovery(outage: &Outage, context: &Context<'_>, t0: At) -> Duration {
    outage.end.unwrap_or(context.evidence.end).since(injected_before(outage, context, t0))
}

/// Whether the mesh healed by itself or only after the undo.
fn healed(end: At, context: &Context<'_>) -> &'static str {
    match context.evidence.marks.undo_requested {
        Some(undo) if end < undo => "; recovered before the undo",
        Some(_) => "; recovered after the undo began",
        None => "",
    }
}
