//! Parses what was observed in a mesh and judges how good it was. Pure: no clock, no network, no files.
//!
//! Data flows one way through it: a [`record::Record`] (events and samples of one run) and the [`criterion::Criterion`]s
//! it carries go in, a [`scorecard::Scorecard`] comes out. The same record always gives the same scorecard.

pub mod control;
pub mod criterion;
pub mod detection;
mod evidence;
pub mod exit_code;
mod figure;
pub mod findings;
mod judgement;
pub mod observe;
pub mod outage;
pub mod record;
pub mod score;
pub mod scorecard;
pub mod stats;
mod timings;
pub mod units;
pub mod verdict;
mod window;
mod wording;
