//! A scenario file as written.

use std::collections::BTreeMap;

use indexmap::IndexMap;
pub use meshdrill_checks::record::CheckStage as Stage;
use meshdrill_checks::units::{Ratio, TimeSpan};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SlaRow;
use crate::fault::FaultKind;
use crate::probe::ProbeKind;

/// The version of the file format.
pub const API_VERSION: &str = "meshdrill.io/v1";

/// One drill or validation.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScenarioFile {
    /// `meshdrill.io/v1`.
    pub api_version: String,
    /// `Scenario`.
    pub kind: String,
    /// Its name and labels.
    pub metadata: Metadata,
    /// What it does.
    pub spec: ScenarioSpec,
}

/// Name and labels.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Metadata {
    /// Lower-case letters, digits and dashes; names runs, files and leases.
    pub name: String,
    /// Names that the scenario had before: `compare` and `history` join their runs with those of today.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// `suite` puts it into a suite; others are for selection (`meshdrill run week=5`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// What a scenario does.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScenarioSpec {
    /// One sentence: what a pass proves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objective: Option<String>,
    /// Run once per cluster (`${cluster}`), per ordered pair (`${cluster}`, `${other}`), or per entry of the inventory and cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_each: Option<ForEach>,
    /// What the environment must have; without it the scenario does not run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
    /// How long probes run before the fault; default 15 s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<TimeSpan>,
    /// How long a sustained fault is held; default 15 s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<TimeSpan>,
    /// How long probes run after the undo; default 30 s for drills, 10 s for validations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observe: Option<TimeSpan>,
    /// The time limit of a validation; default 25 s, or longer if `observe` needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<TimeSpan>,
    /// Observations sampled on a fixed schedule through all phases.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub probes: IndexMap<String, ProbeSpec>,
    /// Checks that must hold before any fault; without them, no bad sample in the last 10 s of the baseline.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steady_state: Vec<CheckSpec>,
    /// What is broken. Without faults the scenario is a validation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<FaultSpec>,
    /// Checks that are polled after the fault or undo until they pass.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recovered: Vec<CheckSpec>,
    /// Checks that run once, at the end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub verify: Vec<CheckSpec>,
    /// The checks of a validation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<CheckSpec>,
    /// Criteria judged while faults are in effect, by the samples since the first of them was requested. As soon as one is
    /// certainly missed, all faults are undone, and the verdict is fail.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub abort_when: Vec<SlaRow>,
    /// The criteria.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sla: Vec<SlaRow>,
}

/// What a scenario is repeated over: once per entry and cluster that has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ForEach {
    /// Every cluster of the mesh file.
    Cluster,
    /// Every cluster that runs a control plane.
    Primary,
    /// Every ordered pair of clusters.
    Pair,
    /// Every control plane: `${controlPlane}` is its revision, with `.namespace`, `.deployment` and `.selector`.
    ControlPlane,
    /// Every gateway: `${gateway}`, with `.namespace`, `.name`, `.selector`, `.service` and `.role`.
    Gateway,
    /// Every ingress gateway with an entry point, as `gateway`; `${gateway.entrypoint}` is that.
    Ingress,
    /// Every east-west gateway, as `gateway`.
    EastWest,
    /// Every entry point: `${entrypoint}`, with `.path`, `.status`, `.body`, `.host` and `.gateway`.
    Entrypoint,
    /// Every namespace with applications: `${namespace}`.
    Namespace,
    /// Every workload: `${workload}`, with `.namespace`, `.kind` and `.name`.
    Workload,
    /// Every service: `${service}`, with `.namespace`, `.name` and `.port`.
    Service,
    /// Every cluster with a Prometheus.
    Prometheus,
    /// Every cluster whose Prometheus has the series of others: `${prometheus.federates}` are those.
    Hub,
    /// Every cluster whose Prometheus has alerting rules.
    Alerting,
    /// Every cluster whose Prometheus sends to an Alertmanager.
    Alertmanager,
    /// Every cluster that `drills.clusters` lists, as `lost`; `${lost.entrypoint}` is an entry point of other clusters.
    Lost,
    /// Every alert that `drills.alerts` lists: `${alert}`, with `.target`, `.within`, `.cluster` (whose Prometheus has it),
    /// `.namespace` and `.workload`.
    Alert,
    /// Every dashboard: `${dashboard}`, with `.namespace`, `.service`, `.port` and `.path`.
    Dashboard,
}

impl ForEach {
    /// As it is written.
    pub fn of_text(text: &str) -> Option<Self> {
        Self::deserialize(serde_json::Value::from(text)).ok()
    }

    /// Why no run comes of it.
    pub const fn absence(self) -> &'static str {
        match self {
            Self::Cluster | Self::Primary => "the mesh file has no cluster",
            Self::Pair => "the mesh has one cluster",
            Self::ControlPlane => "the inventory has no control plane",
            Self::Gateway => "the inventory has no gateway",
            Self::Ingress => "the inventory has no ingress gateway with a confirmed entry point",
            Self::EastWest => "the inventory has no east-west gateway",
            Self::Entrypoint => "the inventory has no entry point",
            Self::Namespace => "the inventory has no namespace",
            Self::Workload => "the inventory has no workload",
            Self::Service => "the inventory has no service",
            Self::Prometheus => "the inventory has no Prometheus",
            Self::Hub => "no Prometheus of the inventory has series of another cluster",
            Self::Alerting => "no Prometheus of the inventory has alerting rules",
            Self::Alertmanager => "no Prometheus of the inventory sends to an Alertmanager",
            Self::Lost => "the mesh has one cluster",
            Self::Alert => {
                "the mesh file lists no alert that must fire; write `drills: { alerts: { NAME: { target: gateways/NAME, within: 2m } } }` in it"
            }
            Self::Dashboard => "the inventory has no dashboard",
        }
    }

    /// The part of the inventory that it is about.
    pub const fn part(self) -> Option<&'static str> {
        Some(match self {
            Self::Cluster | Self::Primary | Self::Pair | Self::Lost | Self::Alert => return None,
            Self::ControlPlane => "controlPlanes",
            Self::Gateway | Self::Ingress | Self::EastWest => "gateways",
            Self::Entrypoint => "entrypoints",
            Self::Namespace | Self::Workload => "namespaces",
            Self::Service => "services",
            Self::Prometheus | Self::Hub | Self::Alerting | Self::Alertmanager => "prometheus",
            Self::Dashboard => "dashboards",
        })
    }
}

/// An observation sampled on a fixed schedule.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProbeSpec {
    /// What is observed.
    #[serde(rename = "$kind")]
    pub kind: ProbeKind,
    /// The period; by default derived from the criteria.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<TimeSpan>,
    /// What the environment must have for this probe.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
}

/// A check that runs once, or is polled until it passes.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CheckSpec {
    /// What is observed.
    #[serde(rename = "$kind")]
    pub kind: ProbeKind,
    /// Its id in reports; by default made from its kind and subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Poll until it passes, at most this long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<TimeSpan>,
    /// What the environment must have for this check.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
}

/// Something that is broken on purpose.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FaultSpec {
    /// What is broken.
    #[serde(rename = "$kind")]
    pub kind: FaultKind,
    /// Offset from the start of the injection; by default all faults start together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<TimeSpan>,
    /// How long a sustained fault is held; default: `hold` of the scenario.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub hold: Option<TimeSpan>,
    /// Inject several times; targets are selected again each time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat: Option<Repeat>,
    /// More checks that prove the effect, in addition to the kind's own proof.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub effect: Vec<CheckSpec>,
    /// For deletePods: the grace period; default: that of the pod; `0s` is a forced deletion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace: Option<TimeSpan>,
    /// Blast radius: this many of the matching objects, picked by the run's seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<usize>,
    /// Blast radius: this share of the matching objects, at least one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<Ratio>,
}

/// How often a fault is injected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Repeat {
    /// The period.
    pub every: TimeSpan,
    /// How many injections in all.
    pub times: u32,
}

impl ScenarioSpec {
    /// The checks of a stage; those of `effect` stand in their faults.
    pub fn stage(&self, stage: Stage) -> &[CheckSpec] {
        match stage {
            Stage::SteadyState => &self.steady_state,
            Stage::Recovered => &self.recovered,
            Stage::Verify => &self.verify,
            Stage::Checks => &self.checks,
            Stage::Effect => &[],
        }
    }
}
