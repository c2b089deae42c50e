//! The decision as a page, for those who sign.

use maud::html;
use meshdrill_checks::verdict::Verdict;
use meshdrill_reports::{inert, still_document};

use crate::Decision;
use crate::evaluate::reason;
use crate::markdown::of_cluster;
use crate::text::share;

const STYLE: &str = include_str!("page.css");

/// One file without a script, in the style of the report page.
pub fn page(decision: &Decision) -> Vec<u8> {
    let verdict = if decision.is_go() { Verdict::Pass } else { Verdict::Fail };
    let content = html! {
        header.banner {
            h1 { span.word { (decision.decision) } " " (inert(&decision.name)) }
            div.story { p { (decision.in_order()) " of " (decision.lines.len()) " lines in order." } }
            p.dim { "Decided " (decision.decided) "; evidence may be " (decision.max_age) " old." }
            ul { @for seen in &decision.clusters { li { (inert(&of_cluster(seen))) } } }
        }
        @if !decision.reasons.is_empty() {
            section {
                h2 { "Why NO-GO" }
                ul {
                    @for (why, titles) in groups(decision) { li { b { (inert(&why)) } ": " (inert(&titles.join(", "))) } }
                    @for reason in other_reasons(decision) { li { (inert(reason)) } }
                }
            }
        }
        section {
            h2 { "Claims" }
            @for line in &decision.lines {
                article.claim.ok[line.ok].bad[!line.ok] {
                    h3 { (if line.ok { "✓ " } else { "✗ " }) (inert(&line.claim)) }
                    @if line.items.len() > 1 { p.dim { (share(line)) " in order" } }
                    @for item in &line.items {
                        details open[!item.state.is_ok()] {
                            summary { b { (inert(&item.title)) } ": " (item.state.word()) }
                            p { (inert(&item.message)) }
                            @if let Some(command) = &item.command { p { "To settle it: " code { (inert(command)) } } }
                            @if let (Some(run), Some(started)) = (&item.run, &item.started) { p.dim { (started) ", " (inert(run)) } }
                            @if !item.criteria.is_empty() {
                                div.wide { table {
                                    thead { tr { th scope="col" { "criterion" } th scope="col" { "target" } th scope="col" { "measured" } th scope="col" { "verdict" } } }
                                    tbody { @for one in &item.criteria {
                                        tr { th scope="row" { (inert(&one.id)) } td { (inert(&one.target)) } td { (inert(&one.measured)) } td { (one.verdict.word()) } }
                                    } }
                                } }
                            }
                        }
                    }
                }
            }
        }
        @if !decision.findings.is_empty() {
            section {
                h2 { "Findings" }
                ul { @for finding in &decision.findings { li { (inert(&finding.to_string())) } } }
            }
        }
        section.signatures {
            h2 { "Signatures" }
            @for role in ["Approved by", "Date", "Signature"] { p { (role) ": " span.line {} } }
        }
    };
    still_document(&format!("{}: {}", decision.decision, inert(&decision.name)), STYLE, verdict, &content)
}

/// Why lines are not GO, each reason once, with the runs and attestations that it is said of.
fn groups(decision: &Decision) -> Vec<(String, Vec<&str>)> {
    let mut groups: Vec<(String, Vec<&str>)> = Vec::new();
    for item in decision.lines.iter().flat_map(|line| &line.items).filter(|item| !item.state.is_ok()) {
        let why = format!("{}: {}", item.state.word(), item.message);
        match groups.iter_mut().find(|(known, _)| *known == why) {
            Some((_, titles)) => titles.push(&item.title),
            None => groups.push((why, vec![&item.title])),
        }
    }
    groups
}

/// The reasons that are of no line: findings, altered runs.
fn other_reasons(decision: &Decision) -> impl Iterator<Item = &String> {
    let of_lines: Vec<String> = decision.lines.iter().flat_map(|line| &line.items).filter_map(reason).collect();
    decision.reasons.iter().filter(move |reason| !of_lines.contains(reason))
}
