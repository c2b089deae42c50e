//! Why a lab does not start.

use crate::lab_mesh::LabMesh;

/// Why a lab does not start.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// The number of clusters is outside 1 to 5.
    #[error("a lab has 1 to 5 clusters, not {0}")]
    Clusters(usize),
    /// A defect names a cluster the lab does not have.
    #[error("defect {defect} names cluster {cluster}, which this lab does not have")]
    Cluster {
        /// The defect as written.
        defect: String,
        /// The cluster key in it.
        cluster: String,
    },
    /// A defect is about something that the mesh does not have.
    #[error("defect {defect} does not apply to mesh {mesh}; it is for {meshes}")]
    Mesh {
        /// The defect as written.
        defect: String,
        /// The mesh of the lab.
        mesh: LabMesh,
        /// The meshes it applies to.
        meshes: String,
    },
    /// A defect found nothing to change in a cluster.
    #[error("defect {defect} has nothing to change in cluster {cluster}; name another cluster with {name}@CLUSTER")]
    Nothing {
        /// The defect as written.
        defect: String,
        /// Its name.
        name: &'static str,
        /// The cluster.
        cluster: String,
    },
    /// The certificates of the mesh cannot be created.
    #[error("failed to create the certificates of the mesh: {0}")]
    Certificates(String),
    /// `Lab::start` was called outside a tokio runtime.
    #[error("a lab must be started inside a tokio runtime")]
    Runtime,
}
