//! What identifies a run and its clusters: only what was read, never what is assumed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What identifies a run beyond its plan. Whatever could not be read is absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// The scenario's file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scenario_file: Option<ScenarioFile>,
    /// SHA-256 of the program, in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binary_sha256: Option<String>,
    /// What the mesh file waives (`without:`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waivers: Vec<WaiverEntry>,
    /// The clock of this machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<RunnerClock>,
}

impl Identity {
    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The file of a scenario.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScenarioFile {
    /// Its path as it was selected; a path of the catalogue for a built-in one.
    pub path: String,
    /// SHA-256 of its text, in hex.
    pub sha256: String,
    /// The git commit that its folder is at; none outside of a checkout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Whether the file differs from that commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified: Option<bool>,
}

/// One waiver of the mesh file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WaiverEntry {
    /// What the mesh does not have.
    pub name: String,
    /// Why.
    pub reason: String,
    /// Who answers for it.
    pub owner: String,
    /// The last day on which it holds.
    pub until: String,
}

/// The clock of the machine that runs meshdrill.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunnerClock {
    /// The kernel's clock source, such as `tsc` or `kvm-clock`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The time service of the machine that reports that the clock is synchronised, such as `systemd-timesyncd`. None where
    /// none reports that; the clock may still be synchronised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub synchronized_by: Option<String>,
    /// Whether it is synchronised, and how well; records of older versions have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync: Option<ClockSync>,
}

/// Whether a clock is synchronised with the time of others, and how well.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClockSync {
    /// Whether it is.
    pub state: ClockState,
    /// The program that reports it: `chronyc`, `timedatectl` or `adjtimex`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The server or reference that it follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// How far the clock is from the time that it follows, in seconds, without sign.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<f64>,
    /// The largest error of the clock, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<f64>,
    /// Why it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Whether a clock is synchronised.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClockState {
    /// It follows a source of time.
    Synchronized,
    /// It follows none.
    NotSynchronized,
    /// Nothing on the machine reports that.
    #[default]
    Unknown,
}

/// What identifies a cluster, as it was read in preflight. Whatever could not be read is absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterFacts {
    /// UID of its namespace kube-system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// Version of its API server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<String>,
    /// Version of its istiod, from the tag of its image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub istio: Option<String>,
    /// Its region, as the mesh file names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The clock of its API server against that of this machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<ClockOffset>,
    /// Whether it is a cluster of a lab that is served on sockets.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lab: bool,
}

/// The `Date` header of an API server against the clock of this machine. Seconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClockOffset {
    /// The server's time minus this machine's, in the middle of the request.
    pub offset: f64,
    /// The offset is known to plus or minus this: half a second of the header's resolution, and half the round trip.
    pub uncertainty: f64,
    /// How long the request took.
    pub round_trip: f64,
}
