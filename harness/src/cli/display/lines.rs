//! Progress where there is no terminal: a line per event of a single run, only trouble of several, and a heartbeat after
//! 30 s of silence.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use meshdrill_checks::record::{At, Class, Line, Sample};

use super::board::{Board, RunState, rounded};
use meshdrill_checks::units::counted;

use super::event::Shown;
use super::view::View;
use crate::cli::shortened;

/// How long nothing may be written before a heartbeat is.
pub(super) const SILENCE: Duration = Duration::from_secs(30);

/// What of the events is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Detail {
    /// Nothing.
    Quiet,
    /// Events where there is one run, trouble where there are several.
    Normal,
    /// What drills do until their end, after a signal.
    Undo,
    /// Every event, and every bad sample with its details.
    Verbose,
}

/// Plain lines.
pub(super) struct Lines {
    detail: Detail,
    /// Since when each probe of each run has failed, and how often.
    outages: BTreeMap<(usize, String), (At, usize)>,
    written: Instant,
}

impl Lines {
    pub const fn new(detail: Detail, now: Instant) -> Self {
        Self { detail, outages: BTreeMap::new(), written: now }
    }

    fn say(&mut self, board: &Board, run: usize, at: At, text: &str, now: Instant) {
        let Some(state) = board.runs.get(run) else { return };
        self.written = now;
        let text = if self.detail == Detail::Verbose { text.into() } else { shortened(text) };
        say_err!("{:>8.2}s  {}  {text}", at.secs(), state.title);
    }

    fn sample(&mut self, board: &Board, run: usize, at: At, (probe, sample): (&str, &Sample), now: Instant) {
        if self.detail == Detail::Verbose && !sample.class.is_good() {
            let seen = sample.observed().map_or_else(String::new, |observed| format!(": {observed}"));
            let due = sample.scheduled.secs();
            let text = format!("{probe} #{} due {due:.2} s: {}{seen}", sample.slot, sample.class);
            return self.say(board, run, at, &text, now);
        }
        // The common case: nothing to begin, and nothing to end.
        if sample.class.is_good() && self.outages.is_empty() {
            return;
        }
        let key = (run, probe.to_owned());
        match (sample.class, self.outages.get_mut(&key)) {
            (class, Some((_, bad))) if class.is_bad() => *bad += 1,
            (Class::Good, Some((since, bad))) if at.since(*since) >= Duration::from_secs(1) => {
                let text = format!("{probe}: good again after {}", counted(*bad, "bad sample"));
                self.outages.remove(&key);
                self.say(board, run, at, &text, now);
            }
            (class, None) if class.is_bad() => {
                let observed = sample.observed().map_or_else(String::new, |observed| format!(": {observed}"));
                self.outages.insert(key, (at, 1));
                self.say(board, run, at, &format!("{probe}: {class}{observed}"), now);
            }
            _ => {}
        }
    }

    /// Where the runs stand, after a silence.
    fn heartbeat(board: &Board, now: Instant) -> Option<String> {
        let running: Vec<String> =
            board.running().map(|(_, run)| format!("{} ({}{})", run.title, run.stage(now), run.samples())).collect();
        if running.is_empty() {
            return None;
        }
        if !board.is_suite() {
            return Some(running.concat());
        }
        let bad = if board.bad > 0 { format!(", {} not passed", board.bad) } else { String::new() };
        let elapsed = rounded(now.saturating_duration_since(board.begun));
        let (done, total) = (board.done, board.runs.len());
        Some(format!("{elapsed}: {done} of {total} done{bad}; running: {}", running.join(", ")))
    }
}

impl View for Lines {
    fn line(&mut self, board: &Board, run: usize, line: &Line, now: Instant) {
        let drill = board.runs.get(run).is_some_and(RunState::is_drill);
        let all = match self.detail {
            Detail::Quiet => false,
            Detail::Normal => !board.is_suite(),
            Detail::Undo => drill || !board.is_suite(),
            Detail::Verbose => true,
        };
        match Shown::of(&line.event) {
            Shown::Sample(probe, sample) if all => self.sample(board, run, line.at, (probe, sample), now),
            Shown::Phase(phase) if all => {
                let word = board.runs.get(run).map_or("", |state| state.phase_word(phase));
                self.say(board, run, line.at, &format!("-- {word}"), now);
            }
            Shown::Text(text) if all => self.say(board, run, line.at, &text, now),
            Shown::Trouble(text) if self.detail != Detail::Quiet => self.say(board, run, line.at, &text, now),
            Shown::Sample(..) | Shown::Phase(_) | Shown::Text(_) | Shown::Trouble(_) | Shown::End | Shown::Nothing => {}
        }
    }

    fn result(&mut self, _: &Board, write: &mut dyn FnMut(), now: Instant) {
        self.written = now;
        write();
    }

    fn tick(&mut self, board: &Board, now: Instant) -> Duration {
        if self.detail == Detail::Quiet {
            return SILENCE;
        }
        let silent = now.saturating_duration_since(self.written);
        if silent < SILENCE {
            return SILENCE.saturating_sub(silent);
        }
        self.written = now;
        if let Some(text) = Self::heartbeat(board, now) {
            say_err!("{}", shortened(&text));
        }
        SILENCE
    }

    fn close(&mut self) {}
}
