//! The first page: what changed, and a matrix of scenarios by night, the newest first.

use std::collections::BTreeMap;

use maud::{Markup, html};
use meshdrill_checks::units::grouped;
use meshdrill_checks::verdict::Verdict;
use meshdrill_reports::{findings, inert};

use super::names::Names;
use super::{Link, document, flags, lab};
use crate::nights::{History, MeshHistory, NightRun, ScenarioHistory, rule_text, summary};

/// Nights in the matrix; the pages of the scenarios have all.
const COLUMNS: usize = 31;
/// Flags of a mesh; the pages of the scenarios have all.
const FLAGS: usize = 60;

pub(super) fn render(history: &History, names: &Names) -> Vec<u8> {
    let newest = history.meshes.iter().flat_map(|mesh| &mesh.scenarios).map(|scenario| scenario.streak.verdict);
    let verdict = Verdict::all(newest);
    let content = html! {
        header.banner {
            h1 { span.word { (verdict.word().to_uppercase()) } " History of nights" }
            div.story { p { (grouped(history.runs as u64)) " runs. The verdict is that of the newest run of each scenario." } }
        }
        @for (place, mesh) in history.meshes.iter().enumerate() { (of_mesh(mesh, place, names)) }
        h2 { "By which rule" }
        p { (rule_text(&history.rule)) " A single night is never judged by it: a change shows when some nights after it agree." }
        @if !history.warnings.is_empty() {
            h2 { "Left out" }
            ul { @for warning in history.warnings.iter().take(FLAGS) { li.long { (inert(warning)) } } }
            @if history.warnings.len() > FLAGS { p.dim { "and " (grouped((history.warnings.len() - FLAGS) as u64)) " more" } }
        }
    };
    document("meshdrill: history of nights", verdict, &content)
}

fn of_mesh(mesh: &MeshHistory, place: usize, names: &Names) -> Markup {
    let files: BTreeMap<&str, &str> = mesh
        .scenarios
        .iter()
        .enumerate()
        .map(|(index, one)| (one.title.as_str(), names.file((place, index))))
        .collect();
    let link = |title: &str| files.get(title).map(|file| (*file).to_owned());
    html! {
        h2 { (inert(&mesh.title())) }
        (lab(mesh))
        p { (inert(&summary(mesh))) "." }
        @if mesh.flags.is_empty() { p { "Nothing changed that shows." } }
        @else {
            (flags(mesh.flags.iter().take(FLAGS), Some(&link)))
            @if mesh.flags.len() > FLAGS { p.dim { "and " (grouped((mesh.flags.len() - FLAGS) as u64)) " older ones on the pages of the scenarios" } }
        }
        (findings(&mesh.findings))
        (matrix(mesh, &link))
    }
}

/// A row for each scenario, a column for each of the newest nights.
fn matrix(mesh: &MeshHistory, link: Link<'_>) -> Markup {
    let first = mesh.nights.len().saturating_sub(COLUMNS);
    let label = format!("Scenarios by night, {}", mesh.title());
    html! {
        h3 { "Scenarios by night" }
        @if first > 0 { p.dim { "The last " (COLUMNS) " of " (mesh.nights.len()) " nights; the page of each scenario has all." } }
        p.legend {
            @for (verdict, letter, word) in LETTERS { span.key { span class={ "mark-cell v-" (verdict.word()) } { (letter) } " " (word) } }
        }
        div.scroll tabindex="0" role="region" aria-label=(inert(&label)) {
            table.matrix.nights {
                thead { tr { th { "Scenario" } @for night in mesh.nights[first..].iter().rev() { th.night scope="col" { (night.label) } } } }
                tbody {
                    @for scenario in &mesh.scenarios {
                        tr {
                            th scope="row" { @if let Some(file) = link(&scenario.title) { a href=(file) { (inert(&scenario.title)) } } }
                            @for night in (first..mesh.nights.len()).rev() { td { @for run in in_night(scenario, night) { (cell(mesh, scenario, run)) } } }
                        }
                    }
                }
            }
        }
    }
}

const LETTERS: [(Verdict, &str, &str); 5] = [
    (Verdict::Pass, "P", "pass"),
    (Verdict::Inconclusive, "I", "inconclusive"),
    (Verdict::Fail, "F", "fail"),
    (Verdict::Error, "E", "error"),
    (Verdict::NotRun, "-", "not run"),
];

fn in_night(scenario: &ScenarioHistory, night: usize) -> &[NightRun] {
    let from = scenario.runs.partition_point(|run| run.night < night);
    let to = scenario.runs.partition_point(|run| run.night <= night);
    &scenario.runs[from..to]
}

/// A run with a link to its page, if it has one.
fn cell(mesh: &MeshHistory, scenario: &ScenarioHistory, run: &NightRun) -> Markup {
    let letter = LETTERS.iter().find(|(verdict, ..)| *verdict == run.verdict).map_or("", |(_, letter, _)| letter);
    let night = mesh.nights.get(run.night).map_or("", |night| night.label.as_str());
    let words = inert(&format!("{}, {night}: {}", scenario.title, run.verdict));
    let class = format!("mark-cell v-{}", run.verdict.word());
    html! {
        @match &run.report {
            Some(report) => a class=(class) href=(report) aria-label=(words) { (letter) }
            None => span class=(class) role="img" aria-label=(words) { (letter) }
        }
    }
}
