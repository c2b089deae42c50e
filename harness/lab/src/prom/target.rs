//! One scrape target.

use std::collections::BTreeSet;

use super::labels::Labels;
use crate::clock::Ms;
use crate::world::Uid;

/// One target with the result of its last scrape.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) job: &'static str,
    pub(crate) url: String,
    pub(crate) labels: Labels,
    pub(crate) source: TargetSource,
    pub(crate) up: bool,
    pub(crate) error: String,
    pub(crate) scraped: Ms,
    /// Series of the last scrape, `up` among them.
    pub(super) series: BTreeSet<usize>,
    /// The target sets timestamps: its series get no staleness marker when the target goes.
    pub(super) foreign: bool,
}

/// Where a target's samples come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TargetSource {
    Itself,
    Pod(Uid, u16),
    Peer(usize),
}
