//! ICMP between clusters: loss, dead directions, longer round trips.
//!
//! Mesh traffic crosses through gateways and load balancers and is not affected.

use std::collections::BTreeMap;

/// One direction.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Link {
    pub(crate) loss: f64,
    pub(crate) dead: bool,
    /// Replaces the configured round trip, milliseconds.
    pub(crate) rtt_ms: Option<f64>,
}

/// Every changed direction, by source and destination cluster.
#[derive(Debug, Default)]
pub(crate) struct Links(BTreeMap<(usize, usize), Link>);

impl Links {
    pub(crate) fn get(&self, from: usize, to: usize) -> Link {
        self.0.get(&(from, to)).copied().unwrap_or_default()
    }

    pub(crate) fn change(&mut self, from: usize, to: usize, change: impl FnOnce(&mut Link)) {
        change(self.0.entry((from, to)).or_default());
    }
}
