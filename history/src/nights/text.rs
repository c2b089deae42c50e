//! A history for a terminal: first what changed and since when, then a table.

use std::fmt::Write as _;

use meshdrill_checks::units::{counted, grouped};
use meshdrill_reports::{figure, inert};

use super::{History, MeshHistory, Rule};
use crate::table::Table;

/// How many flags a terminal shows for each mesh.
const SHOWN: usize = 40;

/// The text.
pub fn to_text(history: &History) -> String {
    let mut out = String::new();
    for (index, mesh) in history.meshes.iter().enumerate() {
        if index > 0 {
            out.push('\n');
        }
        write_mesh(&mut out, mesh);
    }
    let _ = writeln!(out, "\n{}", rule_text(&history.rule));
    out
}

/// By which rule changes are flagged, in words.
pub fn rule_text(rule: &Rule) -> String {
    format!(
        "Changes: E-divisive with a permutation test, {}; together they show a change where there is none once in {} histories. \
         A series needs {} runs.",
        counted(rule.tests, "test"),
        (1.0 / rule.false_alarms).round(),
        rule.fewest_runs
    )
}

/// `mesh-a: 365 nights from 2026-01-01 to 2026-12-31, 49 scenarios, 17,885 runs`.
pub(crate) fn summary(mesh: &MeshHistory) -> String {
    let runs: usize = mesh.scenarios.iter().map(|scenario| scenario.runs.len()).sum();
    let ends = mesh.nights.first().zip(mesh.nights.last());
    let dates = ends.map(|(first, last)| format!(" from {} to {}", first.label, last.label)).unwrap_or_default();
    format!(
        "{}: {}{dates}, {}, {}",
        mesh.title(),
        counted(mesh.nights.len(), "night"),
        counted(mesh.scenarios.len(), "scenario"),
        counted(runs, "run")
    )
}

fn write_mesh(out: &mut String, mesh: &MeshHistory) {
    let _ = writeln!(out, "{}\n", inert(&summary(mesh)));
    for finding in mesh.findings.iter().filter(|finding| finding.is_open()) {
        let _ = writeln!(out, "finding  {}", inert(&finding.to_string()));
    }
    if mesh.flags.is_empty() {
        let _ = writeln!(out, "What changed: nothing that shows");
    } else {
        let _ = writeln!(out, "What changed, newest first");
        let mut table = Table::new(["since", "what", "scenario", "change"]);
        for flag in mesh.flags.iter().take(SHOWN) {
            table.row([flag.since.clone(), flag.kind.word().to_owned(), inert(&flag.scenario), inert(&flag.text)]);
        }
        out.push_str(&table.render("  "));
        if mesh.flags.len() > SHOWN {
            let _ =
                writeln!(out, "  and {} more; --json and --html show all", grouped((mesh.flags.len() - SHOWN) as u64));
        }
    }
    let mut table = Table::new(["scenario and criterion", "runs", "newest", "median", "target", "trend"]);
    for scenario in &mesh.scenarios {
        let streak = scenario.streak;
        let since = mesh.nights.get(streak.since).map_or("", |night| night.label.as_str());
        let verdict = streak.verdict.word().to_uppercase();
        table.row([
            inert(&scenario.title),
            scenario.runs.len().to_string(),
            verdict,
            String::new(),
            String::new(),
            format!("{} since {since}", counted(streak.runs, "run")),
        ]);
        for one in &scenario.criteria {
            table.row([
                format!("  {}", inert(&one.id)),
                one.points.len().to_string(),
                one.last().map_or_else(String::new, |point| point.measured.text(one.unit)),
                one.median().map_or_else(|| "-".to_owned(), |value| figure(value, one.unit)),
                one.last().map_or_else(String::new, |point| inert(&point.measured.target)),
                one.status.clone(),
            ]);
        }
    }
    out.push('\n');
    out.push_str(&table.render(""));
}
