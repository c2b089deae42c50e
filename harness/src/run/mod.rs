//! The runner: takes a plan through its phases against a world, and writes the record. Judges nothing: the record does
//! that, with `meshdrill-checks`.

mod annotate;
mod ask;
mod clock_state;
mod conclusive;
mod context;
mod control;
mod drill;
mod environment;
mod execute;
mod faults;
mod files;
mod halt;
mod hold;
mod identity;
mod interrupt;
mod journal;
mod lease;
mod preflight;
mod progress;
mod recorder;
mod recover;
mod sampler;
mod source;
mod timer;
mod unsteady;
mod validation;
mod window;

use conclusive::decide;

pub use crate::clock::Clock;
pub(crate) use environment::{on_path, unroutable_pods};
pub(crate) use execute::hostname;
pub use execute::{Finished, RunOptions, execute, leave_out};
pub use files::RunDir;
pub(crate) use files::write_atomically;
pub use halt::{halt, halted, resume};
pub use interrupt::Interrupts;
pub use journal::Journal;
pub use preflight::{Findings, look};
pub use progress::{NoProgress, Progress};
pub use recorder::Recorder;
pub use recover::{Leftover, leftovers, local_leftovers, recover, recover_local, status};
pub use sampler::sample;
pub use source::WorldSource;
pub use window::ChangeWindow;
