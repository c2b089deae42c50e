//! The final screen: what a person reads when a run ends, fit to be pasted into a ticket.

use std::fmt::Write as _;

use meshdrill_checks::criterion::During;
use meshdrill_checks::exit_code::ExitCode;
use meshdrill_checks::record::CheckStage;
use meshdrill_checks::scorecard::{ProbeResult, Scorecard};
use meshdrill_checks::units::{percent, seconds};
use meshdrill_checks::verdict::Verdict;

use super::Run;
use super::text::{cut, inert};

/// The most characters of a message on a screen.
pub const LONGEST: usize = 300;

/// How a screen is written.
#[derive(Debug, Clone, Copy, Default)]
pub struct ScreenOptions {
    /// Whether verdicts have colours.
    pub colour: bool,
    /// Whether long messages are cut.
    pub cut: bool,
}

impl ScreenOptions {
    /// A message, harmless and as long as it may be.
    fn message(self, text: &str) -> String {
        let text = inert(text);
        if self.cut { cut(&text, LONGEST).into_owned() } else { text }
    }

    fn mark(self, verdict: Verdict) -> String {
        verdict_word(verdict, 5, self.colour)
    }
}

/// A verdict in capitals, with at least so many characters.
pub fn verdict_word(verdict: Verdict, width: usize, colour: bool) -> String {
    let word = format!("{:<width$}", verdict.word().to_uppercase());
    let code = match verdict {
        Verdict::Pass => 32,
        Verdict::Fail | Verdict::Error => 31,
        Verdict::Inconclusive | Verdict::NotRun => 33,
    };
    if colour { format!("\u{1b}[1;{code}m{word}\u{1b}[0m") } else { word }
}

/// The screen, as it is pasted into a ticket: whole, without colour.
pub fn screen(run: &Run<'_>) -> String {
    screen_with(run, ScreenOptions::default())
}

/// The screen.
pub fn screen_with(run: &Run<'_>, options: ScreenOptions) -> String {
    let card = run.scorecard;
    let mut out = String::new();
    let title = title(card);
    let _ = writeln!(out, "{title}  {} to {}", card.run.started, card.run.finished);
    for fault in &card.faults {
        let seen = fault.seen.map_or_else(String::new, |at| format!(", observed at {at:.2} s"));
        let effective = |at| format!("effective at {at:.2} s{seen}");
        let targets = inert(&fault.targets.iter().map(|target| format!(" {target}")).collect::<Vec<_>>().join(","));
        let missing = if fault.requested.is_none() { "not injected" } else { "no effect" };
        let when = fault.effective.map_or_else(|| missing.to_owned(), effective);
        let _ = writeln!(out, "  fault {:<4} {}{targets}: {when}; undo {}", fault.id, fault.kind, fault.undo);
    }
    for probe in &card.probes {
        probe_lines(&mut out, probe);
    }
    for criterion in &card.criteria {
        let _ = writeln!(out, "  {} {}  (target {})", options.mark(criterion.verdict), criterion.id, criterion.target);
        let _ = writeln!(out, "         {}", options.message(&criterion.message));
    }
    let (fault, all): (Vec<_>, Vec<_>) = card
        .criteria
        .iter()
        .filter(|one| one.needed_samples.is_some())
        .partition(|one| one.during == Some(During::Fault));
    if !all.is_empty() {
        let _ = writeln!(
            out,
            "  next   more samples decide what is INCONCLUSIVE: a shorter `every:`, a longer `observe:`, or --conclusive"
        );
    }
    if !fault.is_empty() {
        let _ = writeln!(
            out,
            "  next   more samples during the fault decide what is INCONCLUSIVE there: a shorter `every:`, a longer `for:`, or more rounds of `repeat:`"
        );
    }
    for check in &card.checks {
        let phase = if check.phase == CheckStage::Checks { String::new() } else { format!("{} ", check.phase.key()) };
        let _ = writeln!(out, "  {} {phase}{}", options.mark(check.verdict), check.id);
        let _ = writeln!(out, "         {}", options.message(&check.message));
    }
    for lost in card.control.iter().flat_map(|control| &control.lost) {
        let _ = writeln!(
            out,
            "  the runner had no network from {:.1} s to {:.1} s: {} bad samples do not count",
            lost.from, lost.until, lost.samples
        );
    }
    for missing in &card.not_run {
        // A check has its line above.
        if card.checks.iter().any(|check| check.id == missing.id && check.message == missing.reason) && missing.waived {
            continue;
        }
        let waived = if missing.waived { "waived" } else { "not waived" };
        let mark = options.mark(Verdict::NotRun);
        let _ = writeln!(out, "  {mark} {}: {} ({waived})", missing.id, options.message(&missing.reason));
    }
    for note in &card.notes {
        let _ = writeln!(out, "  note   {}", options.message(note));
    }
    if !card.faults.is_empty() {
        let word = if card.recovery.verified { "recovery verified" } else { "RECOVERY NOT VERIFIED" };
        let _ = writeln!(out, "  {word}: {}", options.message(&card.recovery.message));
    }
    if card.verdict != Verdict::Pass && !is_shown(card) {
        let _ = writeln!(out, "  {}", options.message(&card.message));
    }
    out
}

/// Whether the message of the run repeats one of its parts, which the screen shows.
fn is_shown(card: &Scorecard) -> bool {
    let criteria = card.criteria.iter().map(|one| &one.message);
    let checks = card.checks.iter().map(|one| &one.message);
    let missing = card.not_run.iter().map(|one| &one.reason);
    let recovery = (!card.faults.is_empty()).then_some(&card.recovery.message);
    let mut parts = criteria.chain(checks).chain(missing).chain(recovery);
    parts.any(|part| !part.is_empty() && card.message.ends_with(part.as_str()))
}

fn probe_lines(out: &mut String, probe: &ProbeResult) {
    let all = &probe.all;
    let latency = all
        .latency
        .as_ref()
        .map_or_else(String::new, |latency| format!(", p50 {}, p99 {}", seconds(latency.p50), seconds(latency.p99)));
    let measured = if all.good + all.bad == 0 {
        "nothing measured".to_owned()
    } else {
        format!("{} good", percent(all.good as f64 / (all.good + all.bad) as f64))
    };
    let _ = writeln!(
        out,
        "  probe {}: {measured}, {} bad of {} (coverage {}){latency}",
        probe.name,
        all.bad,
        all.good + all.bad,
        percent(all.coverage)
    );
    let phases: Vec<String> = all
        .phases
        .iter()
        .map(|phase| format!("{} {} / {}", phase.phase, seconds(phase.p50), seconds(phase.p99)))
        .collect();
    if !phases.is_empty() {
        let _ = writeln!(out, "         phases p50 / p99: {}", phases.join(", "));
    }
    for outage in &all.outages {
        let end = outage.end.map_or_else(|| "not ended".to_owned(), |end| format!("{end:.2} s"));
        let between = outage.high.map_or_else(|| "not ended".to_owned(), seconds);
        let classes =
            outage.classes.iter().map(|(class, count)| format!("{class} {count}")).collect::<Vec<_>>().join(", ");
        let _ = writeln!(
            out,
            "         outage from {:.2} s to {end} (between {} and {between}), down {}: {classes}",
            outage.start,
            seconds(outage.low),
            seconds(outage.down)
        );
    }
}

/// `name`, or `name@binding`.
pub fn title(card: &Scorecard) -> String {
    card.run.title()
}

/// The last line: `VERDICT  scenario  measured-headline  run-directory`, with two spaces only between these.
pub fn headline(card: &Scorecard, directory: &str) -> String {
    let lab = if card.run.lab { " (lab)" } else { "" };
    let measured = cut(&one_line(&inert(&measured(card))), LONGEST).into_owned() + lab;
    format!("{}  {}  {measured}  {directory}", card.verdict.word().to_uppercase(), title(card))
}

/// What decided the verdict, in one line of at most 300 characters.
pub fn reason(card: &Scorecard) -> String {
    cut(&one_line(&inert(&measured(card))), LONGEST).into_owned()
}

fn measured(card: &Scorecard) -> String {
    if card.exit_code == ExitCode::NotRecovered
        && let Some(first) = card.recovery.leftovers.first()
    {
        let more = match card.recovery.leftovers.len() {
            1 => String::new(),
            count => format!(" (1 of {count} problems)"),
        };
        return format!("recovery not verified: {first}{more}");
    }
    if card.verdict != Verdict::Pass {
        return card.message.clone();
    }
    let recovery = card.criteria.iter().find(|one| one.kind == "recoveryTime");
    let first = recovery.or_else(|| card.criteria.first());
    first.map_or_else(|| card.message.clone(), |one| format!("{}: {}", one.id, one.message))
}

/// Without line breaks and runs of spaces.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
