//! The report page: one self-contained HTML file that opens from disk, asks nothing of the network and works without its script.

mod canvas;
mod criteria;
mod events;
mod facts;
mod failures;
mod lanes;
mod latency;
mod pointer;
mod responders;
mod runner;
mod scale;
mod shell;
mod steps;
mod strip;
mod suite;

use maud::{Markup, PreEscaped, html};
use meshdrill_checks::findings::{Finding, day};
use meshdrill_checks::scorecard::Scorecard;
use meshdrill_checks::units::{counted, grouped, percent, seconds};
use meshdrill_checks::verdict::Verdict;
use serde::Serialize;

use super::screen::title;
use super::story::story;
use super::text::{LAB, cut, inert};
use super::windows::{FaultWindow, fault_windows};
use super::{ReportError, Run};
use lanes::Timeline;
use pointer::LaneData;
use shell::Shell;

pub use shell::still_document;
pub(super) use suite::render_all;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// How much of a finding's measurement is shown, in characters.
const FINDING: usize = 300;

/// What the script reads.
#[derive(Serialize)]
struct PageData<'a> {
    /// When the run ends. Seconds.
    end: f64,
    /// When each phase begins.
    phases: Vec<(f64, &'static str)>,
    /// What can be zoomed to: a name, from, until.
    parts: Vec<(String, f64, f64)>,
    lanes: &'a [LaneData],
}

/// Renders the page of one run.
pub(super) fn render(run: &Run<'_>) -> Result<Vec<u8>, ReportError> {
    let card = run.scorecard;
    let windows = fault_windows(run.record);
    let mut timeline = Timeline::new(run, &windows);
    let drawn = timeline.render();
    let end = timeline.end();
    let mut parts: Vec<(String, f64, f64)> = windows
        .iter()
        .map(|window| (window.fault.id.clone(), window.from, window.to.unwrap_or(window.from)))
        .map(|(id, from, to)| (format!("fault {id}"), (from - 3.0).max(0.0), (to + 10.0).min(end)))
        .collect();
    parts.extend(card.probes.iter().flat_map(|probe| {
        probe.all.outages.iter().map(move |outage| {
            let until = outage.end.unwrap_or(end);
            (
                format!("{}, outage at {}", probe.name, seconds(outage.start)),
                (outage.start - 2.0).max(0.0),
                (until + 2.0).min(end),
            )
        })
    }));
    parts.truncate(8);
    let data = PageData {
        end,
        phases: card.timeline.iter().map(|phase| (phase.at, phase.phase.word())).collect(),
        parts,
        lanes: &timeline.data,
    };
    // A text may hold what would end the script element.
    let data = serde_json::to_string(&data)?.replace('<', "\\u003c");
    let content = html! {
        (banner(run, &windows))
        (criteria::table(run))
        (findings(run.findings))
        h2 id="timeline" { "Timeline" }
        @if card.probes.is_empty() { p.dim { "This scenario has no probe: its checks are below." } }
        @else { (legend()) }
        div.timeline { (drawn) }
        div id="readout" hidden {}
        (criteria::checks(card))
        (faults(run))
        (notes(card))
        (events::log(run.record))
        (how(run))
        script type="application/json" id="data" { (PreEscaped(data)) }
    };
    let heading = format!("{} {}", card.verdict.word().to_uppercase(), title(card));
    Ok(document(&heading, card.verdict, &content).into_string().into_bytes())
}

/// A whole file with the script of the page.
fn document(heading: &str, verdict: Verdict, content: &Markup) -> Markup {
    Shell { style: STYLE, script: Some(SCRIPT) }.document(heading, verdict, content)
}

/// A verdict in its colour.
pub fn pill(verdict: Verdict) -> Markup {
    html! { span class={ "pill v-" (verdict.word()) } { (verdict.word().to_uppercase()) } }
}

/// The first screen: verdict, scenario, what happened.
fn banner(run: &Run<'_>, windows: &[FaultWindow<'_>]) -> Markup {
    let card = run.scorecard;
    let header = &run.record.header;
    html! {
        @if card.run.lab { p.lab { (LAB) } }
        header.banner {
            h1 { span.word { (card.verdict.word().to_uppercase()) } " " (inert(&title(card))) }
            div.story { @for sentence in story(run, windows) { p { (inert(&sentence)) } } }
            dl {
                (field("mesh", card.run.mesh.as_deref().unwrap_or("none")))
                @if !header.clusters.is_empty() { (field("clusters", &header.clusters.join(", "))) }
                (field("started", &card.run.started))
                (field("took", &seconds(run.record.end().secs())))
                @if let Some(by) = &card.run.change.by { (field("by", by)) }
                @if let Some(ticket) = &card.run.change.ticket { (field("ticket", ticket)) }
                @if let Some(window) = &card.run.change.window { (field("window", window)) }
                (field("exit code", &card.exit_code.number().to_string()))
                (field("run", &card.run.id))
            }
        }
    }
}

/// A name and its value in a list of facts.
pub fn field(name: &str, value: &str) -> Markup {
    html! { div { dt { (name) } dd { (inert(value)) } } }
}

fn legend() -> Markup {
    html! {
        p.legend {
            span.key { i.good {} "good" }
            span.key { i.late {} "late" }
            span.key { i.bad {} "failed" }
            span.key { i.none {} "not measured" }
            span.key { i.fault {} "fault in effect" }
            span.key { i.p50 {} "median latency" }
            span.key { i.p99 {} "slowest 1 %" }
        }
    }
}

fn faults(run: &Run<'_>) -> Markup {
    let card = run.scorecard;
    html! {
        @if !card.faults.is_empty() {
            h2 id="faults" { "Faults and their undo" }
            table {
                thead { tr { th { "Fault" } th { "Targets" } th { "In effect" } th { "Undo" } th { "Proof" } } }
                tbody {
                    @for fault in &card.faults {
                        @let what = run.record.header.faults.iter().find(|one| one.id == fault.id).map_or("", |one| one.what.as_str());
                        tr {
                            td { b { (inert(&fault.id)) " " (fault.kind) } div.dim { (inert(what)) } }
                            td.long { (inert(&fault.targets.join(", "))) div.dim { (inert(&fault.clusters.join(", "))) } }
                            td.num {
                                @match fault.effective { Some(at) => { "from " (seconds(at)) } None => "never" }
                                @if let Some(held) = &fault.held { div.dim { "held for " (seconds(held.seconds)) ", observed " (counted(held.observations as usize, "time")) ", at most " (seconds(held.gap)) " apart" } }
                                @if let Some(flaw) = &fault.flaw { div.needs { (inert(&flaw.what)) ": " (inert(&flaw.why)) } }
                            }
                            td { (fault.undo) }
                            td.long { (inert(&fault.message)) }
                        }
                    }
                }
            }
            p class={ @if !card.recovery.verified { "needs" } } {
                b { @if card.recovery.verified { "Recovery verified: " } @else { "RECOVERY NOT VERIFIED: " } }
                (inert(&card.recovery.message))
                @for left in &card.recovery.leftovers { br; (inert(left)) }
            }
        }
    }
}

fn notes(card: &Scorecard) -> Markup {
    html! {
        @if !card.notes.is_empty() {
            h2 { "Notes" }
            ul { @for note in &card.notes { li { (inert(note)) } } }
        }
    }
}

/// What a drill showed to be wrong, until a later run shows that it is right.
pub fn findings<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> Markup {
    let findings: Vec<&Finding> = findings.into_iter().collect();
    html! {
        @if !findings.is_empty() {
            h2 id="findings" { "Findings" }
            table.findings {
                thead { tr { th scope="col" { "Finding" } th scope="col" { "Opened" } th scope="col" { "State" } } }
                tbody {
                    @for finding in findings {
                        tr {
                            td.long { b { (inert(&finding.id)) } div.dim { (inert(&cut(&finding.message, FINDING))) } }
                            td.long data-label="opened" { (day(&finding.opened)) div.dim { (inert(&finding.opened_by)) } }
                            td.long.needs[finding.overdue] data-label="state" { (inert(&finding.state())) }
                        }
                    }
                }
            }
        }
    }
}

/// How it was measured: what a reader needs to trust the figures.
fn how(run: &Run<'_>) -> Markup {
    let (card, header) = (run.scorecard, &run.record.header);
    html! {
        h2 id="measurement" { "How it was measured" }
        p { "By " (inert(&header.tool)) ". Times are from one monotonic clock, in microseconds since " (inert(&header.started)) ". "
            "A request is due by a fixed schedule, and its latency counts from when it was due: a runner that was late makes latencies longer, never shorter. "
            "Bounds are one-sided, at the confidence that each criterion names." }
        @if !card.probes.is_empty() {
            table {
                thead { tr { th { "Probe" } th { "Every" } th { "Due" } th { "Sent" } th { "Coverage" } th { "Runner late, median and P99" } } }
                tbody {
                    @for probe in &card.probes {
                        @let every = run.record.probe(&probe.name).map(|header| header.every.to_string()).unwrap_or_default();
                        @let lag = probe.all.phases.iter().find(|phase| phase.phase == "runner");
                        tr {
                            td { b { (inert(&probe.name)) } }
                            td.num data-label="every" { (every) }
                            td.num data-label="due" { (grouped(probe.all.planned)) }
                            td.num data-label="sent" { (grouped(probe.all.sent)) }
                            td.num data-label="coverage" { (percent(probe.all.coverage)) }
                            td.num data-label="runner late" { @match lag { Some(lag) => { (seconds(lag.p50)) ", " (seconds(lag.p99)) } None => "0 s" } }
                        }
                    }
                }
            }
        }
        p.dim { "Beside this page: the record (all " (counted(run.record.header.probes.iter().map(|probe| run.record.samples(&probe.name).len()).sum(), "sample")) " and events), scorecard.json, junit.xml, plan.yaml." }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use meshdrill_checks::record::{At, Class, Event, Line, Record, Sample, Series};
    use meshdrill_checks::score::score;

    use super::*;

    /// A run with many samples of one probe, every one of them of a length of its own, and one in a thousand bad.
    fn long_run(count: u64) -> Record {
        let header = serde_json::json!({
            "schema": "meshdrill.io/record/v1", "id": "0", "scenario": "long", "suite": "", "mesh": null, "lab": true,
            "started": "2026-01-01T00:00:00.000Z", "tool": "meshdrill", "faults": [], "checks": [], "criteria": [],
            "probes": [{ "name": "page", "kind": "http", "what": "GET /", "every": "20ms", "slow": "500ms", "series": ["new"] }],
        });
        let mut record = Record::begin(serde_json::from_value(header).unwrap());
        for slot in 0..count {
            let due = At::after_start(Duration::from_millis(20 * slot));
            let done = due.plus(Duration::from_micros(1_000 + slot * 7_919 % 90_000));
            let class = if slot % 997 == 0 { Class::Http5xx } else { Class::Good };
            let message = (class == Class::Http5xx).then(|| format!("status 503 at {slot}"));
            let sample = Sample {
                series: Series::New,
                slot,
                scheduled: due,
                started: due,
                completed: done,
                class,
                responder: Some(if slot % 3 == 0 { "primary" } else { "secondary" }.into()),
                phases: None,
                seen: None,
                message: message.map(std::sync::Arc::from),
            };
            record.push(Line { at: done, event: Event::Sample { probe: "page".to_owned(), sample } });
        }
        record.push(Line { at: At::after_start(Duration::from_millis(20 * count)), event: Event::Finished });
        record
    }

    #[test]
    fn a_page_does_not_grow_with_its_samples() {
        let sizes = [20_000, 200_000].map(|count| {
            let record = long_run(count);
            let scorecard = score(&record);
            render(&Run::new(&record, &scorecard)).unwrap().len()
        });
        assert!(sizes[1] < 400_000 && sizes[1] < 2 * sizes[0], "{sizes:?} bytes");
    }
}
