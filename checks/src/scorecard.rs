//! The judged run, as scripts read it (`scorecard.json`). Changes are additive only.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::exit_code::ExitCode;
pub use crate::figure::{Limit, Unit};
use crate::record::{Change, CheckStage, Phase};
use crate::verdict::Verdict;
use crate::window::During;

/// The schema name written into every scorecard.
pub const SCORECARD_SCHEMA: &str = "meshdrill.io/scorecard/v1";

/// The scorecard. Times are seconds since `run.started`; latencies are seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Scorecard {
    /// [`SCORECARD_SCHEMA`].
    pub schema: String,
    /// What was run, and when.
    pub run: RunInfo,
    /// The verdict on all of it.
    pub verdict: Verdict,
    /// The exit code this run alone ends with.
    pub exit_code: ExitCode,
    /// One sentence that says why.
    pub message: String,
    /// The SLA lines.
    pub criteria: Vec<CriterionResult>,
    /// The checks.
    pub checks: Vec<CheckResult>,
    /// The probes, in file order.
    pub probes: Vec<ProbeResult>,
    /// The faults, in file order.
    pub faults: Vec<FaultResult>,
    /// What was left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_run: Vec<NotRunResult>,
    /// Whether everything is as it was before.
    pub recovery: RecoveryResult,
    /// Whether the runner itself had a network; none where no control target was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<ControlResult>,
    /// When each phase began.
    pub timeline: Vec<TimelineEntry>,
    /// What a reader should also know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// What was run, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunInfo {
    /// UUID version 7.
    pub id: String,
    /// The scenario's name.
    pub scenario: String,
    /// Names that the scenario had before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// What `forEach` bound; empty without one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub binding: String,
    /// Its suite.
    pub suite: String,
    /// Wall time of t = 0, RFC 3339 in UTC.
    pub started: String,
    /// Wall time of the end.
    pub finished: String,
    /// The mesh file's name.
    pub mesh: Option<String>,
    /// Whether it ran on the embedded mesh.
    pub lab: bool,
    /// The change that it is part of, as given on the command line.
    #[serde(default, skip_serializing_if = "Change::is_unsaid")]
    pub change: Change,
}

impl RunInfo {
    /// `SCENARIO`, or `SCENARIO@BINDING`.
    pub fn title(&self) -> String {
        titled(&self.scenario, &self.binding)
    }
}

/// `SCENARIO`, or `SCENARIO@BINDING`.
pub fn titled(scenario: &str, binding: &str) -> String {
    if binding.is_empty() { scenario.to_owned() } else { format!("{scenario}@{binding}") }
}

/// One SLA line, judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CriterionResult {
    /// `SUBJECT/KIND[-QUALIFIER]`.
    pub id: String,
    /// The criterion's name in the scenario format.
    pub kind: String,
    /// The probe, where it judges one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<String>,
    /// The fault, where it judges one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// The part of the run that it judges; none where it judges no part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub during: Option<During>,
    /// The target as people write it.
    pub target: String,
    /// The same as a number, in `unit`; none where the target is no single number, and in scorecards of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
    /// The measured value; none if nothing could be measured.
    pub value: Option<f64>,
    /// Lower end of its interval.
    pub low: Option<f64>,
    /// Upper end of its interval; none where the end was not seen.
    pub high: Option<f64>,
    /// The unit of value, low and high.
    pub unit: Unit,
    /// How many samples it is judged by.
    pub n: usize,
    /// How many samples would decide it, with no more bad ones; none where it is decided, or where more samples decide nothing.
    #[serde(default, rename = "neededSamples", skip_serializing_if = "Option::is_none")]
    pub needed_samples: Option<u64>,
    /// The judgement.
    pub verdict: Verdict,
    /// Measured value first, then the bound and what would change the verdict.
    pub message: String,
}

/// One check, judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckResult {
    /// Its id.
    pub id: String,
    /// Where it stands in the scenario.
    pub phase: CheckStage,
    /// The judgement.
    pub verdict: Verdict,
    /// What was observed.
    pub message: String,
    /// The facts that it is judged by.
    pub observed: Value,
}

/// What one probe observed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProbeResult {
    /// Its key in the scenario.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// The counts and figures of all its samples.
    #[serde(flatten)]
    pub all: SeriesResult,
    /// The same for new and kept connections apart, where both were sampled.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub series: BTreeMap<String, SeriesResult>,
    /// How often each responder answered.
    pub responders: BTreeMap<String, usize>,
}

/// Counts and figures of one set of samples.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SeriesResult {
    /// Slots of the schedule: `sent + notSent`, exactly.
    pub planned: u64,
    /// Observations begun.
    pub sent: u64,
    /// Slots for which none could be begun.
    pub not_sent: u64,
    /// Observations that met their expectation.
    pub good: u64,
    /// Observations that did not.
    pub bad: u64,
    /// Observations from which nothing could be learned.
    pub no_data: u64,
    /// `(good + bad) / planned`.
    pub coverage: f64,
    /// The outages.
    pub outages: Vec<OutageResult>,
    /// Latency of the good answers, from when they were due.
    pub latency: Option<LatencyResult>,
    /// What the runner added, and how long each phase of the answered requests took, over HTTP.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phases: Vec<PhaseResult>,
}

/// How long one phase of the answered requests took. Seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PhaseResult {
    /// `runner` (from due to started), `dns`, `connect`, `tls` or `first byte`.
    pub phase: String,
    /// Requests that had it.
    pub n: u64,
    /// Median.
    pub p50: f64,
    /// 99 %.
    pub p99: f64,
    /// The largest.
    pub max: f64,
}

/// One outage. Seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutageResult {
    /// When the first bad sample was due.
    pub start: f64,
    /// When the first good sample of the sustained run completed; null if recovery was not sustained.
    pub end: Option<f64>,
    /// It lasted at least this.
    pub low: f64,
    /// It lasted at most this; null if its end was not seen.
    pub high: Option<f64>,
    /// Down time inside it.
    pub down: f64,
    /// Its longest stretch of down time.
    pub longest: f64,
    /// Bad samples.
    pub bad: usize,
    /// How often each failure class was seen.
    pub classes: BTreeMap<String, usize>,
}

/// Latency figures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LatencyResult {
    /// Median.
    pub p50: f64,
    /// 90 %.
    pub p90: f64,
    /// 99 %.
    pub p99: f64,
    /// 99.9 %.
    pub p999: f64,
    /// The largest.
    pub max: f64,
    /// Seconds.
    pub unit: Unit,
}

/// What one fault did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FaultResult {
    /// `f1`, `f2`, …
    pub id: String,
    /// Its kind.
    pub kind: String,
    /// The clusters it touched.
    pub clusters: Vec<String>,
    /// The objects it targeted.
    pub targets: Vec<String>,
    /// When it was asked for.
    pub requested: Option<f64>,
    /// When it took hold: when the cluster accepted it.
    pub effective: Option<f64>,
    /// When it was seen to have taken hold.
    #[serde(default)]
    pub seen: Option<f64>,
    /// Whether it was.
    pub took_effect: bool,
    /// How its effect was observed while it was held; none for faults that end by themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<HeldResult>,
    /// Why it makes the drill invalid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flaw: Option<FaultFlaw>,
    /// What became of its undo.
    pub undo: UndoState,
    /// What proves the effect, or what was looked for and not found.
    pub message: String,
}

/// The observation of a sustained fault; of several injections, the worst of each.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldResult {
    /// Seconds from the effect to its last observation.
    pub seconds: f64,
    /// How often it was observed.
    pub observations: u32,
    /// The longest time between two observations, in seconds.
    pub gap: f64,
}

/// Why a fault makes a drill invalid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultFlaw {
    /// What it did instead, such as `took no effect`.
    pub what: String,
    /// Why.
    pub why: String,
}

/// What became of an undo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UndoState {
    /// It was verified.
    Verified,
    /// The fault ends by itself.
    NotNeeded,
    /// It could not be done or not be verified.
    Failed,
    /// It was not begun.
    NotRun,
}

impl fmt::Display for UndoState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Verified => "verified",
            Self::NotNeeded => "not-needed",
            Self::Failed => "failed",
            Self::NotRun => "not-run",
        })
    }
}

/// Something that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotRunResult {
    /// The id of the check or probe, or `scenario`.
    pub id: String,
    /// Why.
    pub reason: String,
    /// Whether a valid waiver covers it.
    pub waived: bool,
}

/// Whether the mesh is as it was.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RecoveryResult {
    /// Whether that was seen.
    pub verified: bool,
    /// What is left.
    pub leftovers: Vec<String>,
    /// What was looked at.
    #[serde(default)]
    pub message: String,
}

/// How the control targets answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ControlResult {
    /// What was asked.
    pub targets: Vec<ControlTarget>,
    /// When the runner was cut off.
    pub lost: Vec<LostStretch>,
}

/// One control target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlTarget {
    /// Which.
    pub name: String,
    /// Whether nothing that the run breaks can touch it.
    pub outside: bool,
    /// How often it was asked.
    pub asked: usize,
    /// How often anything came back.
    pub answered: usize,
}

/// A stretch in which nothing reached the runner. Seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LostStretch {
    /// The last answer before.
    pub from: f64,
    /// The first answer after.
    pub until: f64,
    /// The bad samples that say nothing because of it.
    pub samples: usize,
}

/// When a phase began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TimelineEntry {
    /// Seconds.
    pub at: f64,
    /// Which.
    pub phase: Phase,
}
