//! The page of several runs: totals, what to look at first, and a matrix of scenarios by what they were bound to.

use std::collections::{BTreeMap, BTreeSet};

use maud::{Markup, html};
use meshdrill_checks::exit_code::ExitCode;
use meshdrill_checks::findings::Finding;
use meshdrill_checks::units::counted;
use meshdrill_checks::verdict::Verdict;

use super::{document, findings, pill};
use crate::screen::{reason, title};
use crate::text::{LAB, inert};
use crate::{Run, SuiteRun};

/// How many runs are named first.
const FIRST: usize = 3;

/// Renders the page of several runs.
pub(crate) fn render_all(runs: &[SuiteRun<'_>], found: &[Finding]) -> Vec<u8> {
    let verdict = Verdict::all(runs.iter().map(|one| one.run.scorecard.verdict));
    let word = verdict.word().to_uppercase();
    let suites: BTreeSet<&str> = runs.iter().map(|one| one.run.scorecard.run.suite.as_str()).collect();
    let name = suites.into_iter().filter(|suite| !suite.is_empty()).collect::<Vec<_>>().join(", ");
    let content = html! {
        @if runs.iter().any(|one| one.run.scorecard.run.lab) { p.lab { (LAB) } }
        header.banner {
            h1 { span.word { (word) } " " (inert(&name)) }
            div.story { p { (totals(runs)) } }
            dl {
                @if let Some(first) = runs.iter().map(|one| &one.run.scorecard.run.started).min() { (super::field("started", first)) }
                @if let Some(last) = runs.iter().map(|one| &one.run.scorecard.run.finished).max() { (super::field("finished", last)) }
            }
        }
        (look_first(runs))
        (findings(found))
        h2 { "Scenarios" }
        (matrix(runs))
    };
    document(&format!("{word} {name}"), verdict, &content).into_string().into_bytes()
}

/// `47 of 49 runs pass; 1 fail, 1 inconclusive`.
fn totals(runs: &[SuiteRun<'_>]) -> String {
    let count = |verdict| runs.iter().filter(|one| one.run.scorecard.verdict == verdict).count();
    let others = [Verdict::Error, Verdict::Fail, Verdict::Inconclusive, Verdict::NotRun];
    let others = others.into_iter().filter(|verdict| count(*verdict) > 0);
    let others: Vec<String> = others.map(|verdict| format!("{} {}", count(verdict), verdict.word())).collect();
    let more = if others.is_empty() { String::new() } else { format!("; {}", others.join(", ")) };
    format!("{} of {} pass{more}.", count(Verdict::Pass), counted(runs.len(), "run"))
}

/// How much a run matters: damage that is left first.
fn severity(run: &Run<'_>) -> u8 {
    match (run.scorecard.exit_code, run.scorecard.verdict) {
        (ExitCode::NotRecovered, _) => 5,
        (_, Verdict::Error) => 4,
        (_, Verdict::Fail) => 3,
        (_, Verdict::Inconclusive) => 2,
        (_, Verdict::NotRun) => 1,
        (_, Verdict::Pass) => 0,
    }
}

fn look_first(runs: &[SuiteRun<'_>]) -> Markup {
    let mut order: Vec<&SuiteRun<'_>> = runs.iter().filter(|one| severity(&one.run) > 1).collect();
    order.sort_by_key(|one| std::cmp::Reverse(severity(&one.run)));
    html! {
        @if !order.is_empty() {
            h2 { "Look here first" }
            ol.first {
                @for one in order.iter().take(FIRST) {
                    li { (pill(one.run.scorecard.verdict)) " " b { (link(one, &title(one.run.scorecard))) } div.dim { (reason(one.run.scorecard)) } }
                }
            }
            @if order.len() > FIRST { p.dim { (counted(order.len() - FIRST, "more run")) " below" } }
        }
    }
}

fn link(one: &SuiteRun<'_>, text: &str) -> Markup {
    html! { @match &one.page { Some(page) => a href=(page) { (inert(text)) } None => (inert(text)) } }
}

fn matrix(runs: &[SuiteRun<'_>]) -> Markup {
    let mut columns: BTreeSet<&str> = BTreeSet::new();
    let mut rows: BTreeMap<(&str, &str), BTreeMap<&str, Vec<&SuiteRun<'_>>>> = BTreeMap::new();
    for one in runs {
        let run = &one.run.scorecard.run;
        columns.insert(&run.binding);
        rows.entry((&run.suite, &run.scenario)).or_default().entry(&run.binding).or_default().push(one);
    }
    html! {
        div.scroll tabindex="0" role="region" aria-label="Scenarios by cluster" {
            table.matrix {
                thead { tr { th { "Scenario" } @for column in &columns { th { @if column.is_empty() { "whole mesh" } @else { (inert(column)) } } } } }
                tbody {
                    @for ((suite, scenario), cells) in &rows {
                        tr {
                            td { b { (inert(scenario)) } @if !suite.is_empty() { div.dim { (inert(suite)) } } }
                            @for column in &columns {
                                td {
                                    @for one in cells.get(column).into_iter().flatten() {
                                        @match &one.page {
                                            Some(page) => a.cell href=(page) aria-label={ (inert(&title(one.run.scorecard))) " " (one.run.scorecard.verdict.word()) } { (pill(one.run.scorecard.verdict)) }
                                            None => (pill(one.run.scorecard.verdict))
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
