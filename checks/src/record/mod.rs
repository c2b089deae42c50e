//! The record of a run: events and samples on one clock, the only contract between running and judging.

mod blocks;
mod chain;
mod columns;
mod error;
mod event;
mod header;
mod history;
mod identity;
mod lines;
mod log;
mod phases;
mod read;
mod sample;
mod schema;
mod timings;

pub use blocks::BlockWriter;
pub use chain::{Chain, ChainError};
pub use columns::ColumnError;
pub use error::{BlockError, RecordError};
pub use event::{Event, Line, Phase, ReadBack};
pub use header::{
    Approver, Change, CheckHeader, CheckStage, FaultHeader, FaultWindow, Header, Participant, ProbeHeader,
    RECORD_SCHEMA,
};
pub use history::{
    CheckAnswer, ControlAnswer, Ending, FaultHistory, Held, History, Lapse, NotRun, Note, ProbeHistory, Recovery,
    SCENARIO,
};
pub use identity::{
    ClockOffset, ClockState, ClockSync, ClusterFacts, Identity, RunnerClock, ScenarioFile, WaiverEntry,
};
pub use log::{RECORD_FILES, Record};
pub use phases::RequestPhases;
pub use sample::{At, Class, Sample, Series};
pub use schema::line_schema;
pub use timings::{PhaseCounts, Timings};
