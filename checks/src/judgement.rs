//! What the judging of one criterion yields.

use crate::evidence::Evidence;
use crate::stats::Confidence;
use crate::verdict::Verdict;

/// A value within its bounds, and the verdict on it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Judgement {
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

/// What every criterion may look at.
pub(crate) struct Context<'a> {
    pub evidence: &'a Evidence<'a>,
    pub confidence: Confidence,
}
