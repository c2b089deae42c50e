//! A defect as lists show it.

use crate::lab_mesh::LabMesh;

/// A defect as [`Defect::all`](super::Defect::all) lists it.
#[derive(Debug, Clone, Copy)]
pub struct DefectInfo {
    /// In kebab case.
    pub name: &'static str,
    /// Whether `name@cluster` chooses the cluster.
    pub scoped: bool,
    /// The cluster when none is named; `all` for every cluster. In another mesh than the guide's, `primary` is the first and
    /// `secondary` the second cluster.
    pub default_cluster: &'static str,
    /// What is broken.
    pub what: &'static str,
    /// The meshes it applies to.
    pub meshes: &'static [LabMesh],
    /// The meshes in which it is planted in the first cluster unless another is named.
    pub(super) first_in: &'static [LabMesh],
}

impl DefectInfo {
    /// The index of the cluster in which it is planted in a mesh when none is named; none for every cluster. A lab with fewer
    /// clusters has it in the last one.
    pub fn cluster_in(&self, mesh: LabMesh) -> Option<usize> {
        let first = self.first_in.contains(&mesh);
        match self.default_cluster {
            "all" if !first => None,
            "secondary" if !first => Some(1.min(mesh.clusters().len() - 1)),
            _ => Some(0),
        }
    }
}
