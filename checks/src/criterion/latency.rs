//! A quantile of the time to a good answer, from when the request was due.

use serde::{Deserialize, Serialize};

use super::kind::grows;
use super::{
    Claim, CriterionKind, CriterionRow, During, Measure, Mismatch, Quantiles, RowKey, RowOptions, SubjectFacts,
    quantile,
};
use crate::evidence::ProbeEvidence;
use crate::figure::Limit;
use crate::judgement::{Context, Judgement};
use crate::stats::Confidence;
use crate::stats::proportion::samples_for_zero_failures;
use crate::units::{Ratio, TimeSpan};

/// The upper bound of the quantile must lie below the target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// The quantile, as `99%` or `99.9%`.
    pub quantile: Ratio,
    /// Less than this.
    pub target: TimeSpan,
    /// The part of the run.
    pub during: During,
}

impl CriterionRow for Latency {
    type Value = Quantiles;
    const NAME: &'static str = "latency";
    const KEYS: &'static [RowKey] = &[RowKey::During];

    fn claims(value: &Self::Value, options: &mut RowOptions<'_>) -> Vec<Claim> {
        let (defaults, during) = (options.defaults, options.during);
        let limits = options.limits(Self::NAME, value, defaults.latency.as_ref());
        limits.into_iter().map(|(quantile, target)| Self { quantile, target, during }.into()).collect()
    }
}

impl CriterionKind for Latency {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn id_suffix(&self) -> String {
        format!("latency-{}{}", quantile::label(self.quantile), self.during.suffix())
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

    fn good_share(&self) -> Option<f64> {
        Some(self.quantile.get())
    }

    fn is_decided_by_more(&self) -> bool {
        grows(self.during)
    }

    fn accepts(&self, subject: &SubjectFacts) -> Result<(), Mismatch> {
        if subject.measures(Measure::Packets) {
            return Err(Mismatch {
                message: "a `ping` probe measures a round-trip time",
                help: "write `rtt:` instead of `latency:`",
            });
        }
        subject.needs(
            Measure::Latency,
            "the time that this probe takes is not a latency of the mesh",
            "name an http or tcp probe",
        )
    }

    fn judge_probe(&self, probe: &ProbeEvidence<'_>, context: &Context<'_>) -> Judgement {
        quantile::judge(probe, self.quantile, self.target, self.during, context)
    }
}
