//! A comparison for a terminal: first what got worse, then each scenario.

use std::fmt::Write as _;

use meshdrill_checks::scorecard::Unit;
use meshdrill_checks::units::{counted, grouped, seconds};
use meshdrill_checks::verdict::Verdict;
use meshdrill_reports::inert;

use super::{Comparison, Comparisons, LatencyComparison, Outcome};
use crate::measured::Measured;
use crate::table::Table;

/// The text.
pub fn to_text(all: &Comparisons) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{}", summary(all));
    if !all.regressions.is_empty() {
        let _ = writeln!(out, "\nRegressions");
        for one in &all.regressions {
            let _ = writeln!(out, "  {:<13} {}: {}", one.area.name(), inert(&one.scenario), inert(&one.text));
        }
    }
    for (scenarios, folder) in [(&all.only_before, "A"), (&all.only_after, "B")] {
        if !scenarios.is_empty() {
            let _ = writeln!(out, "\nOnly in {folder}: {}", inert(&scenarios.join(", ")));
        }
    }
    // In a folder, what did not change needs no table.
    let (shown, quiet): (Vec<_>, Vec<_>) =
        all.comparisons.iter().partition(|one| all.comparisons.len() == 1 || is_news(one));
    shown.iter().for_each(|one| write_one(&mut out, one));
    if !quiet.is_empty() {
        let names: Vec<&str> = quiet.iter().map(|one| one.scenario.as_str()).collect();
        let _ = writeln!(out, "\nSame verdict, and no difference that the samples show: {}", inert(&names.join(", ")));
    }
    if all.latency_tests > 0 {
        let _ = writeln!(
            out,
            "\n{} of latency (Mann-Whitney): p-values are corrected (Holm) so that all together show a difference where there is none \
             once in {} comparisons. The intervals of criteria have the confidence that each criterion names and are not corrected.",
            counted(all.latency_tests, "test"),
            (1.0 / all.level).round()
        );
    }
    out
}

fn summary(all: &Comparisons) -> String {
    format!(
        "{} compared: {}, {} better, {} undecided",
        counted(all.comparisons.len(), "scenario"),
        counted(all.regressions.len(), "regression"),
        all.count(Outcome::Better),
        all.cannot_tell()
    )
}

fn is_news(one: &Comparison) -> bool {
    let moved = |outcome| matches!(outcome, Outcome::Worse | Outcome::Better | Outcome::Changed);
    one.before.verdict != one.after.verdict
        || !one.edits.is_empty()
        || !one.new_failure_classes.is_empty()
        || one.criteria.iter().any(|one| moved(one.outcome))
        || one.latency.iter().any(|one| moved(one.outcome))
}

fn write_one(out: &mut String, one: &Comparison) {
    let word = |verdict: Verdict| verdict.word().to_uppercase();
    let lab = if one.lab { "  (embedded lab)" } else { "" };
    let _ =
        writeln!(out, "\n{}  {} -> {}{lab}", inert(&one.scenario), word(one.before.verdict), word(one.after.verdict));
    for (name, run) in [("A", &one.before), ("B", &one.after)] {
        let versions: Vec<String> = run.versions.values().cloned().collect();
        let _ = writeln!(out, "  {name}  {}  {}  {}", run.started, inert(&run.path), inert(&versions.join(", ")));
    }
    if let Some([old, new]) = &one.renamed {
        let _ = writeln!(out, "  renamed: {}, now {}", inert(old), inert(new));
    }
    for edit in &one.edits {
        let _ = writeln!(out, "  {:<10} {}", edit.kind.word(), inert(&edit.text));
    }
    for class in &one.new_failure_classes {
        let _ = writeln!(
            out,
            "  NEW CLASS  {}: {} samples failed with {}, none in A",
            inert(&class.probe),
            grouped(class.count),
            inert(&class.class)
        );
    }
    let mut table = Table::new(["criterion", "A", "B", ""]);
    for criterion in &one.criteria {
        table.row([
            inert(&criterion.id),
            cell(criterion.before.as_ref(), criterion.unit),
            cell(criterion.after.as_ref(), criterion.unit),
            inert(&criterion.message),
        ]);
    }
    for latency in &one.latency {
        table.row([
            inert(&format!("{} latency ({})", latency.probe, latency.series)),
            latencies(latency, 0),
            latencies(latency, 1),
            latency.message.clone(),
        ]);
    }
    out.push_str(&table.render("  "));
}

fn cell(side: Option<&Measured>, unit: Unit) -> String {
    side.map_or_else(|| "-".to_owned(), |measured| measured.text(unit))
}

fn latencies(one: &LatencyComparison, side: usize) -> String {
    match (one.p50[side], one.p99[side]) {
        (Some(p50), Some(p99)) => {
            format!("p50 {}, p99 {}, n {}", seconds(p50), seconds(p99), grouped(one.n[side] as u64))
        }
        _ => "no answer".to_owned(),
    }
}
