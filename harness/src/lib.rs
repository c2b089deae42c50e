//! meshdrill: breaks a live multi-cluster Istio mesh in a controlled way, probes it all the time, undoes the damage,
//! and judges what it measured.
//!
//! Data flows one way, one type per stage: `spec` (as written) -> `plan` (nothing left to decide) -> `run` (against
//! `cluster` and `net`, with `probe` and `fault`) -> record -> scorecard (crate `meshdrill-checks`) -> `reporting`
//! (crate `meshdrill-reports`). `cli` is what people type.

pub mod catalogue;
pub mod cli;
mod clock;
pub mod cluster;
pub mod fault;
pub mod format;
mod local;
pub mod net;
pub mod plan;
pub mod probe;
pub mod reporting;
pub mod run;
pub mod spec;
