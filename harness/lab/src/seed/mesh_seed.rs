//! What a mesh is made of, as the boot needs it.

use super::pki::Files;
use crate::world::{ClusterNames, World};

/// A mesh that the boot can create. Each is one file in `meshes`.
pub(crate) struct MeshSeed {
    pub(crate) mesh_id: &'static str,
    /// Its clusters, in order.
    pub(crate) clusters: &'static [ClusterNames],
    /// The configuration of the lab chooses how many of the clusters exist.
    pub(crate) resizable: bool,
    /// The webhook that Alertmanager notifies.
    pub(crate) webhook: &'static str,
    /// Creates the objects of a cluster, after its system namespaces.
    pub(crate) fill: fn(&mut World, usize, &Files),
}
