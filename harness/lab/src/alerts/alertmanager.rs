//! The state of one Alertmanager.

use std::collections::BTreeMap;

use super::silences::Silence;
use crate::clock::Ms;
use crate::prom::labels::Labels;

/// An alert that Prometheus posts to Alertmanager.
#[derive(Debug, Clone)]
pub(crate) struct PostedAlert {
    pub(crate) labels: Labels,
    pub(crate) summary: &'static str,
    pub(crate) query: String,
    pub(crate) starts: Ms,
    pub(crate) resolved: Option<Ms>,
}

/// One alert in Alertmanager.
#[derive(Debug, Clone)]
pub(crate) struct Alert {
    pub(crate) labels: Labels,
    pub(crate) summary: &'static str,
    pub(crate) query: String,
    pub(crate) starts: Ms,
    pub(crate) updated: Ms,
    pub(crate) ends: Ms,
    pub(crate) resolved: bool,
}

/// The alerts of one name, which are notified together.
#[derive(Debug, Default)]
pub(super) struct AlertGroup {
    /// When receivers were notified last, and the alerts of that notification with whether each was resolved.
    pub(super) notified: Option<(Ms, Vec<(Labels, bool)>)>,
}

/// One Alertmanager.
#[derive(Debug, Default)]
pub(crate) struct Alertmanager {
    pub(crate) alerts: BTreeMap<Labels, Alert>,
    pub(crate) silences: Vec<Silence>,
    /// Notifications sent, and those of them that no webhook accepted.
    pub(crate) sent: u64,
    pub(crate) failed: u64,
    pub(super) groups: BTreeMap<String, AlertGroup>,
    /// Whether a flush is due.
    pub(super) scheduled: bool,
}
