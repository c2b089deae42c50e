//! Scenarios that do not run on a mesh.

/// A selected scenario that the mesh has nothing for, or not all of which is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LeftOut {
    /// Its name.
    pub name: String,
    /// Why.
    pub why: String,
    /// Whether the mesh may have it: that is never a pass.
    pub unknown: bool,
}
