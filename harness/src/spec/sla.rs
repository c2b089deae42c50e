//! The rows of `sla:` as written.

use meshdrill_checks::criterion::{CriterionSpec, During, Over};
use meshdrill_checks::units::Ratio;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One row: one criterion for one probe or fault.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SlaRow {
    /// The criterion.
    #[serde(rename = "$kind")]
    pub kind: CriterionSpec,
    /// The probe that it judges; optional if there is only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<String>,
    /// The fault that it judges (`f1`, `f2`, … in file order); optional if there is only one. For detectionTime,
    /// the fault that is detected; default: the first that took effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// For availability: `drill` (default), or a window such as `30d` whose error budget the drill may spend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<Over>,
    /// The part of the run to judge, for criteria of samples such as `latency` and `errorRate`; default: all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub during: Option<During>,
    /// The share of the error budget that this drill may spend; default 100 %.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spend: Option<Ratio>,
    /// The one-sided confidence of the bounds; default: that of the mesh file, else 95 %.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<Ratio>,
}
