//! Plants defects while the lab starts.

use super::Defect;
use super::row::{Planted, Row};
use crate::error::LabError;
use crate::lab_mesh::LabMesh;
use crate::world::World;

/// A defect and the index of the cluster it is planted in.
struct Placed {
    row: &'static Row,
    cluster: usize,
    /// As written.
    text: String,
}

/// The defects of one lab, each with its cluster.
pub(crate) struct DefectPlan {
    mesh: LabMesh,
    placed: Vec<Placed>,
}

impl DefectPlan {
    /// Finds the clusters of the defects.
    pub(crate) fn new(world: &World, mesh: LabMesh, defects: &[Defect]) -> Result<Self, LabError> {
        let mut placed = Vec::new();
        for defect in defects {
            let (row, text) = (defect.row(), defect.to_string());
            let meshes = row.info.meshes;
            if !meshes.contains(&mesh) {
                let meshes = meshes.iter().map(|mesh| mesh.name()).collect::<Vec<_>>().join(", ");
                return Err(LabError::Mesh { defect: text, mesh, meshes });
            }
            let last = world.clusters.len() - 1;
            let chosen = match defect.cluster() {
                Some("all") => None,
                Some(key) => {
                    let found = world.clusters.iter().position(|cluster| cluster.ident.key == key);
                    Some(found.ok_or_else(|| LabError::Cluster { defect: text.clone(), cluster: key.to_owned() })?)
                }
                // A lab with fewer clusters than usual has the defect in its last one.
                None => row.info.cluster_in(mesh).map(|cluster| cluster.min(last)),
            };
            let clusters = chosen.map_or(0..=last, |cluster| cluster..=cluster);
            placed.extend(clusters.map(|cluster| Placed { row, cluster, text: text.clone() }));
        }
        Ok(Self { mesh, placed })
    }

    /// Plants what must be in place before any object exists.
    pub(crate) fn before_objects(&self, world: &mut World) -> Result<(), LabError> {
        self.plant(world, Planted::Bootstrap)
    }

    /// Plants changes of objects.
    pub(crate) fn in_objects(&self, world: &mut World) -> Result<(), LabError> {
        self.plant(world, Planted::Objects)
    }

    /// Plants changes of proxies and control planes.
    pub(crate) fn in_proxies(&self, world: &mut World) -> Result<(), LabError> {
        self.plant(world, Planted::Proxies)
    }

    /// Plants what begins at the moment the lab starts.
    pub(crate) fn at_start(&self, world: &mut World) -> Result<(), LabError> {
        self.plant(world, Planted::Start)
    }

    fn plant(&self, world: &mut World, planted: Planted) -> Result<(), LabError> {
        for Placed { row, cluster, text } in self.placed.iter().filter(|one| one.row.planted == planted) {
            let versions = |world: &World| world.clusters.iter().map(|one| one.store.version()).sum::<u64>();
            let before = versions(world);
            (row.change)(world, *cluster);
            // In the guide's mesh with few clusters some defects have nothing to change.
            if planted == Planted::Objects && self.mesh != LabMesh::Guide && versions(world) == before {
                let cluster = world.clusters[*cluster].ident.key.to_owned();
                return Err(LabError::Nothing { defect: text.clone(), name: row.info.name, cluster });
            }
        }
        Ok(())
    }
}
