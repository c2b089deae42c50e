//! What kind of mesh to start.

use std::time::{Duration, SystemTime};

use crate::clock::Clock;
use crate::defects::Defect;
use crate::error::LabError;
use crate::world::World;

/// What kind of mesh to start.
#[derive(Debug, Clone)]
pub struct LabConfig {
    /// How many clusters, 1 to 5.
    pub clusters: usize,
    /// One seed gives one history.
    pub seed: u64,
    /// What is wrong with the mesh from the start.
    pub defects: Vec<Defect>,
    /// Round trip between clusters. It is what a ping between pods of different clusters takes, and what one HTTP hop to
    /// another cluster adds.
    pub rtt: Duration,
    /// Whether the API servers permit only what an access review asked about before: what a client says it needs is then
    /// all it can do.
    pub least_privilege: bool,
    /// The date at the start; the machine's own when absent. Fix it for identical dates in every run.
    pub epoch: Option<SystemTime>,
}

impl Default for LabConfig {
    fn default() -> Self {
        Self {
            clusters: 2,
            seed: 1,
            defects: Vec::new(),
            rtt: Duration::from_millis(44),
            least_privilege: false,
            epoch: None,
        }
    }
}

impl LabConfig {
    /// An empty world.
    pub(crate) fn world(&self, clock: Clock) -> Result<World, LabError> {
        if !(1..=5).contains(&self.clusters) {
            return Err(LabError::Clusters(self.clusters));
        }
        Ok(World::new(clock.dates(), self.seed, self.rtt.as_secs_f64() * 1000.0))
    }
}
