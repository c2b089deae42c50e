//! What is offered as evidence.

use std::collections::BTreeMap;

use jiff::Timestamp;
use meshdrill_checks::findings::DrillRun;
use meshdrill_checks::record::ClusterFacts;
use meshdrill_checks::scorecard::Scorecard;

use crate::requirement::RequiredRun;

/// A run that is offered as evidence.
#[derive(Debug, Clone, PartialEq)]
pub struct Offered {
    /// Its directory.
    pub dir: String,
    /// What is not as it was made, by file.
    pub problems: Vec<String>,
    /// Its record judged again; none if that cannot be read.
    pub card: Option<Scorecard>,
    /// The clusters it read in preflight.
    pub clusters: BTreeMap<String, ClusterFacts>,
}

impl Offered {
    /// Whether it is as it was made.
    pub fn is_intact(&self) -> bool {
        self.problems.is_empty() && self.card.is_some()
    }

    /// As a run that can open and close findings. One that is altered, of the lab or a validation is none.
    pub(crate) fn as_drill(&self) -> Option<DrillRun> {
        let card = self.card.as_ref().filter(|_| self.is_intact())?;
        DrillRun::new(&self.dir, card, self.clusters.iter().map(|(key, facts)| (key.as_str(), facts)))
    }

    /// Whether it is of the embedded mesh.
    pub fn is_lab(&self) -> bool {
        self.card.as_ref().is_some_and(|card| card.run.lab)
    }

    /// When it began.
    pub(crate) fn started(&self) -> Option<Timestamp> {
        self.card.as_ref()?.run.started.parse().ok()
    }

    /// Whether it is a run on clusters of what is required.
    pub(crate) fn is_of(&self, required: &RequiredRun) -> bool {
        let named = |card: &Scorecard| {
            required.names.contains(&card.run.scenario) && card.run.binding == required.binding && !card.run.lab
        };
        self.card.as_ref().is_some_and(named)
    }

    /// The scenario's name.
    pub(crate) fn scenario(&self) -> String {
        self.card.as_ref().map(|card| card.run.scenario.clone()).unwrap_or_default()
    }
}
