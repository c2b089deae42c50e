//! From scenarios as written to what would happen: defaults filled in, clusters expanded, the timeline laid out, sample
//! sizes worked out. Contacts nothing; what it cannot accept it reports with its place in the file.

mod build;
mod building;
mod criteria;
mod expand;
mod layout;
mod text;
mod types;

pub use build::build;
pub use layout::{LONGEST_CONCLUSIVE, lengthen};
pub use text::to_text;
pub(crate) use types::faulted;
pub use types::{Plan, PlannedCheck, PlannedFault, PlannedProbe};
