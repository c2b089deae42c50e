//! One SLA line, resolved: a subject, a target and the confidence at which it is judged.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::detection::Stage;
use crate::units::{Ratio, TimeSpan};

/// What a criterion speaks of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Subject {
    /// A probe, by its name.
    Probe(String),
    /// A fault, by its id.
    Fault(String),
}

impl Subject {
    /// The name of the probe or the id of the fault.
    pub fn name(&self) -> &str {
        match self {
            Self::Probe(name) | Self::Fault(name) => name,
        }
    }
}

/// Which part of the run a criterion looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum During {
    /// All samples of the run.
    #[default]
    All,
    /// Before the first fault was requested.
    Baseline,
    /// From the request of the first fault until recovery.
    Fault,
    /// After recovery: the undo is verified and the outage is over.
    Recovered,
}

/// What is claimed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum Claim {
    /// The share of good samples in the run.
    Availability {
        /// At least this share.
        target: Ratio,
    },
    /// The down time of the run as a part of a longer window's error budget.
    ErrorBudget {
        /// The availability promised over the window.
        target: Ratio,
        /// The window.
        over: TimeSpan,
        /// The share of the budget this run may spend.
        spend: Ratio,
    },
    /// From the fault's effect to the end of the outage.
    RecoveryTime {
        /// Less than this.
        target: TimeSpan,
    },
    /// The longest stretch of down time.
    MaxOutage {
        /// Less than this.
        target: TimeSpan,
    },
    /// The share of bad samples.
    ErrorRate {
        /// At most this.
        target: Ratio,
        /// Where.
        during: During,
    },
    /// The share of lost packets.
    PacketLoss {
        /// At most this.
        target: Ratio,
        /// Where.
        during: During,
    },
    /// A quantile of the time to a good answer.
    Latency {
        /// The quantile, as `99` or `99.9` percent.
        quantile: Ratio,
        /// Less than this.
        target: TimeSpan,
        /// Where.
        during: During,
    },
    /// A quantile of the round-trip time.
    Rtt {
        /// The quantile.
        quantile: Ratio,
        /// Less than this.
        target: TimeSpan,
        /// Where.
        during: During,
    },
    /// From the removal of each target to its replacement being ready.
    RestartTime {
        /// Less than this.
        target: TimeSpan,
    },
    /// What a proxy's endpoints did: the share of observations in which they were as expected.
    Endpoints {
        /// What must have been seen.
        expect: EndpointsClaim,
        /// Where.
        during: During,
    },
    /// Who answered, against declared weights.
    Split {
        /// How the answers are told apart.
        by: String,
        /// Weights; only their proportions count. `others` stands for everybody without one.
        weights: BTreeMap<String, f64>,
        /// Where.
        during: During,
    },
    /// From the fault's effect to an alert that reaches somebody.
    DetectionTime {
        /// Less than this.
        target: TimeSpan,
        /// The last stage.
        until: Stage,
        /// The fault whose effect is detected; the first without it.
        fault: Option<String>,
    },
    /// The share of acknowledged writes that cannot be read back.
    DataLoss {
        /// At most this.
        target: Ratio,
    },
}

/// What an endpoint criterion wants to have seen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EndpointsClaim {
    /// Owners (cluster keys) that must have answered successful requests in the window: `rq_success` of their endpoints grew.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flow: Vec<String>,
    /// Subsets whose endpoints must have answered successful requests in the window.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flow_subsets: Vec<String>,
}

/// One criterion of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Criterion {
    /// `SUBJECT/KIND[-QUALIFIER]`; never a measured value in it.
    pub id: String,
    /// What it speaks of.
    pub subject: Subject,
    /// What is claimed.
    #[serde(flatten)]
    pub claim: Claim,
    /// The one-sided confidence of its bounds.
    pub confidence: Ratio,
}

impl Claim {
    /// Whether it is open only for want of samples, of a kind that observing longer yields.
    pub const fn is_decided_by_more(&self) -> bool {
        match self {
            Self::ErrorRate { during, .. }
            | Self::PacketLoss { during, .. }
            | Self::Latency { during, .. }
            | Self::Rtt { during, .. }
            | Self::Split { during, .. } => matches!(during, During::All | During::Recovered),
            Self::Availability { .. } | Self::RecoveryTime { .. } | Self::DataLoss { .. } => true,
            Self::ErrorBudget { .. }
            | Self::MaxOutage { .. }
            | Self::RestartTime { .. }
            | Self::Endpoints { .. }
            | Self::DetectionTime { .. } => false,
        }
    }

    /// The name of the criterion in the scenario format.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Availability { .. } | Self::ErrorBudget { .. } => "availability",
            Self::RecoveryTime { .. } => "recoveryTime",
            Self::MaxOutage { .. } => "maxOutage",
            Self::ErrorRate { .. } => "errorRate",
            Self::PacketLoss { .. } => "packetLoss",
            Self::Latency { .. } => "latency",
            Self::Rtt { .. } => "rtt",
            Self::RestartTime { .. } => "restartTime",
            Self::Endpoints { .. } => "endpoints",
            Self::Split { .. } => "split",
            Self::DetectionTime { .. } => "detectionTime",
            Self::DataLoss { .. } => "dataLoss",
        }
    }

    /// The part of the id after the subject.
    pub fn id_suffix(&self) -> String {
        let percent = |quantile: &Ratio| quantile.to_string().trim_end_matches('%').to_owned();
        let part = |during: &During| match during {
            During::All => "",
            During::Baseline => "-baseline",
            During::Fault => "-fault",
            During::Recovered => "-recovered",
        };
        match self {
            Self::Availability { .. } => "availability".into(),
            Self::ErrorBudget { over, .. } => format!("error-budget-{over}"),
            Self::RecoveryTime { .. } => "recovery-time".into(),
            Self::MaxOutage { .. } => "max-outage".into(),
            Self::ErrorRate { during, .. } => format!("error-rate{}", part(during)),
            Self::PacketLoss { during, .. } => format!("packet-loss{}", part(during)),
            Self::Latency { quantile, during, .. } => format!("latency-p{}{}", percent(quantile), part(during)),
            Self::Rtt { quantile, during, .. } => format!("rtt-p{}{}", percent(quantile), part(during)),
            Self::RestartTime { .. } => "restart-time".into(),
            Self::Endpoints { during, .. } => format!("endpoints{}", part(during)),
            Self::Split { by, during, .. } => format!("split-{by}{}", part(during)),
            Self::DetectionTime { .. } => "detection-time".into(),
            Self::DataLoss { .. } => "data-loss".into(),
        }
    }

    /// The target as people write it: `>= 99.95%`, `< 5m`.
    pub fn target(&self) -> String {
        match self {
            Self::Availability { target } => format!(">= {target}"),
            Self::ErrorBudget { target, over, spend } => format!("{target} over {over}, <= {spend} of the budget"),
            Self::RecoveryTime { target }
            | Self::MaxOutage { target }
            | Self::RestartTime { target }
            | Self::Latency { target, .. }
            | Self::Rtt { target, .. }
            | Self::DetectionTime { target, .. } => format!("< {target}"),
            Self::ErrorRate { target, .. } | Self::PacketLoss { target, .. } | Self::DataLoss { target } => {
                format!("<= {target}")
            }
            Self::Split { by, weights, .. } => {
                let parts: Vec<String> = weights.iter().map(|(name, weight)| format!("{name} {weight}")).collect();
                format!("{by} {}", parts.join(" / "))
            }
            Self::Endpoints { expect, .. } => {
                let mut parts = Vec::new();
                if !expect.flow.is_empty() {
                    parts.push(format!("answers from {}", expect.flow.join(", ")));
                }
                if !expect.flow_subsets.is_empty() {
                    parts.push(format!("answers from subset {}", expect.flow_subsets.join(", ")));
                }
                parts.join("; ")
            }
        }
    }
}
