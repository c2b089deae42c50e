//! A quantile of the round-trip time of a ping.

use serde::{Deserialize, Serialize};

use super::kind::grows;
use super::{
    Claim, CriterionKind, CriterionRow, During, Mismatch, Quantiles, RowKey, RowOptions, SubjectFacts, quantile,
};
use crate::evidence::ProbeEvidence;
use crate::figure::Limit;
use crate::judgement::{Context, Judgement};
use crate::stats::Confidence;
use crate::stats::proportion::samples_for_zero_failures;
use crate::units::{Ratio, TimeSpan};

/// The upper bound of the quantile must lie below the target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rtt {
    /// The quantile, as `99%` or `99.9%`.
    pub quantile: Ratio,
    /// Less than this.
    pub target: TimeSpan,
    /// The part of the run.
    pub during: During,
}

impl CriterionRow for Rtt {
    type Value = Quantiles;
    const NAME: &'static str = "rtt";
    const KEYS: &'static [RowKey] = &[RowKey::During];

    fn claims(value: &Self::Value, options: &mut RowOptions<'_>) -> Vec<Claim> {
        let during = options.during;
        let limits = options.limits(Self::NAME, value, None);
        limits.into_iter().map(|(quantile, target)| Self { quantile, target, during }.into()).collect()
    }
}

impl CriterionKind for Rtt {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn id_suffix(&self) -> String {
        format!("rtt-{}{}", quantile::label(self.quantile), self.during.suffix())
    }

    fn target(&self) -> String {
        format!("< {}", self.target)
    }

    fn limit(&self) -> Option<Limit> {
        Some(Limit::Below(self.target.as_secs_f64()))
    }

    fn during(&self) -> Option<During> {
        Some(self.during)
    }

    fn needed_samples(&self, confidence: Confidence) -> Option<u64> {
        samples_for_zero_failures(self.quantile.get(), confidence).ok()
    }

    fn is_decided_by_more(&self) -> bool {
        grows(self.during)
    }

    fn accepts(&self, subject: &SubjectFacts) -> Result<(), Mismatch> {
        subject.needs_packets()
    }

    fn judge_probe(&self, probe: &ProbeEvidence<'_>, context: &Context<'_>) -> Judgement {
        quantile::judge(probe, self.quantile, self.target, self.during, context)
    }
}
