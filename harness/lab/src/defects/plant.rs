//! Plants defects while the lab starts.

use super::Defect;
use super::row::{Planted, Row};
use crate::error::LabError;
use crate::world::World;

/// A defect and the index of the cluster it is planted in.
struct Placed {
    row: &'static Row,
    cluster: usize,
}

/// The defects of one lab, each with its cluster.
pub(crate) struct DefectPlan(Vec<Placed>);

impl DefectPlan {
    /// Finds the clusters of the defects.
    pub(crate) fn new(world: &World, defects: &[Defect]) -> Result<Self, LabError> {
        let mut placed = Vec::new();
        for defect in defects {
            let row = defect.row();
            let key = defect.cluster().unwrap_or(row.info.default_cluster);
            if key == "all" {
                placed.extend((0..world.clusters.len()).map(|cluster| Placed { row, cluster }));
                continue;
            }
            let found = world.clusters.iter().position(|cluster| cluster.ident.key == key);
            let cluster = match (found, defect.cluster()) {
                (Some(cluster), _) => cluster,
                // A lab with fewer clusters than usual has the defect in its last one.
                (None, None) => world.clusters.len() - 1,
                (None, Some(cluster)) => {
                    return Err(LabError::Cluster { defect: defect.to_string(), cluster: cluster.to_owned() });
                }
            };
            placed.push(Placed { row, cluster });
        }
        Ok(Self(placed))
    }

    /// Plants what must be in place before any object exists.
    pub(crate) fn before_objects(&self, world: &mut World) {
        self.plant(world, Planted::Bootstrap);
    }

    /// Plants changes of objects.
    pub(crate) fn in_objects(&self, world: &mut World) {
        self.plant(world, Planted::Objects);
    }

    /// Plants changes of proxies and control planes.
    pub(crate) fn in_proxies(&self, world: &mut World) {
        self.plant(world, Planted::Proxies);
    }

    /// Plants what begins at the moment the lab starts.
    pub(crate) fn at_start(&self, world: &mut World) {
        self.plant(world, Planted::Start);
    }

    fn plant(&self, world: &mut World, planted: Planted) {
        for one in self.0.iter().filter(|one| one.row.planted == planted) {
            (one.row.change)(world, one.cluster);
        }
    }
}
