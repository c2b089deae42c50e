//! The first event of a record: everything that judging needs to know of the plan.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Identity, Series};
use crate::criterion::Criterion;
use crate::units::TimeSpan;

/// The schema name written into every record; that of older ones is `meshdrill.io/record/v1`.
pub const RECORD_SCHEMA: &str = "meshdrill.io/record/v2";

/// What was run, and what it is to be judged by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Header {
    /// [`RECORD_SCHEMA`], or that of an older version.
    pub schema: String,
    /// The run's id, a UUID version 7.
    pub id: String,
    /// The scenario's name.
    pub scenario: String,
    /// Names that the scenario had before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// Its suite; empty if it has none.
    pub suite: String,
    /// What `forEach` bound, as `primary` or `primary-secondary`; empty without one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub binding: String,
    /// The mesh file's name; none for scenarios that need no cluster.
    pub mesh: Option<String>,
    /// The clusters of the mesh file that the run has to do with; records of older versions have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clusters: Vec<String>,
    /// Whether the embedded mesh was used instead of clusters. A lab that is served on sockets shows in its clusters.
    pub lab: bool,
    /// Wall time of t = 0: RFC 3339 in UTC with milliseconds.
    pub started: String,
    /// The version of the program that made the record.
    pub tool: String,
    /// The change that this run is part of.
    #[serde(default, skip_serializing_if = "Change::is_unsaid")]
    pub change: Change,
    /// What identifies the run beyond its plan; records of older versions have none.
    #[serde(default, skip_serializing_if = "Identity::is_empty")]
    pub identity: Identity,
    /// How `during: fault` is read.
    #[serde(default, skip_serializing_if = "FaultWindow::is_old")]
    pub fault_window: FaultWindow,
    /// The probes, in file order.
    pub probes: Vec<ProbeHeader>,
    /// The faults, in file order.
    pub faults: Vec<FaultHeader>,
    /// The checks, in the order of their phases.
    pub checks: Vec<CheckHeader>,
    /// The criteria, in file order.
    #[schemars(with = "Vec<serde_json::Map<String, serde_json::Value>>")]
    pub criteria: Vec<Criterion>,
}

/// How `during: fault` is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FaultWindow {
    /// From the request of the first fault until recovery, as in records of older versions.
    #[default]
    Requested,
    /// While faults are in effect.
    Effect,
}

impl FaultWindow {
    /// Whether it is that of older versions.
    pub const fn is_old(&self) -> bool {
        matches!(self, Self::Requested)
    }
}

/// The change that a run is part of, as given on the command line; it does not affect the verdict.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// The ticket that it is done under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// Who does it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The window in which something may be broken, as it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<String>,
    /// Who approved it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approver: Option<Approver>,
    /// Who takes part, in the order given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub participants: Vec<Participant>,
}

/// Who approved a change, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Approver {
    /// The name.
    pub name: String,
    /// When, as it was given; none where only the name was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
}

/// Who takes part in a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Participant {
    /// The name.
    pub name: String,
    /// The role, such as `drill lead` or `halt owner`.
    pub role: String,
}

impl Change {
    /// Whether nothing was given.
    pub(crate) fn is_unsaid(&self) -> bool {
        *self == Self::default()
    }
}

/// A probe as planned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProbeHeader {
    /// Its key in the scenario, with `@CLUSTER` where that was expanded.
    pub name: String,
    /// Its kind, as in the scenario format.
    pub kind: String,
    /// What it observes, in words.
    pub what: String,
    /// Its period.
    pub every: TimeSpan,
    /// The bound beyond which a right answer is `late`.
    pub slow: TimeSpan,
    /// The connections it samples with.
    pub series: Vec<Series>,
}

/// A fault as planned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FaultHeader {
    /// `f1`, `f2`, … in file order, with `@CLUSTER` where that was expanded.
    pub id: String,
    /// Its kind, as in the scenario format.
    pub kind: String,
    /// What it does, in words.
    pub what: String,
    /// The clusters it touches.
    pub clusters: Vec<String>,
    /// Whether it lasts until it is undone.
    pub sustained: bool,
}

/// A check as planned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CheckHeader {
    /// Its id.
    pub id: String,
    /// Where it stands in the scenario.
    pub stage: CheckStage,
}

/// Where a check stands in a scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum CheckStage {
    /// Before any fault.
    SteadyState,
    /// Polled after the fault or undo.
    Recovered,
    /// At the end.
    Verify,
    /// Of a validation.
    Checks,
    /// Proof of a fault's effect.
    Effect,
}

impl CheckStage {
    /// The key of the scenario file.
    pub const fn key(self) -> &'static str {
        match self {
            Self::SteadyState => "steadyState",
            Self::Recovered => "recovered",
            Self::Verify => "verify",
            Self::Checks => "checks",
            Self::Effect => "effect",
        }
    }
}
