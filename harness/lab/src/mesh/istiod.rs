//! The state of one control plane.

use std::sync::Arc;

use super::snapshot::Snapshot;
use super::view::ClusterView;
use crate::clock::Ms;
use crate::world::Uid;

/// The sync state of a remote cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RemoteSync {
    /// There is no remote secret.
    Unknown,
    Synced,
    /// There is a remote secret, but the cluster does not accept its token or does not respond.
    Syncing,
}

/// State of one control plane.
#[derive(Debug, Default)]
pub(crate) struct Istiod {
    pub(crate) views: Vec<Option<Arc<ClusterView>>>,
    pub(crate) sync: Vec<RemoteSync>,
    pub(crate) snapshot: Option<Arc<Snapshot>>,
    pub(crate) pushed: Ms,
    /// The root certificate of the workload certificates in this cluster.
    pub(crate) root: String,
    /// Whether a push is due.
    pub(super) scheduled: bool,
    pub(super) version: u64,
    /// The pods that have read every cluster for which there is a remote secret.
    pub(super) informed: Vec<Uid>,
}
