//! The longest stretch of consecutive bad samples.

use serde::{Deserialize, Serialize};

use super::{Claim, CriterionKind, CriterionRow, RowOptions, time_limit};
use crate::evidence::ProbeEvidence;
use crate::figure::{Limit, Unit};
use crate::judgement::{Context, Judgement};
use crate::record::Sample;
use crate::units::{TimeSpan, seconds};

/// The upper end of the longest stretch of down time must lie below the target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MaxOutage {
    /// Less than this.
    pub target: TimeSpan,
}

impl CriterionRow for MaxOutage {
    type Value = TimeSpan;
    const NAME: &'static str = "maxOutage";

    fn claims(value: &Self::Value, _: &mut RowOptions<'_>) -> Vec<Claim> {
        vec![Self { target: *value }.into()]
    }
}

impl CriterionKind for MaxOutage {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn id_suffix(&self) -> String {
        "max-outage".into()
    }

    fn target(&self) -> String {
        format!("< {}", self.target)
    }

    fn limit(&self) -> Option<Limit> {
        Some(Limit::Below(self.target.as_secs_f64()))
    }

    fn judge_probe(&self, probe: &ProbeEvidence<'_>, context: &Context<'_>) -> Judgement {
        let valid: Vec<&Sample> = probe.samples.iter().copied().filter(|sample| sample.class.is_valid()).collect();
        let n = valid.len();
        if n == 0 {
            return Judgement::no_samples(Unit::Seconds);
        }
        let stretches: Vec<_> = probe.outages.iter().flat_map(|outage| &outage.stretches).collect();
        let open = stretches.iter().any(|stretch| stretch.end.is_none());
        let value = stretches.iter().map(|stretch| stretch.length(context.evidence.end)).max().unwrap_or_default();
        let low = stretches.iter().map(|stretch| stretch.bounds().low).max().unwrap_or_default();
        let gap = time_limit::resolution(&valid);
        let high = stretches.iter().filter_map(|stretch| stretch.bounds().high).max().unwrap_or(gap);
        let message = match stretches.len() {
            0 => format!("0 s: no bad sample among {n} (resolution {})", seconds(gap.as_secs_f64())),
            count => format!(
                "{} is the longest of {count} stretches of down time; upper bound {}",
                seconds(value.as_secs_f64()),
                if open { "unknown, because the last had not ended".to_owned() } else { seconds(high.as_secs_f64()) }
            ),
        };
        time_limit::judge(
            Some(value.as_secs_f64()),
            low.as_secs_f64(),
            (!open).then_some(high),
            self.target,
            n,
            message,
        )
    }
}
