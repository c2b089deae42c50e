//! Markdown for a job summary or the comment of a merge request.

use std::fmt::Write as _;

use meshdrill_checks::scorecard::{CriterionResult, Scorecard};
use meshdrill_checks::units::{counted, grouped, seconds};
use meshdrill_checks::verdict::Verdict;

use super::screen::{reason, title};
use super::story::story;
use super::text::{LAB, conclusive_with, cut, figure, inert, interval};
use super::windows::fault_windows;
use super::{Run, SuiteRun};

/// The most characters of a message: a comment has room for 65,536.
const LONGEST: usize = 400;
/// The most runs that are written out.
const MOST: usize = 20;

/// Renders one run.
pub(super) fn render(run: &Run<'_>) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "## {} {}\n", mark(run.scorecard.verdict), code(&title(run.scorecard)));
    lab(&mut out, run.scorecard.run.lab);
    body(&mut out, run);
    out
}

/// Renders several runs.
pub(super) fn render_all(runs: &[SuiteRun<'_>]) -> String {
    let cards = || runs.iter().map(|one| one.run.scorecard);
    let verdict = Verdict::all(cards().map(|card| card.verdict));
    let passed = cards().filter(|card| card.verdict == Verdict::Pass).count();
    let mut out = String::new();
    let _ = writeln!(out, "## {} {} of {} pass\n", mark(verdict), passed, counted(runs.len(), "run"));
    lab(&mut out, cards().any(|card| card.run.lab));
    let open: Vec<&SuiteRun<'_>> = runs.iter().filter(|one| one.run.scorecard.verdict != Verdict::Pass).collect();
    for one in open.iter().take(MOST) {
        let card = one.run.scorecard;
        let _ = writeln!(out, "- {} {}: {}", mark(card.verdict), code(&title(card)), message(&reason(card)));
    }
    if open.len() > MOST {
        let _ = writeln!(out, "- and {} more", open.len() - MOST);
    }
    let _ = writeln!(out, "\n<details><summary>{}</summary>\n", counted(runs.len(), "run"));
    out.push_str("| Verdict | Scenario | Suite | Took | Measured |\n|---|---|---|---:|---|\n");
    for one in runs {
        let card = one.run.scorecard;
        let took = seconds(one.run.record.end().secs());
        let suite = if card.run.suite.is_empty() { String::new() } else { code(&card.run.suite) };
        let _ = writeln!(
            out,
            "| {} | {} | {suite} | {took} | {} |",
            mark(card.verdict),
            code(&title(card)),
            message(&reason(card))
        );
    }
    out.push_str("\n</details>\n");
    out
}

fn lab(out: &mut String, lab: bool) {
    if lab {
        let _ = writeln!(out, "> {LAB}\n");
    }
}

fn body(out: &mut String, run: &Run<'_>) {
    let card = run.scorecard;
    for sentence in story(run, &fault_windows(run.record)) {
        let _ = writeln!(out, "{}\n", message(&sentence));
    }
    if !card.criteria.is_empty() {
        out.push_str("| Verdict | Criterion | Measured | Interval | Target | Samples |\n|---|---|---:|---|---|---:|\n");
        for one in &card.criteria {
            row(out, one);
        }
        out.push('\n');
    }
    for one in card.criteria.iter().filter(|one| one.verdict != Verdict::Pass) {
        let needs = one.needed_samples.map_or_else(String::new, |needed| format!(" {}.", conclusive_with(needed)));
        let _ = writeln!(out, "- {} {}: {}{needs}", mark(one.verdict), code(&one.id), message(&one.message));
    }
    checks(out, card);
    let details = [
        ("mesh", card.run.mesh.clone().unwrap_or_else(|| "none".to_owned())),
        ("started", card.run.started.clone()),
        ("took", seconds(run.record.end().secs())),
        ("exit code", card.exit_code.number().to_string()),
        ("run", card.run.id.clone()),
    ];
    let change = [("by", &card.run.change.by), ("ticket", &card.run.change.ticket)];
    let change = change.into_iter().filter_map(|(name, value)| Some((name, value.clone()?)));
    let details: Vec<String> =
        details.into_iter().chain(change).map(|(name, value)| format!("{name} {}", code(&value))).collect();
    let _ = writeln!(out, "\n<sub>{}</sub>", details.join(", "));
}

fn row(out: &mut String, one: &CriterionResult) {
    let value = one.value.map_or_else(|| "–".to_owned(), |value| figure(value, one.unit));
    let _ = writeln!(
        out,
        "| {} | {} | {value} | {} | {} | {} |",
        mark(one.verdict),
        code(&one.id),
        interval(one).unwrap_or_default(),
        code(&one.target),
        grouped(one.n as u64)
    );
}

/// The checks that did not pass, and behind a fold those that did.
fn checks(out: &mut String, card: &Scorecard) {
    let (passed, open): (Vec<_>, Vec<_>) = card.checks.iter().partition(|check| check.verdict == Verdict::Pass);
    for check in open {
        let _ = writeln!(
            out,
            "- {} {} {}: {}",
            mark(check.verdict),
            check.phase.key(),
            code(&check.id),
            message(&check.message)
        );
    }
    if !passed.is_empty() {
        let noun = if passed.len() == 1 { "check passes" } else { "checks pass" };
        let _ = writeln!(out, "\n<details><summary>{} {noun}</summary>\n", passed.len());
        for check in passed {
            let _ = writeln!(out, "- {} {}: {}", check.phase.key(), code(&check.id), message(&check.message));
        }
        out.push_str("\n</details>\n");
    }
}

/// A verdict, with a sign that is seen from afar.
const fn mark(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "✅ PASS",
        Verdict::Fail => "❌ FAIL",
        Verdict::Error => "⛔ ERROR",
        Verdict::Inconclusive => "❓ INCONCLUSIVE",
        Verdict::NotRun => "⏭️ NOT-RUN",
    }
}

/// A text that stays a text in Markdown: no markup, no mention of a person, no link.
pub fn message(text: &str) -> String {
    let text = inert(text).split_whitespace().collect::<Vec<_>>().join(" ");
    let mut out = String::with_capacity(text.len() + 8);
    for c in cut(&text, LONGEST).chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '@' => out.push_str("&#64;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '|' | '!' | '~' | '$' => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out.replace("://", ":&#47;&#47;")
}

/// A name as code: in it nothing is markup. A bar would still end a cell of a table, and what looks like a tag is parted, for readers
/// that know no code.
fn code(text: &str) -> String {
    let text = inert(text).replace(['\n', '\r'], " ").replace('`', "'").replace('|', "\\|");
    let mut out = String::with_capacity(text.len() + 2);
    let mut before = ' ';
    for c in cut(&text, LONGEST).chars() {
        if before == '<' && (c.is_alphabetic() || matches!(c, '/' | '!' | '?')) {
            out.push(' ');
        }
        out.push(c);
        before = c;
    }
    format!("`{out}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_texts_stay_texts() {
        assert_eq!(
            message("<img src=x> @team [a](http://b) `c` | d"),
            "&lt;img src=x&gt; &#64;team \\[a\\](http:&#47;&#47;b) \\`c\\` \\| d"
        );
        assert_eq!(message("a\n\n# b"), "a \\# b");
        assert_eq!(code("a`b|c"), "`a'b\\|c`");
        assert_eq!(code("</script> < 5m"), "`< /script> < 5m`");
    }
}
