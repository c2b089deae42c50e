//! The fields of `evidence.json`. Times are seconds since the start of the run, on its monotonic clock, except where a wall
//! time is named. Changes are additive only.

use meshdrill_checks::exit_code::ExitCode;
use meshdrill_checks::record::{CheckStage, ClockSync, ScenarioFile};
use meshdrill_checks::scorecard::{UndoState, Unit};
use meshdrill_checks::verdict::Verdict;
use serde::Serialize;

use crate::manifest::FileEntry;

/// What stands where a value was not recorded.
pub const NOT_RECORDED: &str = "not recorded";

/// The evidence document of one run.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    /// [`super::EVIDENCE_SCHEMA`].
    pub schema: String,
    /// Whether it ran on the embedded mesh.
    pub lab: bool,
    /// What that means.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notice: Option<String>,
    /// The verdict on the run.
    pub verdict: Verdict,
    /// The exit code that it has alone.
    pub exit_code: ExitCode,
    /// One sentence that says why.
    pub message: String,
    /// What was run, with what.
    pub identity: Identity,
    /// Who wanted and allowed it.
    pub authority: Authority,
    /// Where it ran, and what was left out.
    pub scope: Scope,
    /// What had to hold.
    pub objectives: Vec<Objective>,
    /// Who took part.
    pub participants: Vec<Person>,
    /// Wall time of second 0, RFC 3339 in UTC.
    pub started: String,
    /// Wall time of the end.
    pub finished: String,
    /// What happened, in order.
    pub timeline: Vec<TimelineStep>,
    /// What was measured, one line per objective.
    pub results: Vec<ResultLine>,
    /// What was checked.
    pub checks: Vec<CheckLine>,
    /// Whether everything is as it was before.
    pub recovery: RecoveryProof,
    /// What did not go as planned.
    pub deviations: Vec<String>,
    /// How good the clock was.
    pub clock: Clock,
    /// The files that the run wrote.
    pub files: Vec<FileEntry>,
}

/// What was run, with what.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// The run's id, a UUID version 7.
    pub run: String,
    /// The program and its version.
    pub tool: String,
    /// SHA-256 of the program.
    pub binary_sha256: String,
    /// The scenario's name.
    pub scenario: String,
    /// Its suite; empty if it has none.
    pub suite: String,
    /// What `forEach` bound.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub binding: String,
    /// Its file: path, SHA-256, git commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scenario_file: Option<ScenarioFile>,
}

/// Who wanted and allowed it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Authority {
    /// `--by`.
    pub requester: String,
    /// `--approver`, or that of `--participants`.
    pub approver: String,
    /// When, as the file of `--participants` has it.
    pub approved_at: String,
    /// `--ticket`.
    pub ticket: String,
    /// `--window`.
    pub window: String,
    /// The participant whose role names the halt.
    pub halt_owner: String,
}

/// Where it ran, and what was left out.
#[derive(Debug, Clone, Serialize)]
pub struct Scope {
    /// The mesh file's name.
    pub mesh: Option<String>,
    /// The clusters.
    pub clusters: Vec<ScopeCluster>,
    /// Waivers of the mesh file, and what did not run.
    pub exclusions: Vec<Exclusion>,
}

/// A cluster.
#[derive(Debug, Clone, Serialize)]
pub struct ScopeCluster {
    /// Its key in the mesh file.
    pub cluster: String,
    /// UID of its namespace kube-system.
    pub uid: String,
    /// Version of its API server.
    pub kubernetes: String,
    /// Version of its istiod.
    pub istio: String,
    /// Its region.
    pub region: String,
}

/// Something that was left out.
#[derive(Debug, Clone, Serialize)]
pub struct Exclusion {
    /// What.
    pub what: String,
    /// Why.
    pub reason: String,
    /// Who answers for a waiver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The last day of a waiver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}

/// What had to hold.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Objective {
    /// The criterion's id.
    pub criterion: String,
    /// Its kind.
    pub kind: String,
    /// Its target.
    pub target: String,
    /// How the verdict follows from the measurement.
    pub decision_rule: String,
    /// The one-sided confidence of its bounds.
    pub confidence: f64,
}

/// Who took part.
#[derive(Debug, Clone, Serialize)]
pub struct Person {
    /// The name.
    pub name: String,
    /// The role.
    pub role: String,
}

/// One thing that happened.
#[derive(Debug, Clone, Serialize)]
pub struct TimelineStep {
    /// Wall time, RFC 3339 in UTC.
    pub time: String,
    /// Seconds since the start.
    pub at: f64,
    /// Who: `meshdrill`, a probe, or what interrupted it.
    pub actor: String,
    /// What.
    pub action: String,
    /// The objects that it was done to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<String>,
    /// Their UIDs, in the same order; empty where an object has none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub uids: Vec<String>,
    /// Proof or reason.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// What was measured.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResultLine {
    /// The criterion's id.
    pub criterion: String,
    /// Its target.
    pub target: String,
    /// The verdict.
    pub verdict: Verdict,
    /// The measured value; none if nothing was measured.
    pub value: Option<f64>,
    /// Lower end of its interval.
    pub low: Option<f64>,
    /// Upper end of its interval.
    pub high: Option<f64>,
    /// The unit of the three.
    pub unit: Unit,
    /// How many samples.
    pub n: usize,
    /// The share of the probe's planned samples that were taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coverage: Option<f64>,
    /// How many samples would decide it; none where it is decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needed_samples: Option<u64>,
    /// Why no run can meet the target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub infeasible: Option<String>,
    /// The measured value in words.
    pub message: String,
}

/// What was checked.
#[derive(Debug, Clone, Serialize)]
pub struct CheckLine {
    /// Its id.
    pub check: String,
    /// Where it stands in the scenario.
    pub phase: CheckStage,
    /// The verdict.
    pub verdict: Verdict,
    /// What was observed.
    pub message: String,
}

/// Whether everything is as it was before.
#[derive(Debug, Clone, Serialize)]
pub struct RecoveryProof {
    /// Whether that was observed.
    pub verified: bool,
    /// What is left.
    pub leftovers: Vec<String>,
    /// What was looked at.
    pub message: String,
    /// What became of each undo.
    pub undos: Vec<UndoLine>,
}

/// What became of an undo.
#[derive(Debug, Clone, Serialize)]
pub struct UndoLine {
    /// The fault.
    pub fault: String,
    /// The objects it targeted.
    pub targets: Vec<String>,
    /// When it was last begun, in seconds since the start.
    pub requested: Option<f64>,
    /// What became of it.
    pub state: UndoState,
    /// What failed of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<String>,
}

/// How good the clock was.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Clock {
    /// Whether time was virtual, as in the lab.
    pub virtual_time: bool,
    /// The kernel's clock source.
    pub source: String,
    /// The time service that reports that the clock is synchronised.
    pub synchronized_by: String,
    /// Whether the clock is synchronised, by whom, and how well; `unknown` with the reason where nothing reports that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync: Option<ClockSync>,
    /// How far the wall clock moved against the monotonic one during the run, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub moved: Option<f64>,
    /// The clocks of the API servers against that of the runner.
    pub api_servers: Vec<ClockComparison>,
}

/// The clock of an API server against that of the runner. Seconds.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClockComparison {
    /// The cluster.
    pub cluster: String,
    /// The server's time minus the runner's.
    pub offset: f64,
    /// Plus or minus this.
    pub uncertainty: f64,
    /// How long the request took.
    pub round_trip: f64,
}
