//! Progress on a terminal: a bar over all runs, what runs now, and for a run alone a lane per probe. Fits 80 columns.

use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use meshdrill_checks::record::Line;
use meshdrill_reports::cut;

use super::board::{Board, RunState, rounded};
use super::event::Shown;
use super::view::View;
use crate::cli::shortened;

/// How often it is redrawn.
const REDRAW: Duration = Duration::from_millis(200);
/// The most lanes; a run with more probes shows those that fail first.
const MOST_LANES: usize = 12;
/// The widest name of a probe beside its figures in 80 columns.
const NAME: usize = 24;
/// The first row. A terminal shows `^C` behind the last row, which is full, and so scrolls by one line: this is then the row
/// that is not found again to be cleared.
const FIRST: &str = " ";
/// The cells of the bar.
const BAR: usize = 20;

/// Lines at the bottom of the terminal that are redrawn; everything else scrolls above them.
pub(super) struct Lanes {
    screen: MultiProgress,
    style: ProgressStyle,
    rows: Vec<ProgressBar>,
    colour: bool,
    drawn: Option<Instant>,
}

impl Lanes {
    pub fn new(colour: bool) -> Self {
        let style = ProgressStyle::with_template("{wide_msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
        Self { screen: MultiProgress::new(), style, rows: Vec::new(), colour, drawn: None }
    }

    fn draw(&mut self, board: &Board, now: Instant) {
        self.drawn = Some(now);
        let rows = rows(board, self.colour, now);
        while self.rows.len() > rows.len() {
            if let Some(row) = self.rows.pop() {
                row.finish_and_clear();
                self.screen.remove(&row);
            }
        }
        while self.rows.len() < rows.len() {
            self.rows.push(self.screen.add(ProgressBar::new(0).with_style(self.style.clone())));
        }
        for (row, text) in self.rows.iter().zip(rows) {
            row.set_message(text);
        }
    }
}

/// The lines as they are now.
fn rows(board: &Board, colour: bool, now: Instant) -> Vec<String> {
    let mut rows = Vec::new();
    let running: Vec<(usize, &RunState)> = board.running().collect();
    if board.is_suite() {
        rows.push(bar(board, colour, now));
    }
    match running.as_slice() {
        [] => {}
        [(_, run)] => {
            rows.push(format!("{}  {}", run.title, run.stage(now)));
            rows.extend(lanes(run, colour, now));
        }
        many => {
            // Drills run alone; these are validations, the longest at work first.
            let names: Vec<String> =
                many.iter().map(|(_, run)| format!("{} {}", run.title, elapsed(run, now))).collect();
            rows.push(format!("running {}: {}", many.len(), names.join(", ")));
        }
    }
    if !rows.is_empty() {
        rows.insert(0, FIRST.to_owned());
    }
    rows
}

fn elapsed(run: &RunState, now: Instant) -> String {
    rounded(Duration::from_secs_f64(run.clock(now).secs()))
}

/// `[======>             ] 21/49  2 not passed  1 m 12 s`
fn bar(board: &Board, colour: bool, now: Instant) -> String {
    let total = board.runs.len();
    let filled = (BAR * board.done).checked_div(total).unwrap_or(0);
    let head = if filled < BAR { ">" } else { "" };
    let cells = format!("{:<BAR$}", format!("{}{head}", "=".repeat(filled)));
    let bad = match board.bad {
        0 => String::new(),
        bad => format!("  {}", red(&format!("{bad} not passed"), colour)),
    };
    format!("[{cells}] {}/{total}{bad}  {}", board.done, rounded(now.saturating_duration_since(board.begun)))
}

fn lanes(run: &RunState, colour: bool, now: Instant) -> Vec<String> {
    let clock = run.clock(now);
    let mut shown: Vec<(&String, String, Option<String>)> = run
        .probes
        .iter()
        .map(|(name, lane)| {
            let (figures, down) = lane.figures(clock);
            (name, figures, down)
        })
        .collect();
    let hidden = shown.len().saturating_sub(MOST_LANES);
    if hidden > 0 {
        shown.sort_by_key(|(_, _, down)| down.is_none());
        shown.truncate(MOST_LANES);
    }
    let mut rows: Vec<String> = shown
        .into_iter()
        .map(|(name, figures, down)| {
            let down = down.map_or_else(String::new, |down| format!("  {}", red(&down, colour)));
            format!("  {:<NAME$} {figures}{down}", cut(name, NAME))
        })
        .collect();
    if hidden > 0 {
        rows.push(format!("  and {hidden} more probes"));
    }
    rows
}

fn red(text: &str, colour: bool) -> String {
    if colour { format!("\u{1b}[1;31m{text}\u{1b}[0m") } else { text.to_owned() }
}

impl View for Lanes {
    fn line(&mut self, board: &Board, run: usize, line: &Line, now: Instant) {
        let text = match Shown::of(&line.event) {
            Shown::Text(text) if !board.is_suite() => text,
            Shown::Trouble(text) => text,
            Shown::Phase(_) => return self.draw(board, now),
            Shown::Text(_) | Shown::Sample(..) | Shown::End | Shown::Nothing => return,
        };
        let title = match board.runs.get(run) {
            Some(state) if board.is_suite() => format!("{}  ", state.title),
            _ => String::new(),
        };
        let _ = self.screen.println(format!("{:>8.2}s  {title}{}", line.at.secs(), shortened(&text)));
    }

    fn result(&mut self, board: &Board, write: &mut dyn FnMut(), now: Instant) {
        self.screen.suspend(write);
        self.draw(board, now);
    }

    fn tick(&mut self, board: &Board, now: Instant) -> Duration {
        let since = self.drawn.map_or(REDRAW, |drawn| now.saturating_duration_since(drawn));
        if since >= REDRAW {
            self.draw(board, now);
            return REDRAW;
        }
        REDRAW.saturating_sub(since)
    }

    fn close(&mut self) {
        // All rows at once: a row that is removed alone leaves those above it on the terminal.
        let _ = self.screen.clear();
        self.screen.set_draw_target(ProgressDrawTarget::hidden());
        self.rows.clear();
    }
}
