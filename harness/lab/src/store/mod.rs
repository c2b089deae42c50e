//! What one API server holds: JSON objects by resource, their versions, and the log that watches read.

pub(crate) mod object;
pub(crate) mod patch;
pub(crate) mod resources;
pub(crate) mod selector;
pub(crate) mod strategic;
mod table;

pub(crate) use resources::Resource;
pub(crate) use table::{Change, ChangeKind, Store};
