//! What a command that ran scenarios writes to stdout: a line or a screen per run, failures once at the end, the last line.

use std::path::Path;

use meshdrill_checks::exit_code::ExitCode;
use meshdrill_checks::record::Ending;
use meshdrill_checks::scorecard::Scorecard;
use meshdrill_checks::units::seconds;
use meshdrill_checks::verdict::Verdict;
use meshdrill_reports::{Run, ScreenOptions, headline, reason, screen_with, title, verdict_word};

use super::plans::suite_exit_code;
use crate::run::Finished;

/// The runs of one command.
pub(super) struct Summary<'a> {
    pub finished: &'a [Finished],
    /// How many were selected.
    pub selected: usize,
    pub runs: &'a Path,
    /// The command that runs given scenarios again, by their titles.
    pub rerun: &'a dyn Fn(&[&Scorecard]) -> String,
    pub colour: bool,
}

/// Whether the mesh file waives all of a run.
pub(super) fn is_waived(card: &Scorecard) -> bool {
    card.verdict == Verdict::NotRun && !card.not_run.is_empty() && card.not_run.iter().all(|missing| missing.waived)
}

/// Whether a run is one of those that a reader must look at.
pub(super) fn is_bad(card: &Scorecard) -> bool {
    card.exit_code != ExitCode::Pass && !is_waived(card)
}

/// `PASS  [ 12/49] ingress-access  1.2 s`
pub(super) fn result_line(card: &Scorecard, length: f64, (place, total): (usize, usize), colour: bool) -> String {
    let width = total.to_string().len() + 1;
    let reason = card.not_run.first().map_or("", |missing| missing.reason.as_str());
    let waived = if is_waived(card) { format!("  (waived: {reason})") } else { String::new() };
    let length = if length < 0.05 {
        "0.0 s".to_owned()
    } else if length < 100.0 {
        format!("{length:.1} s")
    } else {
        seconds(length)
    };
    format!("{} [{place:>width$}/{total}] {}  {length}{waived}", verdict_word(card.verdict, 5, colour), title(card))
}

/// The screen of one run.
pub(super) fn screen_of(one: &Finished, colour: bool) -> String {
    let options = ScreenOptions { colour, cut: true };
    screen_with(&Run::new(&one.record, &one.scorecard), options)
}

impl Summary<'_> {
    /// The runs to look at, the most severe first.
    fn bad(&self) -> Vec<&Finished> {
        let mut bad: Vec<&Finished> = self.finished.iter().filter(|one| is_bad(&one.scorecard)).collect();
        bad.sort_by_key(|one| severity(&one.scorecard));
        bad
    }

    /// Runs that were refused for one reason have it once.
    fn groups(&self) -> Vec<Vec<&Finished>> {
        let mut groups: Vec<Vec<&Finished>> = Vec::new();
        for one in self.bad() {
            let why = refusal(one);
            match groups.iter_mut().find(|group| why.is_some() && refusal(group[0]) == why) {
                Some(group) => group.push(one),
                None => groups.push(vec![one]),
            }
        }
        groups
    }

    /// Everything that did not pass, in full; empty if all passed.
    pub fn failures(&self) -> String {
        let groups = self.groups();
        if groups.is_empty() {
            return String::new();
        }
        let mut text = String::from("\n");
        for group in &groups {
            match group.as_slice() {
                [one] => {
                    let word = verdict_word(one.scorecard.verdict, 0, self.colour);
                    text += &format!("{word}  {}", screen_of(one, self.colour));
                    text += &format!("  files: {}\n\n", one.dir.path().display());
                }
                many => text += &(self.together(many) + "\n\n"),
            }
        }
        let cards: Vec<&Scorecard> = self.bad().into_iter().map(|one| &one.scorecard).collect();
        text + &format!("rerun: {}\n", (self.rerun)(&cards))
    }

    /// A line for everything that did not pass.
    pub fn names(&self) -> String {
        let line = |group: &Vec<&Finished>| match group.as_slice() {
            [one] => {
                let card = &one.scorecard;
                format!("{}  {}  {}\n", verdict_word(card.verdict, 0, self.colour), title(card), reason(card))
            }
            many => self.together(many) + "\n",
        };
        self.groups().iter().map(line).collect()
    }

    /// Runs that were refused for one reason.
    fn together(&self, many: &[&Finished]) -> String {
        let names: Vec<String> = many.iter().map(|one| title(&one.scorecard)).collect();
        let why = refusal(many[0]).unwrap_or_default();
        let word = verdict_word(many[0].scorecard.verdict, 0, self.colour);
        format!("{word}  {} scenarios did not start: {}\n  {}", many.len(), super::shortened(why), names.join(", "))
    }

    /// The exit code of all of them.
    pub fn exit_code(&self) -> ExitCode {
        suite_exit_code(self.finished.iter().map(|one| (one.scorecard.exit_code, is_waived(&one.scorecard))))
    }

    /// The last line.
    pub fn last_line(&self) -> String {
        match self.finished {
            [] => format!("NOT-RUN  nothing ran  0 of {} runs  {}", self.selected, self.runs.display()),
            [one] if self.selected == 1 => headline(&one.scorecard, &one.dir.path().display().to_string()),
            many => self.suite_line(many),
        }
    }

    /// The last line of several runs. Its word is that of the run whose exit code is the exit code of all.
    fn suite_line(&self, finished: &[Finished]) -> String {
        let code = self.exit_code();
        let worst = self.bad().into_iter().find(|one| one.scorecard.exit_code == code);
        let word = match (code, worst) {
            (ExitCode::Pass, _) => Verdict::Pass,
            (_, Some(worst)) => worst.scorecard.verdict,
            (_, None) => Verdict::NotRun,
        };
        let named = worst.map_or_else(String::new, |one| format!("; worst: {}", title(&one.scorecard)));
        let count = |verdict| finished.iter().filter(|one| one.scorecard.verdict == verdict).count();
        let all = [Verdict::Pass, Verdict::Fail, Verdict::Inconclusive, Verdict::Error, Verdict::NotRun];
        let counts = all.iter().map(|verdict| (count(*verdict), verdict)).filter(|(count, _)| *count > 0);
        let counts: Vec<String> = counts.map(|(count, verdict)| format!("{count} {verdict}")).collect();
        let mut suites: Vec<&str> = finished.iter().map(|one| one.scorecard.run.suite.as_str()).collect();
        suites.retain(|suite| !suite.is_empty());
        suites.sort_unstable();
        suites.dedup();
        let name = if suites.is_empty() { "scenarios".to_owned() } else { suites.join("+") };
        let lab = if finished.iter().any(|one| one.scorecard.run.lab) { " (lab)" } else { "" };
        let ran = finished.iter().filter(|one| !one.left_out).count();
        format!(
            "{}  {name}  {ran} of {} runs: {}{named}{lab}  {}",
            word.word().to_uppercase(),
            self.selected,
            counts.join(", "),
            self.runs.display()
        )
    }
}

/// The place of a run among those that did not pass: first what decides the exit code.
fn severity(card: &Scorecard) -> (usize, bool) {
    let place = ExitCode::PRECEDENCE.iter().position(|code| *code == card.exit_code);
    (place.unwrap_or(usize::MAX), card.verdict == Verdict::NotRun)
}

/// Why a run did not start, where it did not.
fn refusal(one: &Finished) -> Option<&str> {
    if let Some(missing) = one.scorecard.not_run.first().filter(|_| one.left_out) {
        return Some(&missing.reason);
    }
    match one.record.history().endings.first() {
        Some(Ending::Refused(why)) => Some(why),
        _ => None,
    }
}
