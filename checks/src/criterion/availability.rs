//! Availability: the share of good samples of this run.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Claim, CriterionKind, CriterionRow, During, ErrorBudget, OrDefault, Over, RowKey, RowOptions};
use crate::evidence::ProbeEvidence;
use crate::figure::{Limit, Unit};
use crate::judgement::{Context, Judgement, Need};
use crate::stats::Confidence;
use crate::stats::poisson;
use crate::stats::proportion::{Proportion, samples_for_failures, samples_for_zero_failures};
use crate::units::{Ratio, percent};
use crate::verdict::Verdict;
use crate::wording::{failures, no_more};

/// The lower bound of good / valid must reach the target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Availability {
    /// At least this share.
    pub target: Ratio,
}

impl CriterionRow for Availability {
    type Value = OrDefault<Ratio>;
    const NAME: &'static str = "availability";
    const KEYS: &'static [RowKey] = &[RowKey::Over, RowKey::Spend];

    fn claims(value: &Self::Value, options: &mut RowOptions<'_>) -> Vec<Claim> {
        let defaults = options.defaults;
        let Some(target) = options.value(Self::NAME, *value, defaults.availability) else { return Vec::new() };
        // The mesh file's window belongs to the mesh file's target.
        let over = options.over.or(match value {
            OrDefault::Default(_) => defaults.over,
            OrDefault::Value(_) => None,
        });
        if target.get() >= 1.0 {
            options.wrong(
                Self::NAME,
                "no number of samples can show 100 %",
                "write `errorRate: 0%` if no sample may be bad",
            );
        }
        vec![match over {
            Some(Over::Window(over)) => {
                ErrorBudget { target, over, spend: options.spend.unwrap_or(Ratio::new(1.0)) }.into()
            }
            Some(Over::Drill(_)) | None => Self { target }.into(),
        }]
    }
}

impl CriterionKind for Availability {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn id_suffix(&self) -> String {
        "availability".into()
    }

    fn target(&self) -> String {
        format!(">= {}", self.target)
    }

    fn limit(&self) -> Option<Limit> {
        Some(Limit::AtLeast(self.target.get()))
    }

    fn needed_samples(&self, confidence: Confidence) -> Option<u64> {
        samples_for_zero_failures(self.target.get(), confidence).ok()
    }

    fn good_share(&self) -> Option<f64> {
        Some(self.target.get())
    }

    fn is_decided_by_more(&self) -> bool {
        true
    }

    fn judge_probe(&self, probe: &ProbeEvidence<'_>, context: &Context<'_>) -> Judgement {
        let samples = probe.valid(&context.evidence.marks, During::All);
        let n = samples.len();
        let bad = samples.iter().filter(|sample| sample.class.is_bad()).count();
        let Some(proportion) = Proportion::new(bad as u64, n as u64).ok().filter(|_| n > 0) else {
            return Judgement::no_samples(Unit::Ratio);
        };
        let value = 1.0 - bad as f64 / n as f64;
        let low = 1.0 - proportion.upper(context.confidence);
        let high = 1.0 - proportion.lower(context.confidence);
        let verdict = if low >= self.target.get() {
            Verdict::Pass
        } else if high < self.target.get() {
            Verdict::Fail
        } else {
            Verdict::Inconclusive
        };
        let mut message = format!(
            "{} ({bad} bad of {n}); lower bound {} at {} confidence",
            percent(value),
            percent(low),
            percent(context.confidence.level())
        );
        let mut need = None;
        if verdict == Verdict::Inconclusive
            && let Ok(needed) = samples_for_failures(bad as u64, self.target.get(), context.confidence)
        {
            need = Some(Need::Samples(needed));
            message += &format!(
                "; insufficient evidence for {}: needs {needed} samples with {}, has {n}",
                self.target,
                no_more(bad as u64, "bad")
            );
        }
        if verdict != Verdict::Pass && bad > 0 {
            message += &failures(&samples);
        }
        message += &outage_bound(probe, context);
        message += &worst_minute(probe);
        Judgement { value: Some(value), low: Some(low), high: Some(high), unit: Unit::Ratio, n, verdict, message, need }
    }
}

/// Samples of one outage are not independent, so the count of outages is bounded beside the count of samples.
fn outage_bound(probe: &ProbeEvidence<'_>, context: &Context<'_>) -> String {
    let events = probe.outages.len() as u64;
    format!(
        "; outages: {events} (upper bound {:.1} in a run of this length)",
        poisson::upper(events, context.confidence)
    )
}

/// The minute with the most bad samples, by when they were due.
fn worst_minute(probe: &ProbeEvidence<'_>) -> String {
    let valid: Vec<_> = probe.samples.iter().filter(|sample| sample.class.is_valid()).collect();
    let mut worst: Option<(f64, f64)> = None;
    let (mut first, mut good) = (0, 0_usize);
    for (index, sample) in valid.iter().enumerate() {
        good += usize::from(sample.class.is_good());
        while sample.scheduled.since(valid[first].scheduled) >= Duration::from_mins(1) {
            good -= usize::from(valid[first].class.is_good());
            first += 1;
        }
        let share = good as f64 / (index + 1 - first) as f64;
        let full = sample.scheduled.since(valid[0].scheduled) >= Duration::from_secs(59);
        if full && worst.is_none_or(|(lowest, _)| share < lowest) {
            worst = Some((share, valid[first].scheduled.secs()));
        }
    }
    worst.map_or_else(String::new, |(share, from)| format!("; worst minute {} (from {from:.0} s)", percent(share)))
}
