//! Why a lab does not start.

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
    /// The certificates of the mesh cannot be created.
    #[error("failed to create the certificates of the mesh: {0}")]
    Certificates(String),
    /// `Lab::start` was called outside a tokio runtime.
    #[error("a lab must be started inside a tokio runtime")]
    Runtime,
}
