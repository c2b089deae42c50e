//! What one run measured of a criterion.

use meshdrill_checks::scorecard::{Limit, Unit};
use meshdrill_checks::verdict::Verdict;
use meshdrill_reports::{bounds, figure};
use serde::Serialize;

use crate::card::CriterionFacts;

/// What one run measured of a criterion.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "as in the scorecard")]
pub struct Measured {
    pub value: Option<f64>,
    pub low: Option<f64>,
    pub high: Option<f64>,
    pub n: usize,
    pub target: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
    pub verdict: Verdict,
}

impl From<&CriterionFacts> for Measured {
    fn from(one: &CriterionFacts) -> Self {
        Self {
            value: one.value,
            low: one.low,
            high: one.high,
            n: one.n,
            target: one.target.clone(),
            limit: one.limit,
            verdict: one.verdict,
        }
    }
}

impl Measured {
    /// `pass 24 ms (22 ms to 26 ms)`.
    pub(crate) fn text(&self, unit: Unit) -> String {
        let verdict = self.verdict.word();
        let Some(value) = self.value else { return verdict.to_owned() };
        let interval = bounds(self.low, self.high, unit).map(|bounds| format!(" ({bounds})")).unwrap_or_default();
        format!("{verdict} {}{interval}", figure(value, unit))
    }
}
