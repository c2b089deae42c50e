//! The error budget of a longer window: the down time of this run as a part of it. Written as `availability` with `over:`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{CriterionKind, During};
use crate::evidence::ProbeEvidence;
use crate::figure::{Limit, Unit};
use crate::judgement::{Context, Judgement};
use crate::outage;
use crate::units::{Ratio, TimeSpan, percent, seconds};
use crate::verdict::Verdict;

/// The upper bound of the down time must fit into the budget's share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ErrorBudget {
    /// The availability promised over the window.
    pub target: Ratio,
    /// The window.
    pub over: TimeSpan,
    /// The share of the budget this run may spend.
    pub spend: Ratio,
}

impl ErrorBudget {
    /// The down time that the window allows, in seconds.
    fn total(&self) -> f64 {
        self.over.as_secs_f64() * self.target.complement()
    }

    /// The share of it that this run may spend, in seconds.
    fn allowed(&self) -> f64 {
        self.total() * self.spend.get()
    }
}

impl CriterionKind for ErrorBudget {
    fn name(&self) -> &'static str {
        // It is an `availability` with `over:`.
        "availability"
    }

    fn id_suffix(&self) -> String {
        format!("error-budget-{}", self.over)
    }

    fn target(&self) -> String {
        format!("{} over {}, <= {} of the budget", self.target, self.over, self.spend)
    }

    fn limit(&self) -> Option<Limit> {
        Some(Limit::AtMost(self.allowed()))
    }

    fn judge_probe(&self, probe: &ProbeEvidence<'_>, context: &Context<'_>) -> Judgement {
        let n = probe.valid(&context.evidence.marks, During::All).len();
        if n == 0 {
            return Judgement::no_samples(Unit::Seconds);
        }
        let (total, allowed) = (self.total(), self.allowed());
        let down: Duration = probe.outages.iter().map(|outage| outage.down(context.evidence.end)).sum();
        let bounds = outage::down_time(&probe.outages);
        let (low, high) = (bounds.low.as_secs_f64(), bounds.high.map(|high| high.as_secs_f64()));
        let verdict = match high {
            Some(high) if high <= allowed => Verdict::Pass,
            _ if low > allowed => Verdict::Fail,
            _ => Verdict::Inconclusive,
        };
        let spent = down.as_secs_f64();
        let share = if total > 0.0 { spent / total } else { f64::INFINITY };
        let ended = if high.is_none() { " and the outage had not ended" } else { "" };
        let message = format!(
            "this drill spent {} of the error budget of {} ({}){ended}; the rest of the {} is not measured",
            seconds(spent),
            seconds(total),
            if share.is_finite() { percent(share) } else { "the budget is 0".to_owned() },
            self.over
        );
        Judgement { value: Some(spent), low: Some(low), high, unit: Unit::Seconds, n, verdict, message, need: None }
    }
}
