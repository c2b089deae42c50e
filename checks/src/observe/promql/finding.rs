//! What is wrong with a query.

use std::fmt::Display;

use serde::{Deserialize, Serialize};

/// How much a mistake matters, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Prometheus refuses the query.
    Invalid,
    /// It runs, and its answer does not depend on what it asks about.
    Wrong,
    /// It gives nothing in the very case it is made for.
    Blind,
    /// It gives something near what is meant.
    Imprecise,
}

/// The known mistakes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mistake {
    /// Any other error of grammar.
    Syntax,
    /// `by (…)` or `without (…)` behind something that is no aggregation.
    AggregationClause,
    /// A label compared with the name of another label, which is a literal text.
    LabelAgainstLiteral,
    /// `histogram_quantile` over buckets that were aggregated without `le`.
    QuantileLostBuckets,
    /// `histogram_quantile` over single series: one quantile for each, none for all.
    QuantilePerSeries,
    /// Division by a gauge that is 0 or 1.
    DivisionByFlag,
    /// A comparison that only holds while a series exists, made to notice that it is gone.
    AbsentMissing,
    /// A share whose upper part has no series until something fails.
    EmptyShare,
    /// Grouping of Istio's metrics by a label that they do not have.
    ForeignGrouping,
    /// Istio's metrics without a reporter: source and destination both count.
    ReporterMissing,
    /// A regular expression over response flags that also matches parts of other flags.
    LooseFlags,
}

impl Mistake {
    /// How much it matters.
    pub fn severity(self) -> Severity {
        match self {
            Self::Syntax | Self::AggregationClause => Severity::Invalid,
            Self::LabelAgainstLiteral | Self::QuantileLostBuckets | Self::DivisionByFlag => Severity::Wrong,
            Self::AbsentMissing => Severity::Blind,
            Self::QuantilePerSeries
            | Self::EmptyShare
            | Self::ForeignGrouping
            | Self::ReporterMissing
            | Self::LooseFlags => Severity::Imprecise,
        }
    }
}

/// One mistake in one query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Which one.
    pub mistake: Mistake,
    /// How much it matters.
    pub severity: Severity,
    /// The part of the query it is in.
    pub part: String,
    /// What happens because of it.
    pub why: String,
    /// The query as it should be: all of it, or, where the intent cannot be known, what to ask instead. `None` where
    /// not even that can be said.
    pub correct: Option<String>,
}

impl Finding {
    pub(super) fn new(mistake: Mistake, part: &dyn Display, why: &str, correct: Option<String>) -> Self {
        Self { mistake, severity: mistake.severity(), part: part.to_string(), why: why.to_owned(), correct }
    }
}
