//! Compares judged runs: two of them (`compare`), or those of many nights (`nights`). Pure: what it needs is handed in.
//!
//! A comparison reads records, with every sample. A history reads scorecards only. Neither changes the verdict of a run.

mod area;
pub mod card;
pub mod compare;
mod edits;
mod measured;
pub mod nights;
pub mod site;
mod table;

pub use area::{Area, Direction};
pub use edits::{Edit, EditKind};
pub use measured::Measured;
