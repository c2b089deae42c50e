//! meshdrill: breaks a live multi-cluster Istio mesh in a controlled way, probes it all the time, undoes the damage,
//! and judges what it measured.
//!
//! Data flows one way, one type per stage: `spec` (as written) -> `plan` (nothing left to decide) -> `run` (against
//! `cluster` and `net`, with `probe` and `fault`) -> record -> scorecard (crate `meshdrill-checks`) -> `reporting`
//! (crate `meshdrill-reports`). `cli` has the commands.
//!
//! Only the commands are public, so that the compiler sees code that nothing uses; [`engine`] is for the benchmark.

mod catalogue;
pub mod cli;
mod clock;
mod cluster;
mod fault;
mod format;
mod inventory;
mod local;
mod net;
mod notes;
mod plan;
mod probe;
mod reporting;
mod run;
mod spec;

/// The parts of the runner that the benchmark measures: sampler, HTTP client and recorder.
pub mod engine {
    pub use crate::cluster::World;
    pub use crate::net::{Net, make_room};
    pub use crate::plan::PlannedProbe;
    pub use crate::probe::{ProbeKind, Role};
    pub use crate::run::{Clock, Interrupts, NoProgress, Recorder, RunDir, sample};
}
