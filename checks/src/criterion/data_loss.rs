//! The share of acknowledged writes that cannot be read back.

use serde::{Deserialize, Serialize};

use super::share::{by_bounds, needed};
use super::{Claim, CriterionKind, CriterionRow, LossTarget, Measure, Mismatch, RowOptions, SubjectFacts};
use crate::evidence::ProbeEvidence;
use crate::figure::{Limit, Unit};
use crate::judgement::{Context, Judgement, Need};
use crate::outage::SUSTAINED_SAMPLES;
use crate::stats::Confidence;
use crate::stats::proportion::Proportion;
use crate::units::{Ratio, percent};
use crate::verdict::Verdict;
use crate::wording::no_more;

/// The upper bound of the share that is lost must not exceed the target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DataLoss {
    /// At most this share.
    pub target: Ratio,
}

impl CriterionRow for DataLoss {
    type Value = LossTarget;
    const NAME: &'static str = "dataLoss";

    fn claims(value: &Self::Value, _: &mut RowOptions<'_>) -> Vec<Claim> {
        vec![Self { target: value.0 }.into()]
    }
}

impl CriterionKind for DataLoss {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn id_suffix(&self) -> String {
        "data-loss".into()
    }

    fn target(&self) -> String {
        format!("<= {}", self.target)
    }

    fn limit(&self) -> Option<Limit> {
        Some(Limit::AtMost(self.target.get()))
    }

    fn needed_samples(&self, _: Confidence) -> Option<u64> {
        Some(SUSTAINED_SAMPLES as u64)
    }

    fn is_decided_by_more(&self) -> bool {
        true
    }

    fn accepts(&self, subject: &SubjectFacts) -> Result<(), Mismatch> {
        subject.needs(Measure::Writes, "only `ledger` probes read back what they wrote", "name a ledger probe")
    }

    fn judge_probe(&self, probe: &ProbeEvidence<'_>, context: &Context<'_>) -> Judgement {
        let Some(found) = probe.read_back else {
            let message = "no write was read back: data loss is unknown";
            return Judgement::without_value(Verdict::Inconclusive, Unit::Ratio, message);
        };
        let (n, lost) = (found.acknowledged as usize, found.lost.len());
        let Some(proportion) = Proportion::new(lost as u64, n as u64).ok().filter(|_| n > 0) else {
            return Judgement::no_samples(Unit::Ratio);
        };
        // What could not be read back may be lost: a pass must hold if it is, and a fail if it is not.
        let unread = found.unread as usize;
        let worst = Proportion::new((lost + unread) as u64, n as u64).unwrap_or(proportion);
        let (low, high) = (proportion.lower(context.confidence), worst.upper(context.confidence));
        let at_best = by_bounds(lost, n, (low, proportion.upper(context.confidence)), self.target);
        let at_worst = by_bounds(lost + unread, n, (worst.lower(context.confidence), high), self.target);
        let verdict = if at_best == at_worst { at_best } else { Verdict::Inconclusive };
        let mut message = format!(
            "{lost} of {n} acknowledged writes lost, upper bound {} at {} confidence",
            percent(high),
            percent(context.confidence.level())
        );
        if let Some(first) = found.lost.first() {
            message += &format!("; first lost: {first}");
        }
        if found.unread > 0 {
            message += &format!("; {} could not be read back: {}", found.unread, found.why);
        }
        let mut need = None;
        if verdict == Verdict::Inconclusive
            && found.unread == 0
            && let Some(needed) = needed(lost, self.target, context.confidence)
        {
            need = Some(Need::Samples(needed));
            message += &format!(
                "; insufficient evidence: needs {needed} acknowledged writes with {}, has {n}",
                no_more(lost as u64, "lost")
            );
        }
        let value = Some(lost as f64 / n as f64);
        Judgement { value, low: Some(low), high: Some(high), unit: Unit::Ratio, n, verdict, message, need }
    }
}
