//! One row of a group: a defect, when it is planted, and what it changes.

use super::info::DefectInfo;
use crate::world::World;

/// When a defect is planted while the lab starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Planted {
    /// Before any object exists.
    Bootstrap,
    /// When all objects exist, an hour before the lab starts.
    Objects,
    /// When the proxies have their configuration.
    Proxies,
    /// At the moment the lab starts.
    Start,
}

/// Changes the world; the second argument is the index of the cluster the defect is planted in.
type Change = fn(&mut World, usize);

/// One defect with its change.
pub(super) struct Row {
    pub(super) info: DefectInfo,
    pub(super) planted: Planted,
    pub(super) change: Change,
}

/// A defect that is planted in the secondary cluster unless another is named.
pub(super) const fn in_secondary(name: &'static str, planted: Planted, what: &'static str, change: Change) -> Row {
    scoped(name, "secondary", planted, what, change)
}

/// A defect that is planted in the primary cluster unless another is named.
pub(super) const fn in_primary(name: &'static str, planted: Planted, what: &'static str, change: Change) -> Row {
    scoped(name, "primary", planted, what, change)
}

/// A defect that is planted in every cluster unless one is named.
pub(super) const fn in_all(name: &'static str, planted: Planted, what: &'static str, change: Change) -> Row {
    scoped(name, "all", planted, what, change)
}

/// A defect outside the clusters: it takes no cluster.
pub(super) const fn outside(name: &'static str, planted: Planted, what: &'static str, change: Change) -> Row {
    Row { info: DefectInfo { name, scoped: false, default_cluster: "primary", what }, planted, change }
}

const fn scoped(
    name: &'static str,
    default_cluster: &'static str,
    planted: Planted,
    what: &'static str,
    change: Change,
) -> Row {
    Row { info: DefectInfo { name, scoped: true, default_cluster, what }, planted, change }
}
