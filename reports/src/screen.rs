//! The final screen: what a person reads when a run ends, fit to be pasted into a ticket.

use std::fmt::Write as _;

use meshdrill_checks::criterion::During;
use meshdrill_checks::record::CheckStage;
use meshdrill_checks::scorecard::{ProbeResult, Scorecard};
use meshdrill_checks::units::{percent, seconds};
use meshdrill_checks::verdict::Verdict;

use super::Run;
use super::text::inert;

/// The screen, without colour.
pub fn screen(run: &Run<'_>) -> String {
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
        let _ = writeln!(out, "  {} {}  (target {})", mark(criterion.verdict), criterion.id, criterion.target);
        let _ = writeln!(out, "         {}", inert(&criterion.message));
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
        let _ = writeln!(out, "  {} {phase}{}", mark(check.verdict), check.id);
        let _ = writeln!(out, "         {}", inert(&check.message));
    }
    for lost in card.control.iter().flat_map(|control| &control.lost) {
        let _ = writeln!(
            out,
            "  the runner had no network from {:.1} s to {:.1} s: {} bad samples do not count",
            lost.from, lost.until, lost.samples
        );
    }
    for missing in &card.not_run {
        let waived = if missing.waived { "waived" } else { "not waived" };
        let _ = writeln!(out, "  skip   {}: {} ({waived})", missing.id, inert(&missing.reason));
    }
    for note in &card.notes {
        let _ = writeln!(out, "  note   {}", inert(note));
    }
    if !card.faults.is_empty() {
        let word = if card.recovery.verified { "recovery verified" } else { "RECOVERY NOT VERIFIED" };
        let _ = writeln!(out, "  {word}: {}", inert(&card.recovery.message));
    }
    if card.verdict != Verdict::Pass {
        let _ = writeln!(out, "  {}", inert(&card.message));
    }
    out
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

const fn mark(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "PASS ",
        Verdict::Inconclusive => "INCONCLUSIVE",
        Verdict::Fail => "FAIL ",
        Verdict::Error => "ERROR",
        Verdict::NotRun => "SKIP ",
    }
}

fn title(card: &Scorecard) -> String {
    if card.run.binding.is_empty() {
        card.run.scenario.clone()
    } else {
        format!("{}@{}", card.run.scenario, card.run.binding)
    }
}

/// The last line: `VERDICT  scenario  measured-headline  run-directory`.
pub fn headline(card: &Scorecard, directory: &str) -> String {
    let measured = match card.verdict {
        Verdict::Pass => card
            .criteria
            .iter()
            .find(|one| one.kind == "recoveryTime")
            .or_else(|| card.criteria.first())
            .map_or_else(|| card.message.clone(), |one| format!("{}: {}", one.id, one.message)),
        _ => card.message.clone(),
    };
    let lab = if card.run.lab { " (lab)" } else { "" };
    let measured = inert(&measured).replace('\n', " ") + lab;
    format!("{}  {}  {measured}  {directory}", card.verdict.word().to_uppercase(), title(card))
}
