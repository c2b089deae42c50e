//! Parses what was observed in a mesh and judges how good it was. Pure: no clock, no network, no files.

pub mod observe;
pub mod stats;
