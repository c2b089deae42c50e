//! The timeline: phases and fault windows behind one lane per probe.

use maud::{Markup, html};
use meshdrill_checks::record::{ProbeHeader, Sample, Series};
use meshdrill_checks::scorecard::{Limit, ProbeResult, SeriesResult};
use meshdrill_checks::units::{grouped, seconds};

use super::canvas::{Canvas, plot};
use super::facts::facts;
use super::latency::{self, Points};
use super::pointer::LaneData;
use super::scale::{Scale, short};
use super::strip::{self, Columns};
use super::{failures, responders, runner, steps};
use crate::Run;
use crate::story::observations;
use crate::text::inert;
use crate::windows::FaultWindow;

/// Above so many probes, only those with something to see are unfolded.
const UNFOLDED: usize = 12;

/// What the lanes of all probes need.
pub(super) struct Timeline<'a> {
    run: &'a Run<'a>,
    canvas: Canvas<'a>,
    /// For the script.
    pub data: Vec<LaneData>,
}

impl<'a> Timeline<'a> {
    /// Of a run.
    pub fn new(run: &'a Run<'a>, windows: &'a [FaultWindow<'a>]) -> Self {
        Self { run, canvas: Canvas { scale: Scale::new(run.record.end().secs()), windows }, data: Vec::new() }
    }

    /// When the run ends, in seconds.
    pub const fn end(&self) -> f64 {
        self.canvas.scale.end
    }

    /// All of it.
    pub fn render(&mut self) -> Markup {
        let probes = &self.run.scorecard.probes;
        let many = probes.len() > UNFOLDED;
        let lanes: Vec<Markup> = probes.iter().map(|probe| self.probe(probe, many)).collect();
        html! {
            (self.axis())
            @for lane in lanes { (lane) }
            (runner::lane(&self.canvas, self.run))
            (runner::network(&self.canvas, self.run.scorecard))
        }
    }

    /// The phases, with the time axis below them.
    fn axis(&self) -> Markup {
        let phases = &self.run.scorecard.timeline;
        let ends = phases.iter().skip(1).map(|next| next.at).chain([self.canvas.scale.end]);
        html! {
            svg class="axis" width="100%" height="38" role="img" aria-label={ "Phases: " (phases.iter().map(|one| format!("{} from {}", one.phase.word(), seconds(one.at))).collect::<Vec<_>>().join(", ")) } {
                (self.canvas.shade())
                @for (phase, end) in phases.iter().zip(ends) {
                    line data-t=(phase.at) x1=(self.canvas.scale.percent(phase.at)) x2=(self.canvas.scale.percent(phase.at)) y1="0" y2="16" class="mark" {}
                    @let share = (end - phase.at) / self.canvas.scale.end;
                    // Letters of 7 pixels, on a page of 900 pixels and one of 330.
                    @let room = 8.0 * (phase.phase.word().len() + 1) as f64;
                    @if share * 900.0 > room {
                        text data-t=(phase.at) x=(self.canvas.scale.percent(phase.at)) dx="4" y="12" class={ "phase" @if share * 330.0 <= room { " wide" } } { (phase.phase.word()) }
                    }
                }
                @for (at, text) in self.canvas.scale.ticks() {
                    line data-t=(at) x1=(self.canvas.scale.percent(at)) x2=(self.canvas.scale.percent(at)) y1="20" y2="24" class="mark" {}
                    text data-t=(at) x=(self.canvas.scale.percent(at)) y="35" class={ "tick" @if at > 0.0 { " mid" } @if at > self.canvas.scale.end * 0.96 { " last" } } { (text) }
                }
            }
        }
    }

    fn probe(&mut self, probe: &ProbeResult, many: bool) -> Markup {
        let Some(header) = self.run.record.probe(&probe.name) else { return html! {} };
        let samples: Vec<&Sample> = self.run.record.samples(&probe.name).iter().collect();
        let open = !many || probe.all.bad + probe.all.no_data + probe.all.not_sent > 0;
        let mut parts: Vec<(Series, Vec<&Sample>)> = Vec::new();
        if probe.series.len() > 1 {
            for series in [Series::New, Series::Kept] {
                parts.push((series, samples.iter().copied().filter(|one| one.series == series).collect()));
            }
        } else {
            parts.push((Series::New, samples.clone()));
        }
        let apart = parts.len() > 1;
        let changed = facts(&samples);
        let timed = probe.all.latency.is_some() && samples.iter().all(|one| !one.class.is_good() || one.seen.is_none());
        let strips: Vec<Markup> = parts
            .iter()
            .map(|(series, part)| {
                let word = if *series == Series::New { "new" } else { "kept" };
                let figures = if apart { probe.series.get(word).unwrap_or(&probe.all) } else { &probe.all };
                let label = apart.then(|| format!("{word} connections"));
                self.strip(header, part, figures, label.as_deref())
            })
            .collect();
        html! {
            details.probe open[open] id={ "probe-" (slug(&probe.name)) } {
                summary {
                    b { (inert(&probe.name)) }
                    " " span.dim { (inert(&header.what)) ", every " (header.every) }
                    div.alt { (summary_of(&probe.all, &probe.kind)) }
                }
                @for strip in strips { (strip) }
                @if timed { (self.latency(header, &samples)) }
                (responders::lane(&self.canvas, &samples, header))
                (steps::lanes(&self.canvas, &changed))
                (failures::table(&samples))
            }
        }
    }

    fn strip(
        &mut self,
        header: &ProbeHeader,
        samples: &[&Sample],
        figures: &SeriesResult,
        label: Option<&str>,
    ) -> Markup {
        let columns = Columns::of(samples, header.every.as_secs_f64(), self.canvas.scale);
        let [bad, late, none, good] = columns.paths(self.canvas.scale);
        let id = format!("lane-{}", self.data.len());
        self.data.push(LaneData::of(id.clone(), &columns, samples));
        let brackets = !figures.outages.is_empty();
        let height = if brackets { strip::HEIGHT + 22.0 } else { strip::HEIGHT };
        html! {
            @if let Some(label) = label { p.series { (label) ": " (summary_of(figures, &header.kind)) } }
            svg id=(id) class="lane" width="100%" height=(height) role="img" aria-label={ (inert(&header.name)) ": " (summary_of(figures, &header.kind)) } {
                (self.canvas.shade())
                (plot(strip::HEIGHT, &html! {
                    path d=(good) class="good" {}
                    @if !none.is_empty() { path d=(none) class="none" {} }
                    @if !late.is_empty() { path d=(late) class="late" {} }
                    @if !bad.is_empty() { path d=(bad) class="bad" {} }
                }))
                @for (index, outage) in figures.outages.iter().enumerate() {
                    @let end = outage.end.unwrap_or(self.canvas.scale.end);
                    @let text = match outage.high {
                        Some(high) => format!("outage {} to {}", seconds(outage.low), seconds(high)),
                        None => "outage, not ended".to_owned(),
                    };
                    line data-t=(outage.start) data-to=(end) x1=(self.canvas.scale.percent(outage.start)) x2=(self.canvas.scale.percent(end)) y1="30" y2="30" class="bracket" {}
                    @let middle = f64::midpoint(outage.start, end);
                    // Labels that would lie on each other are left out: the words of the lane have all of them.
                    @let room = index.checked_sub(1).and_then(|before| figures.outages.get(before)).map_or(1.0, |before| (outage.start - before.start) / self.canvas.scale.end);
                    @if room > 0.2 {
                        text data-t=(middle) x=(self.canvas.scale.percent(middle)) y="44" class={ "outage" (side(middle / self.canvas.scale.end)) @if index > 0 { " wide" } } { (text) }
                    }
                }
            }
        }
    }

    fn latency(&self, header: &ProbeHeader, samples: &[&Sample]) -> Markup {
        let points = Points::of(samples, header.every.as_secs_f64(), self.canvas.scale);
        let own = self.run.scorecard.criteria.iter().filter(|one| one.probe.as_deref() == Some(header.name.as_str()));
        let limits =
            own.filter(|one| matches!(one.kind.as_str(), "latency" | "rtt")).filter_map(|one| match one.limit? {
                Limit::Below(limit) => {
                    Some((limit, format!("target {} {}", one.id.rsplit('-').next().unwrap_or_default(), one.target)))
                }
                Limit::AtMost(_) | Limit::AtLeast(_) => None,
            });
        let mut lines: Vec<(f64, String)> = limits.collect();
        let slow = header.slow.as_secs_f64();
        if !lines.iter().any(|(limit, _)| (limit - slow).abs() < 1e-9) {
            lines.push((slow, format!("late above {}", header.slow)));
        }
        let up = points.scale(&lines.iter().map(|(limit, _)| *limit).collect::<Vec<_>>());
        let figures = self.run.scorecard.probes.iter().find(|one| one.name == header.name);
        let figures = figures.and_then(|one| one.all.latency.as_ref());
        let words = figures.map_or_else(String::new, |one| {
            format!("latency: median {}, P99 {}, longest {}", seconds(one.p50), seconds(one.p99), seconds(one.max))
        });
        html! {
            svg class="latency" width="100%" height=(latency::HEIGHT) role="img" aria-label={ (inert(&header.name)) " " (words) } {
                (self.canvas.shade())
                @for (value, _) in up.decades() {
                    line x1="0" x2="100%" y1=(short(up.y(value))) y2=(short(up.y(value))) class="grid" {}
                }
                @for (limit, _) in &lines {
                    line x1="0" x2="100%" y1=(short(up.y(*limit))) y2=(short(up.y(*limit))) class="limit" {}
                }
                (plot(latency::HEIGHT, &html! {
                    path d=(points.path(self.canvas.scale, up, |point| point.2)) class="p99" {}
                    path d=(points.path(self.canvas.scale, up, |point| point.1)) class="p50" {}
                }))
                @for (value, text) in up.decades() {
                    text x="2" y=(short(up.y(value) - 2.0)) class="tick" { (text) }
                }
                @for (limit, text) in &lines {
                    text x="100%" y=(short(up.y(*limit) - 2.0)) class="tick end" { (text) }
                }
            }
        }
    }
}

/// Where a text in the middle of something is anchored, so that it stays on the page.
const fn side(share: f64) -> &'static str {
    if share < 0.12 {
        " start"
    } else if share > 0.88 {
        " end"
    } else {
        " mid"
    }
}

/// A lane in words: `good until 21.3 s, 144 bad until 33.8 s, good since`.
pub(super) fn summary_of(figures: &SeriesResult, kind: &str) -> String {
    let measured = figures.good + figures.bad;
    let mut parts = Vec::new();
    if measured == 0 {
        parts.push("nothing was measured".to_owned());
    } else if figures.bad == 0 {
        parts.push(format!("all {} {} good", grouped(measured), observations(kind)));
    } else if figures.outages.is_empty() {
        parts.push(format!("{} of {} {} bad", grouped(figures.bad), grouped(measured), observations(kind)));
    } else {
        for (index, outage) in figures.outages.iter().enumerate() {
            let good = if index == 0 { "good until" } else { "good again until" };
            parts.push(format!("{good} {}", seconds(outage.start)));
            let until = outage.end.map_or_else(|| "the end".to_owned(), seconds);
            parts.push(format!("{} bad until {until}", grouped(outage.bad as u64)));
        }
        if figures.outages.last().is_some_and(|outage| outage.end.is_some()) {
            parts.push("good since".to_owned());
        }
    }
    if figures.no_data > 0 {
        parts.push(format!("{} without data", grouped(figures.no_data)));
    }
    if figures.not_sent > 0 {
        parts.push(format!("{} not sent", grouped(figures.not_sent)));
    }
    parts.join(", ")
}

/// A name as part of a link: letters, digits and dashes.
pub(super) fn slug(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect()
}
