//! A row of `sla:` and how it becomes claims.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::target::{OrDefault, Over, Quantiles};
use super::{Claim, During};
use crate::units::{Ratio, TimeSpan};

/// A criterion as a scenario names it.
pub trait CriterionRow {
    /// What is written at its key.
    type Value: Serialize + DeserializeOwned + JsonSchema;
    /// Its key.
    const NAME: &'static str;
    /// The keys beside it that it takes.
    const KEYS: &'static [RowKey] = &[];
    /// What it judges.
    const SUBJECT: SubjectKind = SubjectKind::Probe;
    /// Why it means nothing in a scenario without faults.
    const WITHOUT_FAULT: Option<&'static str> = None;
    /// Its claims, with `default` replaced.
    fn claims(value: &Self::Value, options: &mut RowOptions<'_>) -> Vec<Claim>;
}

/// A key of a row that only some criteria take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowKey {
    /// `during`.
    During,
    /// `over`.
    Over,
    /// `spend`.
    Spend,
    /// `fault`, where the criterion judges a probe.
    Fault,
}

impl RowKey {
    /// The key as it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::During => "during",
            Self::Over => "over",
            Self::Spend => "spend",
            Self::Fault => "fault",
        }
    }
}

/// What a criterion judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubjectKind {
    /// A probe.
    Probe,
    /// A fault.
    Fault,
}

/// The keys beside the criterion of a row, what the mesh file has for `default`, and what is wrong with the row.
#[derive(Debug)]
pub struct RowOptions<'a> {
    /// The part of the run.
    pub during: During,
    /// The window of an availability.
    pub over: Option<Over>,
    /// The share of the error budget.
    pub spend: Option<Ratio>,
    /// The fault.
    pub fault: Option<&'a str>,
    /// What `default` stands for.
    pub defaults: &'a SlaDefaults,
    /// What is wrong.
    pub problems: Vec<RowProblem>,
}

/// What is wrong with a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowProblem {
    /// The mesh file has no value for `default` at this key.
    NoDefault(&'static str),
    /// A wrong value at a key.
    Wrong {
        /// The key.
        key: &'static str,
        /// What is wrong.
        message: &'static str,
        /// What to write instead.
        help: &'static str,
    },
}

impl RowOptions<'_> {
    /// A target, or the mesh file's for `default`.
    pub fn value<T: Copy>(&mut self, key: &'static str, target: OrDefault<T>, default: Option<T>) -> Option<T> {
        let value = match target {
            OrDefault::Value(value) => Some(value),
            OrDefault::Default(_) => default,
        };
        self.or_no_default(key, value)
    }

    /// Quantiles with their limits, or the mesh file's for `default`.
    pub fn limits(
        &mut self,
        key: &'static str,
        quantiles: &Quantiles,
        default: Option<&Quantiles>,
    ) -> Vec<(Ratio, TimeSpan)> {
        let limits = quantiles.limits().or_else(|| default.and_then(Quantiles::limits));
        self.or_no_default(key, limits).unwrap_or_default()
    }

    /// Notes a wrong value.
    pub fn wrong(&mut self, key: &'static str, message: &'static str, help: &'static str) {
        self.problems.push(RowProblem::Wrong { key, message, help });
    }

    fn or_no_default<T>(&mut self, key: &'static str, value: Option<T>) -> Option<T> {
        if value.is_none() {
            self.problems.push(RowProblem::NoDefault(key));
        }
        value
    }
}

/// The values that `default` stands for; they add no criterion.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SlaDefaults {
    /// For `availability: default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub availability: Option<Ratio>,
    /// The window of `availability: default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<Over>,
    /// For `recoveryTime: default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_time: Option<TimeSpan>,
    /// For `restartTime: default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart_time: Option<TimeSpan>,
    /// For `latency: default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<Quantiles>,
    /// The one-sided confidence of all bounds; 95 %.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<Ratio>,
}

impl SlaDefaults {
    /// These, and for what they leave open, others.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            availability: self.availability.or(other.availability),
            over: self.over.or(other.over),
            recovery_time: self.recovery_time.or(other.recovery_time),
            restart_time: self.restart_time.or(other.restart_time),
            latency: self.latency.or(other.latency),
            confidence: self.confidence.or(other.confidence),
        }
    }
}
