//! What a criterion is about, and which way it gets worse.

use meshdrill_checks::scorecard::Limit;
use serde::Serialize;

/// What can regress, as `--gate` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Area {
    /// The verdict of a run.
    Verdict,
    /// Availability, errors, outages, lost data.
    Availability,
    /// Latency, jitter, round-trip times.
    Latency,
    /// Recovery, restart and detection times.
    Recovery,
    /// A failure class that was not seen before.
    FailureClass,
    /// A loosened target.
    Threshold,
    /// Less is tested: a criterion, check, probe, fault or scenario is gone.
    Coverage,
}

impl Area {
    /// All areas.
    pub const ALL: [Self; 7] = [
        Self::Verdict,
        Self::Availability,
        Self::Latency,
        Self::Recovery,
        Self::FailureClass,
        Self::Threshold,
        Self::Coverage,
    ];

    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Verdict => "verdict",
            Self::Availability => "availability",
            Self::Latency => "latency",
            Self::Recovery => "recovery",
            Self::FailureClass => "failure-class",
            Self::Threshold => "threshold",
            Self::Coverage => "coverage",
        }
    }

    /// That of a kind of criterion.
    pub(crate) fn of_kind(kind: &str) -> Self {
        match kind {
            "latency" | "jitter" | "rtt" => Self::Latency,
            "recoveryTime" | "restartTime" | "detectionTime" | "notification" => Self::Recovery,
            _ => Self::Availability,
        }
    }
}

/// Whether a criterion measures one event of a run, such as its recovery, and not many samples.
pub(crate) fn is_one_event(kind: &str, unit: meshdrill_checks::scorecard::Unit) -> bool {
    Area::of_kind(kind) == Area::Recovery
        || matches!(kind, "maxOutage" | "endpoints" | "dataLoss")
        || (kind == "availability" && unit == meshdrill_checks::scorecard::Unit::Seconds)
}

/// Which way a change goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Away from the target.
    Worse,
    /// Towards it, or further inside.
    Better,
    /// Neither is known to be better.
    Changed,
}

impl Direction {
    /// That of a change of a criterion's value.
    pub fn of(limit: Option<Limit>, before: f64, after: f64) -> Self {
        let rises = after > before;
        match limit {
            Some(Limit::AtLeast(_)) => {
                if rises {
                    Self::Better
                } else {
                    Self::Worse
                }
            }
            Some(Limit::AtMost(_) | Limit::Below(_)) => {
                if rises {
                    Self::Worse
                } else {
                    Self::Better
                }
            }
            None => Self::Changed,
        }
    }

    /// The word in texts.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Worse => "worse",
            Self::Better => "better",
            Self::Changed => "changed",
        }
    }
}
