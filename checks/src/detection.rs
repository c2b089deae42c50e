//! Where an alert stands, and the stages of its detection.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::observe::alertmanager::AlertState as Received;
use crate::observe::prometheus::AlertState;

/// The stages from a failure to somebody who knows of it, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// The rule's expression holds.
    Pending,
    /// It has held for as long as the rule wants.
    Firing,
    /// Alertmanager has the alert and does not suppress it.
    Alertmanager,
    /// A receiver was told.
    Receiver,
}

impl Stage {
    /// The word used in files and on the screen.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Firing => "firing",
            Self::Alertmanager => "Alertmanager",
            Self::Receiver => "receiver",
        }
    }

    /// The stages up to this one.
    pub fn up_to(self) -> impl Iterator<Item = Self> {
        [Self::Pending, Self::Firing, Self::Alertmanager, Self::Receiver].into_iter().filter(move |one| *one <= self)
    }
}

/// Where an alert stands at one instant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Standing {
    /// At Prometheus.
    pub state: AlertState,
    /// At Alertmanager; none where it has not arrived or nobody looked.
    pub received: Option<Received>,
    /// Ids of the silences and fingerprints of the alerts that suppress it there.
    pub suppressed_by: Vec<String>,
    /// Notifications that its Alertmanager has delivered so far, of whatever alert.
    pub told: Option<u64>,
    /// Notifications that it could not deliver.
    pub untold: Option<u64>,
}

impl Standing {
    /// Whether a stage is reached. `before` is the number of notifications delivered before Alertmanager had the alert.
    pub fn has_reached(&self, stage: Stage, before: Option<u64>) -> bool {
        match stage {
            Stage::Pending => self.state >= AlertState::Pending && self.state <= AlertState::Firing,
            Stage::Firing => self.state == AlertState::Firing,
            Stage::Alertmanager => self.received == Some(Received::Active),
            Stage::Receiver => {
                self.received == Some(Received::Active)
                    && self.told.zip(before).is_some_and(|(told, before)| told > before)
            }
        }
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            AlertState::Inactive => "inactive",
            AlertState::Pending => "pending",
            AlertState::Firing => "firing",
            AlertState::Unknown => "not evaluated",
        })?;
        match self.received {
            Some(Received::Suppressed) => {
                write!(f, ", suppressed at Alertmanager by {}", self.suppressed_by.join(", "))
            }
            Some(Received::Active | Received::Unprocessed) => f.write_str(", at Alertmanager"),
            None => Ok(()),
        }
    }
}
