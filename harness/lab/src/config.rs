//! The configuration of a lab.

use std::time::{Duration, SystemTime};

use crate::clock::Clock;
use crate::defects::Defect;
use crate::error::LabError;
use crate::lab_mesh::LabMesh;
use crate::world::World;

/// The configuration of a lab.
#[derive(Debug, Clone)]
pub struct LabConfig {
    /// The mesh.
    pub mesh: LabMesh,
    /// How many clusters the guide's mesh has, 1 to 5; the other meshes have a number of their own.
    pub clusters: usize,
    /// The same seed gives the same history.
    pub seed: u64,
    /// What is wrong with the mesh from the start.
    pub defects: Vec<Defect>,
    /// The round trip between clusters: the time of a ping between pods of different clusters, and what one HTTP hop to
    /// another cluster adds.
    pub rtt: Duration,
    /// Least privilege: the API servers allow only what an access review allowed before, so that a client can do only what
    /// it declared.
    pub least_privilege: bool,
    /// The date at the start; the machine's date if none is set. Set it for identical dates in every run.
    pub epoch: Option<SystemTime>,
}

impl Default for LabConfig {
    fn default() -> Self {
        Self {
            mesh: LabMesh::default(),
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
