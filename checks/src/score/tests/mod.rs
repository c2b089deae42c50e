//! Every criterion by histories made by hand: what passes, what fails, what is left open, and what proves nothing.

mod control;
mod detections;
mod ledgers;
mod outages;
mod refusals;
mod rules;
mod shares;
mod splits;
pub mod story;
