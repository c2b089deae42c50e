//! What a person sees while a run goes on. Implementations live with the command line.

use meshdrill_checks::record::Line;

/// Shown every line of the record as it happens.
pub trait Progress: Send {
    /// One more line.
    fn line(&mut self, line: &Line);
}

/// Shows nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProgress;

impl Progress for NoProgress {
    fn line(&mut self, _: &Line) {}
}
