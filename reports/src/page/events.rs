//! The event log.

use maud::{Markup, html};
use meshdrill_checks::record::{Event, Line, Record};
use meshdrill_checks::units::counted;

use crate::text::{cut, inert};

/// The most lines.
const MOST: usize = 1000;

/// The log, samples and requests to control targets left out.
pub(super) fn log(record: &Record) -> Markup {
    let lines: Vec<(&Line, &'static str, String)> =
        record.events.iter().filter_map(|line| described(&line.event).map(|(word, text)| (line, word, text))).collect();
    html! {
        details.log open {
            summary { "Event log, " (counted(lines.len(), "event")) }
            table { tbody {
                @for (line, word, text) in lines.iter().take(MOST) {
                    tr { td.num { (format!("{:.2} s", line.at.secs())) } td { (word) } td.long { (cut(&inert(text), 600)) } }
                }
            } }
            @if lines.len() > MOST { p.dim { (counted(lines.len() - MOST, "event")) " more: `meshdrill record` prints all" } }
        }
    }
}

/// What an event says; none for those that have another place on the page.
fn described(event: &Event) -> Option<(&'static str, String)> {
    Some(match event {
        Event::Started(_) | Event::Sample { .. } | Event::Control { .. } => return None,
        Event::ProbeReady { .. } | Event::ProbeStopped { .. } | Event::Finished => return None,
        Event::Phase { phase } => ("phase", phase.word().to_owned()),
        Event::Refused { why } => ("refused", why.clone()),
        Event::Crashed { why } => ("crashed", why.clone()),
        Event::ProbeFailed { probe, why } => ("probe failed", format!("{probe}: {why}")),
        Event::ReadBack { probe, found } => {
            ("read back", format!("{probe}: {} acknowledged, {} lost", found.acknowledged, found.lost.len()))
        }
        Event::Infeasible { criterion, why } => ("infeasible", format!("{criterion}: {why}")),
        Event::Check { id, stage, verdict, message, observed: _ } => {
            ("check", format!("{} {id}: {verdict}: {message}", stage.key()))
        }
        Event::NotRun { id, reason, waived: _ } => ("not run", format!("{id}: {reason}")),
        Event::SteadyState { met, message } => (if *met { "steady state" } else { "not steady" }, message.clone()),
        Event::FaultRequested { fault, targets, .. } => ("fault requested", format!("{fault}: {}", targets.join(", "))),
        Event::FaultEffective { fault, since: _, proof } => ("fault in effect", format!("{fault}: {proof}")),
        Event::FaultIneffective { fault, why } => ("fault without effect", format!("{fault}: {why}")),
        Event::FaultHeld { fault, seen: _, observations, gap } => {
            ("fault held", format!("{fault}: observed {observations} times, at most {gap} apart"))
        }
        Event::FaultLapsed { fault, seen: _, hold: _, why } => ("fault lapsed", format!("{fault}: {why}")),
        Event::TargetReplaced { fault, target, by } => ("replaced", format!("{fault}: {target} by {by}")),
        Event::UndoRequested { fault, undo } => ("undo requested", format!("{fault}: {undo}")),
        Event::UndoVerified { fault, proof } => ("undo verified", format!("{fault}: {proof}")),
        Event::UndoFailed { fault, why } => ("undo failed", format!("{fault}: {why}")),
        Event::Aborted { why } => ("aborted", why.clone()),
        Event::Interrupted { by, injected: _ } => ("interrupted", by.clone()),
        Event::Recovery { verified, leftovers, message } => {
            let word = if *verified { "recovery verified" } else { "recovery not verified" };
            let left = if leftovers.is_empty() { String::new() } else { format!(": {}", leftovers.join("; ")) };
            (word, format!("{message}{left}"))
        }
        Event::ClusterIdentified { cluster, facts } => {
            let fact = |name: &str, fact: &Option<String>| fact.as_ref().map(|fact| format!("{name} {fact}"));
            let known = [
                fact("UID", &facts.uid),
                fact("Kubernetes", &facts.kubernetes),
                fact("Istio", &facts.istio),
                fact("region", &facts.region),
            ];
            let known: Vec<String> = known.into_iter().flatten().collect();
            ("cluster", format!("{cluster}: {}", known.join(", ")))
        }
        Event::ClockChecked { moved } => {
            ("clock", format!("the wall clock moved by {moved} s against the monotonic clock"))
        }
        Event::Note { text } => ("note", text.clone()),
    })
}
