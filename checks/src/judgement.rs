//! What the judging of one criterion yields.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::evidence::Evidence;
use crate::stats::Confidence;
use crate::verdict::Verdict;

/// The unit of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unit {
    /// Seconds.
    #[serde(rename = "s")]
    Seconds,
    /// A share of 1.
    #[serde(rename = "ratio")]
    Ratio,
    /// A number of things.
    #[serde(rename = "count")]
    Count,
    /// A probability under the hypothesis that nothing differs.
    #[serde(rename = "p-value")]
    PValue,
    /// Nothing was measured.
    #[serde(rename = "")]
    None,
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Seconds => "s",
            Self::Ratio => "ratio",
            Self::Count => "count",
            Self::PValue => "p-value",
            Self::None => "",
        })
    }
}

/// The limit that a measured value is compared with, in the unit of the value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Limit {
    /// The value must not be below it.
    AtLeast(f64),
    /// The value must not be above it.
    AtMost(f64),
    /// The value must be below it.
    Below(f64),
}

impl Limit {
    /// The number.
    pub const fn value(self) -> f64 {
        match self {
            Self::AtLeast(value) | Self::AtMost(value) | Self::Below(value) => value,
        }
    }
}

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
    pub fn without_value(verdict: Verdict, unit: Unit, message: impl Into<String>) -> Self {
        Self { value: None, low: None, high: None, unit, n: 0, verdict, message: message.into(), need: None }
    }

    /// No samples: never a pass.
    pub fn no_samples(unit: Unit) -> Self {
        Self::without_value(Verdict::Inconclusive, unit, "no samples: nothing was measured in this part of the run")
    }
}

/// What every criterion may look at.
pub(crate) struct Context<'a> {
    pub evidence: &'a Evidence<'a>,
    pub confidence: Confidence,
}
