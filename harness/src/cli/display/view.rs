//! What the thread that writes writes with.

use std::time::{Duration, Instant};

use meshdrill_checks::record::Line;

use super::board::Board;

/// What the thread writes with.
pub(super) trait View: Send {
    /// Shows an event of a run.
    fn line(&mut self, board: &Board, run: usize, line: &Line, now: Instant);
    /// Makes room for lines on stdout and has them written.
    fn result(&mut self, board: &Board, write: &mut dyn FnMut(), now: Instant);
    /// Shows the passing of time; how long it may be until the next tick.
    fn tick(&mut self, board: &Board, now: Instant) -> Duration;
    /// Removes what does not stay.
    fn close(&mut self);
}
