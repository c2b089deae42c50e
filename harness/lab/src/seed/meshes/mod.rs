//! The meshes, one file each.

mod bookinfo;
mod flat_three;
mod gateway_api;
mod guide;
mod guide_monitoring;
mod large;
mod primary_remote;
mod single;

use super::mesh_seed::MeshSeed;
use crate::lab_mesh::LabMesh;

/// The seed of a mesh.
pub(crate) fn seed_of(mesh: LabMesh) -> &'static MeshSeed {
    match mesh {
        LabMesh::Guide => &guide::SEED,
        LabMesh::FlatThree => &flat_three::SEED,
        LabMesh::Single => &single::SEED,
        LabMesh::GatewayApi => &gateway_api::SEED,
        LabMesh::PrimaryRemote => &primary_remote::SEED,
        LabMesh::Large => &large::SEED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mesh_has_the_clusters_that_defects_can_name() {
        for mesh in LabMesh::WITH_LARGE {
            let keys: Vec<&str> = seed_of(mesh).clusters.iter().map(|cluster| cluster.key).collect();
            assert_eq!(keys, mesh.clusters(), "{mesh}");
        }
    }
}
