//! The decision as Markdown, for a ticket or a merge request.

use std::fmt::Write as _;

use meshdrill_reports::markdown_text as cell;

use crate::text::{last_line, sentence};
use crate::{Decision, Seen};

/// The decision, why, a table of claims, what each run measured, and the findings.
pub fn markdown(decision: &Decision) -> String {
    let mut text = format!("# {}: {}\n\n", decision.decision, cell(&decision.name));
    let _ = writeln!(text, "{}\n", cell(&last_line(decision)));
    let _ = writeln!(text, "Decided {}; evidence may be {} old.\n", decision.decided, decision.max_age);
    for seen in &decision.clusters {
        let _ = writeln!(text, "- {}", cell(&of_cluster(seen)));
    }
    if !decision.reasons.is_empty() {
        text += "\n## Why NO-GO\n\n";
        for reason in &decision.reasons {
            let _ = writeln!(text, "- {}", cell(reason));
        }
    }
    text += "\n## Claims\n\n| | claim | evidence | what would settle it |\n|---|---|---|---|\n";
    for line in &decision.lines {
        let word = if line.ok { "ok" } else { "**not ok**" };
        for (index, item) in line.items.iter().enumerate() {
            let (word, claim) = if index == 0 { (word, cell(&line.claim)) } else { ("", String::new()) };
            let command = item.command.as_deref().map(|command| format!("`{}`", cell(command))).unwrap_or_default();
            let _ = writeln!(text, "| {word} | {claim} | {} | {command} |", cell(&sentence(item)));
        }
    }
    text += "\n## What was measured\n\n| run | criterion | target | measured | |\n|---|---|---|---|---|\n";
    for item in decision.lines.iter().flat_map(|line| &line.items) {
        for one in &item.criteria {
            let (title, id) = (cell(&item.title), cell(&one.id));
            let (target, measured) = (cell(&one.target), cell(&one.measured));
            let _ = writeln!(text, "| {title} | {id} | {target} | {measured} | {} |", one.verdict.word());
        }
    }
    if !decision.findings.is_empty() {
        text += "\n## Findings\n\n";
        for finding in &decision.findings {
            let _ = writeln!(text, "- {}", cell(&finding.to_string()));
        }
    }
    text
}

/// A cluster with its versions.
pub(crate) fn of_cluster(seen: &Seen) -> String {
    let version = |what: &str, version: &Option<String>| {
        version.as_ref().map(|version| format!(", {what} {version}")).unwrap_or_default()
    };
    let (kubernetes, istio) = (version("Kubernetes", &seen.kubernetes), version("Istio", &seen.istio));
    format!("{}: UID {}{kubernetes}{istio}", seen.cluster, seen.uid)
}
