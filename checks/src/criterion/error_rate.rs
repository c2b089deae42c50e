//! The share of bad samples.

use serde::{Deserialize, Serialize};

use super::kind::grows;
use super::{Claim, CriterionKind, CriterionRow, During, RowKey, RowOptions, share};
use crate::evidence::ProbeEvidence;
use crate::figure::Limit;
use crate::judgement::{Context, Judgement};
use crate::stats::Confidence;
use crate::units::Ratio;

/// The upper bound of the share must not exceed the target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ErrorRate {
    /// At most this share.
    pub target: Ratio,
    /// The part of the run.
    pub during: During,
}

impl CriterionRow for ErrorRate {
    type Value = Ratio;
    const NAME: &'static str = "errorRate";
    const KEYS: &'static [RowKey] = &[RowKey::During];

    fn claims(value: &Self::Value, options: &mut RowOptions<'_>) -> Vec<Claim> {
        vec![Self { target: *value, during: options.during }.into()]
    }
}

impl CriterionKind for ErrorRate {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn id_suffix(&self) -> String {
        format!("error-rate{}", self.during.suffix())
    }

    fn target(&self) -> String {
        format!("<= {}", self.target)
    }

    fn limit(&self) -> Option<Limit> {
        Some(Limit::AtMost(self.target.get()))
    }

    fn during(&self) -> Option<During> {
        Some(self.during)
    }

    fn needed_samples(&self, confidence: Confidence) -> Option<u64> {
        share::needed_clean(self.target, confidence)
    }

    fn good_share(&self) -> Option<f64> {
        Some(1.0 - self.target.get())
    }

    fn is_decided_by_more(&self) -> bool {
        grows(self.during)
    }

    fn judge_probe(&self, probe: &ProbeEvidence<'_>, context: &Context<'_>) -> Judgement {
        share::judge(probe, self.target, self.during, "bad", context)
    }
}
