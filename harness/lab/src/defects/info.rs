//! A defect as lists show it.

/// A defect as [`Defect::all`](super::Defect::all) lists it.
#[derive(Debug, Clone, Copy)]
pub struct DefectInfo {
    /// In kebab case.
    pub name: &'static str,
    /// Whether `name@cluster` chooses the cluster.
    pub scoped: bool,
    /// The cluster when none is named; `all` for every cluster.
    pub default_cluster: &'static str,
    /// What is broken.
    pub what: &'static str,
}
