//! The statistics behind every figure a scorecard prints: how much the samples support, and how many would be needed.
//!
//! Pure functions of counts and values. Nothing here decides what passes; the scoring does, with these bounds.
//! All of it is checked against vectors computed with scipy (`checks/tests/vectors/stats.json`).

pub(crate) mod binomial;
#[cfg_attr(not(test), expect(dead_code, reason = "for comparing runs, which nothing does yet"))]
pub(crate) mod budget;
mod confidence;
mod error;
mod interval;
pub mod latency;
pub mod poisson;
pub mod proportion;
pub mod quantile;
pub mod rank;
pub mod split;
#[cfg(test)]
mod vectors;

pub use confidence::Confidence;
pub use error::StatsError;
pub use interval::Interval;
