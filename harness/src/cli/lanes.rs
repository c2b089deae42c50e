//! What a person sees while a run goes on: live lanes on a terminal, plain lines everywhere else.

use std::collections::BTreeMap;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use meshdrill_checks::record::{At, Class, Event, Line, Phase, Sample};
use meshdrill_checks::units::{percent, seconds};

use crate::plan::Plan;
use crate::run::Progress;

/// How often a lane is redrawn.
const REDRAW: Duration = Duration::from_millis(200);

/// One line of text per event.
pub(super) struct Lines {
    title: String,
    outages: BTreeMap<String, (At, usize)>,
    /// Whether every bad sample is shown, with its details.
    verbose: bool,
}

impl Lines {
    pub fn new(plan: &Plan, verbose: bool) -> Self {
        Self { title: plan.title(), outages: BTreeMap::new(), verbose }
    }

    fn say(&self, at: At, text: &str) {
        eprintln!("{:>8.2}s  {}  {text}", at.secs(), self.title);
    }
}

impl Lines {
    fn sample(&mut self, at: At, probe: &str, sample: &Sample) {
        if self.verbose && !sample.class.is_good() {
            let seen = sample.seen.as_ref().map_or_else(String::new, |seen| format!(": {seen}"));
            let due = sample.scheduled.secs();
            return self.say(at, &format!("{probe} #{} due {due:.2} s: {}{seen}", sample.slot, sample.class));
        }
        match (sample.class, self.outages.get_mut(probe)) {
            (class, Some((_, bad))) if class.is_bad() => *bad += 1,
            (Class::Good, Some((since, bad))) if at.since(*since) >= Duration::from_secs(1) => {
                let text = format!("{probe}: good again after {bad} bad samples");
                self.outages.remove(probe);
                self.say(at, &text);
            }
            (class, None) if class.is_bad() => {
                self.say(at, &format!("{probe}: {class}"));
                self.outages.insert(probe.to_owned(), (at, 1));
            }
            _ => {}
        }
    }
}

impl Progress for Lines {
    fn line(&mut self, line: &Line) {
        match Shown::of(&line.event) {
            Shown::Sample(probe, sample) => self.sample(line.at, probe, sample),
            Shown::Phase(phase) => self.say(line.at, &format!("-- {}", phase.word())),
            Shown::Text(text) => self.say(line.at, &text),
            Shown::End | Shown::Nothing => {}
        }
    }
}

/// What an event looks like while a run goes on.
enum Shown<'a> {
    /// A sample of a probe.
    Sample(&'a str, &'a Sample),
    /// A phase began.
    Phase(Phase),
    /// A line of text.
    Text(String),
    /// The run ended.
    End,
    /// It only fills the record.
    Nothing,
}

impl<'a> Shown<'a> {
    fn of(event: &'a Event) -> Self {
        Self::Text(match event {
            Event::Sample { probe, sample } => return Self::Sample(probe, sample),
            Event::Phase { phase } => return Self::Phase(*phase),
            Event::Finished => return Self::End,
            Event::ProbeReady { .. } | Event::ProbeStopped { .. } | Event::Control { .. } => return Self::Nothing,
            Event::Started(header) => format!("started, run {}", header.id),
            Event::Crashed { why } => format!("CRASHED: {why}"),
            Event::Refused { why } => format!("refused: {why}"),
            Event::ProbeFailed { probe, why } => format!("{probe} cannot measure: {why}"),
            Event::Check { id, stage, verdict, message, .. } => format!("{} {id}: {verdict}: {message}", stage.key()),
            Event::Infeasible { criterion, why } => format!("{criterion} is infeasible: {why}"),
            Event::ReadBack { probe, found } => {
                format!("{probe}: {} of {} acknowledged writes lost", found.lost.len(), found.acknowledged)
            }
            Event::NotRun { id, reason, .. } => format!("{id}: not run: {reason}"),
            Event::SteadyState { met: true, message } => format!("steady state: {message}"),
            Event::SteadyState { met: false, message } => format!("NO steady state: {message}"),
            Event::FaultRequested { fault, targets } => format!("{fault} requested: {}", targets.join(", ")),
            Event::FaultEffective { fault, proof, .. } => format!("{fault} effective: {proof}"),
            Event::FaultIneffective { fault, why } => format!("{fault} WITHOUT EFFECT: {why}"),
            Event::FaultHeld { fault, observations, .. } => {
                format!("{fault} held: observed in effect {observations} times")
            }
            Event::FaultLapsed { fault, why, .. } => format!("{fault} ENDED BEFORE ITS TIME: {why}"),
            Event::TargetReplaced { target, by, .. } => format!("{target} replaced by {by}"),
            Event::UndoRequested { undo, .. } => format!("undo: {undo}"),
            Event::UndoVerified { proof, .. } => format!("undo verified: {proof}"),
            Event::UndoFailed { fault, why } => format!("UNDO of {fault} FAILED: {why}"),
            Event::Aborted { why } => format!("aborted: {why}"),
            Event::Interrupted { by, .. } => format!("interrupted by {by}"),
            Event::Recovery { message, .. } => format!("recovery: {message}"),
            Event::Note { text } => format!("note: {text}"),
        })
    }
}

/// A lane per probe, with counts, success ratio, p99 and the current outage; a line for everything else.
pub(super) struct Lanes {
    screen: MultiProgress,
    title: ProgressBar,
    probes: Vec<(String, Lane)>,
}

struct Lane {
    bar: ProgressBar,
    good: u64,
    bad: u64,
    recent: Vec<Duration>,
    since: Option<At>,
    drawn: At,
}

impl Lanes {
    pub fn new(plan: &Plan) -> Self {
        let screen = MultiProgress::new();
        let plain = ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = |text: String| {
            let bar = screen.add(ProgressBar::new(0).with_style(plain.clone()));
            bar.set_message(text);
            bar
        };
        let title = bar(plan.title());
        let lanes = plan.probes.iter().map(|probe| {
            let lane = Lane {
                bar: bar(format!("  {}", probe.name)),
                good: 0,
                bad: 0,
                recent: Vec::new(),
                since: None,
                drawn: At::ZERO,
            };
            (probe.name.clone(), lane)
        });
        let lanes = lanes.collect();
        Self { screen, title, probes: lanes }
    }
}

impl Progress for Lanes {
    fn line(&mut self, line: &Line) {
        match Shown::of(&line.event) {
            Shown::Sample(probe, sample) => {
                if let Some((name, lane)) = self.probes.iter_mut().find(|(name, _)| name == probe) {
                    lane.take(sample.class, sample.latency(), line.at);
                    if line.at.since(lane.drawn) >= REDRAW {
                        lane.draw(name, line.at);
                    }
                }
            }
            Shown::Phase(phase) => self.title.set_message(format!("{:>8.1}s  {}", line.at.secs(), phase.word())),
            Shown::Text(text) => {
                let _ = self.screen.println(format!("{:>8.2}s  {text}", line.at.secs()));
            }
            Shown::End => {
                self.title.finish_and_clear();
                self.probes.iter().for_each(|(_, lane)| lane.bar.finish_and_clear());
            }
            Shown::Nothing => {}
        }
    }
}

impl Lane {
    fn take(&mut self, class: Class, latency: Duration, at: At) {
        match class {
            Class::Good => {
                self.good += 1;
                self.since = None;
            }
            class if class.is_bad() => {
                self.bad += 1;
                self.since.get_or_insert(at);
            }
            _ => {}
        }
        self.recent.push(latency);
        if self.recent.len() > 1000 {
            self.recent.drain(..500);
        }
    }

    fn draw(&mut self, name: &str, at: At) {
        self.drawn = at;
        let all = self.good + self.bad;
        let share = if all == 0 { "-".to_owned() } else { percent(self.good as f64 / all as f64) };
        let mut sorted = self.recent.clone();
        sorted.sort_unstable();
        let p99 = sorted
            .get((sorted.len() * 99).div_ceil(100).saturating_sub(1))
            .map_or_else(String::new, |latency| seconds(latency.as_secs_f64()));
        let outage = self
            .since
            .map_or_else(String::new, |since| format!("  DOWN for {}", seconds(at.since(since).as_secs_f64())));
        self.bar.set_message(format!("  {name:<28} {all:>6} samples  {share:>9} good  p99 {p99}{outage}"));
    }
}
