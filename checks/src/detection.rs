//! Where an alert stands, and the stages of its detection.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::observe::alertmanager::{AlertState as Received, Notifications, Waits};
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
    /// A receiver was notified.
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
    pub(crate) fn up_to(self) -> impl Iterator<Item = Self> {
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
    #[serde(rename = "told")]
    pub delivered: Option<u64>,
    /// Notifications that it could not deliver.
    #[serde(rename = "untold")]
    pub undelivered: Option<u64>,
    /// The same by the integrations that notify receivers.
    #[serde(default)]
    pub notified: Notifications,
    /// The ways of the receivers that it is routed to; none until Alertmanager has it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ways: Vec<String>,
    /// The other alerts that Alertmanager notifies of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<Other>,
    /// How often a receiver that was asked itself names the alert; none where none is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heard: Option<u64>,
}

/// Another alert that receivers are notified of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Other {
    /// Its fingerprint.
    pub id: String,
    /// Its name.
    pub name: String,
    /// How long it has fired, in seconds.
    pub age: u64,
    /// The integrations that notify its receivers.
    pub ways: Vec<String>,
    /// How long news of it may wait.
    pub waits: Waits,
}

impl Standing {
    /// Of an alert of which nothing is known.
    pub fn unseen() -> Self {
        Self {
            state: AlertState::Unknown,
            received: None,
            suppressed_by: Vec::new(),
            delivered: None,
            undelivered: None,
            notified: Notifications::default(),
            ways: Vec::new(),
            others: Vec::new(),
            heard: None,
        }
    }

    /// Whether a stage before the last is reached, or what the last cannot do without.
    pub(crate) fn has_reached(&self, stage: Stage) -> bool {
        match stage {
            Stage::Pending => self.state >= AlertState::Pending && self.state <= AlertState::Firing,
            Stage::Firing => self.state == AlertState::Firing,
            Stage::Alertmanager | Stage::Receiver => self.received == Some(Received::Active),
        }
    }

    /// How many more notifications were delivered by the alert's own ways than at an earlier instant.
    pub(crate) fn delivered_since(&self, before: &Self) -> u64 {
        if self.ways.is_empty() {
            return self.delivered.zip(before.delivered).map_or(0, |(now, before)| now.saturating_sub(before));
        }
        let by_way = |standing: &Self, way: &String| standing.notified.by(way).delivered;
        self.ways.iter().map(|way| by_way(self, way).saturating_sub(by_way(before, way))).sum()
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
