//! The decision for a terminal.

use std::fmt::Write as _;

use meshdrill_reports::inert;

use crate::{DecidedLine, DecidedRun, Decision};

/// A line per claim, what is wrong below it, the findings, and the decision last.
pub fn text(decision: &Decision) -> String {
    let mut text = String::new();
    for line in &decision.lines {
        let _ = writeln!(text, "{}  {}", if line.ok { "ok     " } else { "NOT OK " }, inert(&line.claim));
        for item in &line.items {
            let _ = writeln!(text, "           {}", inert(&sentence(item)));
            if let Some(command) = &item.command {
                let _ = writeln!(text, "             {}", inert(command));
            }
        }
    }
    for run in &decision.altered {
        let _ = writeln!(text, "NOT OK   {}", inert(run));
    }
    for finding in &decision.findings {
        let _ = writeln!(text, "finding  {}", inert(&finding.to_string()));
    }
    let _ = writeln!(text, "{}", last_line(decision));
    text
}

/// The decision in one line.
pub(crate) fn last_line(decision: &Decision) -> String {
    let (name, all) = (inert(&decision.name), decision.lines.len());
    let mut line = format!("{}  {name}  {} of {all} lines in order", decision.decision, decision.in_order());
    if let Some(first) = decision.reasons.first() {
        let _ = write!(line, "; {}", inert(first));
    }
    if decision.reasons.len() > 1 {
        let _ = write!(line, "; and {} more", decision.reasons.len() - 1);
    }
    line
}

/// What a claim rests on, in a sentence.
pub(crate) fn sentence(item: &DecidedRun) -> String {
    let of = match (&item.started, &item.run) {
        (Some(started), Some(run)) => format!(" ({}, {run})", started.split('T').next().unwrap_or(started)),
        _ => String::new(),
    };
    format!("{}: {}: {}{of}", item.title, item.state.word(), item.message)
}

/// `3 of 4 in order`, for a claim with several runs.
pub(crate) fn share(line: &DecidedLine) -> String {
    let ok = line.items.iter().filter(|item| item.state.is_ok()).count();
    format!("{ok} of {}", line.items.len())
}
