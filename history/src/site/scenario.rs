//! The page of one scenario: what changed, a chart of each criterion, and all runs.

use maud::{Markup, html};
use meshdrill_checks::units::{counted, grouped};
use meshdrill_reports::{field, findings, inert, pill};

use super::{INDEX, chart, document, flags, lab};
use crate::nights::{CriterionHistory, History, MeshHistory, ScenarioHistory, rule_text};

/// Values in the table below a chart.
const VALUES: usize = 100;

pub(super) fn render(history: &History, mesh: &MeshHistory, scenario: &ScenarioHistory) -> Vec<u8> {
    let streak = scenario.streak;
    let label = |night: usize| mesh.nights.get(night).map_or("", |night| night.label.as_str());
    let own = || mesh.flags.iter().filter(|flag| flag.scenario == scenario.title || flag.scenario.is_empty());
    let content = html! {
        (lab(mesh))
        p { a href=(INDEX) { "All scenarios" } }
        header.banner {
            h1 { span.word { (streak.verdict.word().to_uppercase()) } " " (inert(&scenario.title)) }
            div.story { p { (counted(streak.runs, "run")) " in a row, since " (label(streak.since)) "." } }
            dl {
                (field("mesh", mesh.mesh.as_deref().unwrap_or("none")))
                @if !scenario.suite.is_empty() { (field("suite", &scenario.suite)) }
                (field("runs", &grouped(scenario.runs.len() as u64)))
                @if !scenario.formerly.is_empty() { (field("formerly", &scenario.formerly.join(", "))) }
            }
        }
        h2 { "What changed" }
        @if own().next().is_none() { p { "Nothing that shows." } } @else { (flags(own(), None)) }
        (findings(mesh.findings.iter().filter(|finding| finding.is_of(&scenario.title))))
        @if !scenario.criteria.is_empty() {
            h2 { "Criteria" }
            p.legend {
                span.key { i.good {} "pass, with its interval" }
                span.key { i.late {} "inconclusive" }
                span.key { i.bad {} "fail" }
                span.key { i.target {} "target" }
                span.key { i.level {} "median between changes" }
                span.key { i.changed {} "change" }
            }
            @for criterion in &scenario.criteria { (of_criterion(mesh, criterion)) }
        }
        h2 { "Runs" }
        (runs(mesh, scenario))
        p.dim { (rule_text(&history.rule)) }
    };
    document(&format!("{} {}", streak.verdict.word().to_uppercase(), scenario.title), streak.verdict, &content)
}

fn of_criterion(mesh: &MeshHistory, criterion: &CriterionHistory) -> Markup {
    let label = |night: usize| mesh.nights.get(night).map_or("", |night| night.label.as_str());
    html! {
        section.series-block {
            h3 { (inert(&criterion.id)) }
            div.alt {
                @if let Some(last) = criterion.last() { "newest: " (last.measured.text(criterion.unit)) ", target " (inert(&last.measured.target)) "; " }
                (criterion.status)
            }
            (chart::render(mesh, criterion))
            details.values {
                summary { "Values" @if criterion.points.len() > VALUES { " of the newest " (VALUES) " runs" } }
                table {
                    thead { tr { th { "Night" } th { "Value and interval" } th { "Target" } th { "Samples" } } }
                    tbody {
                        @for point in criterion.points.iter().rev().take(VALUES) {
                            tr {
                                td.num { (label(point.night)) }
                                td.num { (point.measured.text(criterion.unit)) }
                                td.num data-label="target" { (inert(&point.measured.target)) }
                                td.num data-label="samples" { (grouped(point.measured.n as u64)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn runs(mesh: &MeshHistory, scenario: &ScenarioHistory) -> Markup {
    html! {
        table {
            thead { tr { th { "Night" } th { "Verdict" } th { "Why" } th { "Edited since the run before" } } }
            tbody {
                @for run in scenario.runs.iter().rev() {
                    @let night = mesh.nights.get(run.night).map_or("", |night| night.label.as_str());
                    tr {
                        td.num { @match &run.report { Some(report) => a href=(report) { (night) } None => (night) } }
                        td { (pill(run.verdict)) }
                        td.long { (inert(&meshdrill_reports::cut(&run.message, 300))) }
                        td.long { ul.plain { @for edit in &run.edits { li { (edit.kind.word()) " " (inert(&edit.text)) } } } }
                    }
                }
            }
        }
    }
}
