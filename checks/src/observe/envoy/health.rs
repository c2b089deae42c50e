//! Health flags of a host and what they mean for traffic.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One flag, as Envoy's text names it without the slash.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flag {
    /// Failed its active health check.
    FailedActiveHc,
    /// Ejected by outlier detection.
    FailedOutlierCheck,
    /// Declared unhealthy by the control plane.
    FailedEdsHealth,
    /// Declared draining by the control plane.
    EdsStatusDraining,
    /// Answered its active health check as degraded.
    DegradedActiveHc,
    /// Declared degraded by the control plane.
    DegradedEdsHealth,
    /// Already gone from the control plane's list, still used while its health check succeeds.
    PendingDynamicRemoval,
    /// Waits for its first health check.
    PendingActiveHc,
    /// Qualifies a failed health check: failed at once.
    ExcludedViaImmediateHcFail,
    /// Qualifies a failed health check: no answer in time.
    ActiveHcTimeout,
    /// A flag this version does not know.
    #[serde(untagged)]
    Other(String),
}

impl Flag {
    fn parse(text: &str) -> Self {
        match text {
            "failed_active_hc" => Self::FailedActiveHc,
            "failed_outlier_check" => Self::FailedOutlierCheck,
            "failed_eds_health" => Self::FailedEdsHealth,
            "eds_status_draining" => Self::EdsStatusDraining,
            "degraded_active_hc" => Self::DegradedActiveHc,
            "degraded_eds_health" => Self::DegradedEdsHealth,
            "pending_dynamic_removal" => Self::PendingDynamicRemoval,
            "pending_active_hc" => Self::PendingActiveHc,
            "excluded_via_immediate_hc_fail" => Self::ExcludedViaImmediateHcFail,
            "active_hc_timeout" => Self::ActiveHcTimeout,
            other => Self::Other(other.to_owned()),
        }
    }

    /// As Envoy's text names it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::FailedActiveHc => "failed_active_hc",
            Self::FailedOutlierCheck => "failed_outlier_check",
            Self::FailedEdsHealth => "failed_eds_health",
            Self::EdsStatusDraining => "eds_status_draining",
            Self::DegradedActiveHc => "degraded_active_hc",
            Self::DegradedEdsHealth => "degraded_eds_health",
            Self::PendingDynamicRemoval => "pending_dynamic_removal",
            Self::PendingActiveHc => "pending_active_hc",
            Self::ExcludedViaImmediateHcFail => "excluded_via_immediate_hc_fail",
            Self::ActiveHcTimeout => "active_hc_timeout",
            Self::Other(text) => text,
        }
    }
}

/// What a host's flags mean for traffic, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HealthClass {
    /// Gets traffic.
    Healthy,
    /// Gets traffic only when too few others are healthy.
    Degraded,
    /// Still used, but no longer listed by the control plane.
    Leaving,
    /// Health was not reported, or with a flag this version does not know. Never to be counted as healthy.
    Unknown,
    /// Gets no traffic.
    Unhealthy,
}

/// All health flags of one host, sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Whether Envoy reported health at all; `healthy` is a report without flags.
    pub reported: bool,
    /// The flags set.
    pub flags: Vec<Flag>,
}

impl Health {
    /// Reads `healthy` or `/flag/flag…`.
    pub fn parse(text: &str) -> Self {
        if text == "healthy" {
            return Self { reported: true, flags: Vec::new() };
        }
        Self::of(text.split('/').filter(|flag| !flag.is_empty()).map(Flag::parse).collect())
    }

    pub(super) fn of(mut flags: Vec<Flag>) -> Self {
        flags.sort_unstable();
        flags.dedup();
        Self { reported: true, flags }
    }

    /// The class of these flags; the worst one counts.
    pub fn class(&self) -> HealthClass {
        if !self.reported {
            return HealthClass::Unknown;
        }
        self.flags.iter().map(class_of).max().unwrap_or(HealthClass::Healthy)
    }
}

fn class_of(flag: &Flag) -> HealthClass {
    match flag {
        Flag::FailedActiveHc
        | Flag::FailedOutlierCheck
        | Flag::FailedEdsHealth
        | Flag::EdsStatusDraining
        | Flag::PendingActiveHc
        | Flag::ExcludedViaImmediateHcFail
        | Flag::ActiveHcTimeout => HealthClass::Unhealthy,
        Flag::DegradedActiveHc | Flag::DegradedEdsHealth => HealthClass::Degraded,
        Flag::PendingDynamicRemoval => HealthClass::Leaving,
        Flag::Other(_) => HealthClass::Unknown,
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.reported {
            return f.write_str("not reported");
        }
        if self.flags.is_empty() {
            return f.write_str("healthy");
        }
        self.flags.iter().try_for_each(|flag| write!(f, "/{}", flag.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_follow_the_membership_gauges() {
        for (text, class) in [
            ("healthy", HealthClass::Healthy),
            ("/failed_outlier_check", HealthClass::Unhealthy),
            ("/failed_active_hc/active_hc_timeout", HealthClass::Unhealthy),
            ("/failed_active_hc/pending_active_hc", HealthClass::Unhealthy),
            ("/failed_eds_health", HealthClass::Unhealthy),
            ("/eds_status_draining", HealthClass::Unhealthy),
            ("/degraded_eds_health", HealthClass::Degraded),
            ("/degraded_active_hc", HealthClass::Degraded),
            ("/pending_dynamic_removal", HealthClass::Leaving),
            ("/failed_active_hc/pending_dynamic_removal", HealthClass::Unhealthy),
            ("/a_flag_of_tomorrow", HealthClass::Unknown),
        ] {
            let health = Health::parse(text);
            assert_eq!(health.class(), class, "{text}");
            assert_eq!(health.to_string(), text);
        }
        assert_eq!(Health::default().class(), HealthClass::Unknown);
        assert_eq!(Health::default().to_string(), "not reported");
    }
}
