//! The state of one control plane.

use std::sync::Arc;

use super::snapshot::Snapshot;
use super::view::ClusterView;
use crate::clock::Ms;
use crate::world::Uid;

/// How far istiod is with a remote cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RemoteSync {
    /// No secret for it.
    Unknown,
    Synced,
    /// There is a secret; the cluster does not respond to it.
    Syncing,
}

/// State of one control plane.
#[derive(Debug, Default)]
pub(crate) struct Istiod {
    pub(crate) views: Vec<Option<Arc<ClusterView>>>,
    pub(crate) sync: Vec<RemoteSync>,
    pub(crate) snapshot: Option<Arc<Snapshot>>,
    pub(crate) pushed: Ms,
    /// The root certificate the mesh certificates of this cluster chain to.
    pub(crate) root: String,
    /// Whether a push is due.
    pub(super) scheduled: bool,
    pub(super) version: u64,
    /// The pod that pushed last.
    pub(super) instance: Option<Uid>,
}
