//! What the judging of one criterion yields.

use crate::evidence::Evidence;
use crate::figure::Unit;
use crate::stats::Confidence;
use crate::verdict::Verdict;

/// What an inconclusive verdict lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// So many samples in all, with no more bad ones.
    Samples(u64),
    /// Answers for nearly all of the schedule.
    Coverage,
}

/// A value within its bounds, and the verdict on it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Judgement {
    pub value: Option<f64>,
    pub low: Option<f64>,
    pub high: Option<f64>,
    pub unit: Unit,
    pub n: usize,
    pub verdict: Verdict,
    pub message: String,
    /// What would decide an inconclusive verdict.
    pub need: Option<Need>,
}

impl Judgement {
    /// A judgement without a value.
    pub(crate) fn without_value(verdict: Verdict, unit: Unit, message: impl Into<String>) -> Self {
        Self { value: None, low: None, high: None, unit, n: 0, verdict, message: message.into(), need: None }
    }

    /// No samples: never a pass.
    pub(crate) fn no_samples(unit: Unit) -> Self {
        Self::without_value(Verdict::Inconclusive, unit, "no samples: nothing was measured in this part of the run")
    }
}

/// What every criterion may look at.
pub(crate) struct Context<'a> {
    pub evidence: &'a Evidence<'a>,
    pub confidence: Confidence,
}
