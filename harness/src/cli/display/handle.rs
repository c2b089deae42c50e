//! The thread that writes. It does not share the thread of the probes, so that drawing does not delay a sample, and it has the
//! wall clock also where runs have a virtual one.

use std::io::IsTerminal as _;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Instant;

use meshdrill_checks::record::Line;

use super::board::Board;
use super::lanes::Lanes;
use super::lines::{Detail, Lines};
use super::view::View;
use crate::plan::Plan;
use crate::run::Progress;

/// How it is written.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag or a fact of its own")]
#[derive(Debug, Clone, Copy)]
pub(in crate::cli) struct DisplayOptions {
    /// Only signals are shown.
    pub quiet: bool,
    /// Every event is shown.
    pub verbose: bool,
    /// Whether the clock of the runs is that of this machine.
    pub real: bool,
    /// Whether stderr takes colour.
    pub colour: bool,
}

/// Something to show.
enum Update {
    Line(usize, Box<Line>),
    /// A run has ended: what is written to stdout, and whether it counts as not passed.
    Result(String, bool),
    /// A signal, and whether it came before.
    Signal(&'static str, bool),
    Warning(String),
}

/// A handle to the thread. It ends when this and every [`Entry`] is gone.
pub(in crate::cli) struct Display {
    entry: Entry,
    thread: JoinHandle<()>,
}

/// What may be shown, from anywhere.
#[derive(Clone)]
pub(in crate::cli) struct Entry {
    sender: Sender<Update>,
    quiet: bool,
}

impl Display {
    /// Starts the thread for runs of these plans.
    pub fn start(plans: &[&Plan], options: DisplayOptions) -> Self {
        let (sender, receiver) = channel();
        let board = Board::new(plans, options.real);
        let thread = std::thread::spawn(move || serve(&receiver, board, options));
        Self { entry: Entry { sender, quiet: options.quiet }, thread }
    }

    /// A handle for others.
    pub fn entry(&self) -> Entry {
        self.entry.clone()
    }

    /// Waits until everything is written.
    pub fn close(self) {
        drop(self.entry);
        let _ = self.thread.join();
    }
}

impl Entry {
    /// Shows the run of a plan, by its place among them.
    pub fn progress(&self, run: usize) -> Box<dyn Progress> {
        Box::new(RunProgress { run, sender: self.sender.clone() })
    }

    /// Shows the result of a run on stdout.
    pub fn result(&self, text: String, bad: bool) {
        let text = if self.quiet { String::new() } else { text };
        self.send(Update::Result(text, bad));
    }

    /// Acknowledges a signal.
    pub fn signal(&self, name: &'static str, again: bool) {
        self.send(Update::Signal(name, again));
    }

    /// Writes a line to stderr.
    pub fn warn(&self, text: String) {
        self.send(Update::Warning(text));
    }

    fn send(&self, update: Update) {
        // The thread ends when all handles are gone, so it is there.
        let _ = self.sender.send(update);
    }
}

struct RunProgress {
    run: usize,
    sender: Sender<Update>,
}

impl Progress for RunProgress {
    fn line(&mut self, line: &Line) {
        let _ = self.sender.send(Update::Line(self.run, Box::new(line.clone())));
    }
}

fn view(options: DisplayOptions, now: Instant) -> Box<dyn View> {
    let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    let terminal = std::io::stderr().is_terminal() && std::env::var_os("CI").is_none() && !dumb;
    match (options.quiet, options.verbose) {
        (true, _) => Box::new(Lines::new(Detail::Quiet, now)),
        (_, true) => Box::new(Lines::new(Detail::Verbose, now)),
        _ if terminal => Box::new(Lanes::new(options.colour)),
        _ => Box::new(Lines::new(Detail::Normal, now)),
    }
}

fn serve(receiver: &Receiver<Update>, mut board: Board, options: DisplayOptions) {
    let mut view = view(options, Instant::now());
    loop {
        let wait = view.tick(&board, Instant::now());
        let update = match receiver.recv_timeout(wait) {
            Ok(update) => update,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => break,
        };
        let now = Instant::now();
        match update {
            Update::Line(run, line) => {
                board.apply(run, &line, now);
                view.line(&board, run, &line, now);
            }
            Update::Result(text, bad) => {
                board.done += 1;
                board.bad += usize::from(bad);
                view.result(&board, &mut || say_part!("{text}"), now);
            }
            Update::Signal(name, again) => {
                // From here on only plain lines: they stay to be read.
                view.close();
                say_err!("{}", board.acknowledge(name, again));
                if !again {
                    let detail = if options.verbose { Detail::Verbose } else { Detail::Undo };
                    view = Box::new(Lines::new(detail, now));
                }
            }
            Update::Warning(text) => view.result(&board, &mut || say_err!("{text}"), now),
        }
    }
    view.close();
}
