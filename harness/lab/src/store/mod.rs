//! The storage of one API server: JSON objects by resource, their versions, and the log for watches.

pub(crate) mod object;
pub(crate) mod patch;
pub(crate) mod resources;
pub(crate) mod selector;
pub(crate) mod strategic;
mod table;

pub(crate) use resources::Resource;
pub(crate) use table::{Change, ChangeKind, Store};
