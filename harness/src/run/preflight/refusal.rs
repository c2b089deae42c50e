//! Why preflight refuses a run.

use crate::cluster::{AccessError, Permission};
use crate::fault::FaultError;

/// Why a run is refused, with the remedy.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// The mesh file forbids faults.
    #[error(
        "cluster `{0}` must not be broken: the mesh file has `faults: forbidden`; write `faults: allowed` to permit faults"
    )]
    Forbidden(String),
    /// The mesh file does not pin the cluster.
    #[error(
        "cluster `{0}` is not pinned: the mesh file has no `uid` for it, so a changed context would go unnoticed; run `meshdrill mesh init`"
    )]
    Unpinned(String),
    /// The credentials lack permissions.
    #[error("the credentials do not permit: {}; grant these, or use other credentials", listed(.0))]
    NotPermitted(Vec<Permission>),
    /// Somebody has halted the cluster.
    #[error("cluster `{cluster}` is halted by {by}; lift it with `meshdrill resume`")]
    Halted {
        /// Its key.
        cluster: String,
        /// Who did.
        by: String,
    },
    /// Earlier runs left damage.
    #[error(
        "cluster `{cluster}` has leftovers of {count} earlier run(s), such as {undo} of {run}; undo them with `meshdrill recover`, or give --clean"
    )]
    Leftovers {
        /// Its key.
        cluster: String,
        /// How many undos are left.
        count: usize,
        /// The first of them.
        undo: String,
        /// Its run.
        run: String,
    },
    /// A fault has no target, or the cluster would not accept it.
    #[error("fault {id}: {source}")]
    Fault {
        /// The fault.
        id: String,
        /// Why.
        source: FaultError,
    },
    /// A cluster cannot be asked.
    #[error(transparent)]
    Access(#[from] AccessError),
}

fn listed(permissions: &[Permission]) -> String {
    permissions.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
