//! The timeline: phases and fault windows behind one lane per probe.

use std::collections::BTreeMap;

use maud::{Markup, html};
use meshdrill_checks::record::{At, ProbeHeader, Record, Sample, Series};
use meshdrill_checks::scorecard::{Limit, ProbeResult, SeriesResult};
use meshdrill_checks::units::{counted, grouped, seconds};
use serde::Serialize;

use super::facts::{Fact, facts};
use super::latency::{self, Points};
use super::scale::{Scale, WIDTH, short};
use super::strip::{self, Columns};
use crate::Run;
use crate::story::observations;
use crate::text::inert;
use crate::windows::FaultWindow;

/// Above so many probes, only those with something to see are unfolded.
const UNFOLDED: usize = 12;
/// The most responders with a colour of their own.
const RESPONDERS: usize = 5;
/// The height of a row of steps.
const ROW: f64 = 18.0;

/// What the page's script shows under the pointer.
#[derive(Debug, Serialize)]
pub(super) struct LaneData {
    /// The lane's element.
    id: String,
    /// When the first column begins. Seconds.
    from: f64,
    /// The length of a column. Seconds.
    width: f64,
    /// What is not good: column, good, late, bad, no data, and the place of a message.
    columns: Vec<(usize, u32, u32, u32, u32, Option<usize>)>,
    /// Messages of bad samples.
    messages: Vec<String>,
}

/// What the lanes of all probes need.
pub(super) struct Timeline<'a> {
    run: &'a Run<'a>,
    windows: &'a [FaultWindow<'a>],
    scale: Scale,
    /// For the script.
    pub data: Vec<LaneData>,
}

impl<'a> Timeline<'a> {
    /// Of a run.
    pub fn new(run: &'a Run<'a>, windows: &'a [FaultWindow<'a>]) -> Self {
        Self { run, windows, scale: Scale::new(run.record.end().secs()), data: Vec::new() }
    }

    /// When the run ends, in seconds.
    pub const fn end(&self) -> f64 {
        self.scale.end
    }

    /// The whole of it.
    pub fn render(&mut self) -> Markup {
        let probes = &self.run.scorecard.probes;
        let many = probes.len() > UNFOLDED;
        let lanes: Vec<Markup> = probes.iter().map(|probe| self.probe(probe, many)).collect();
        html! {
            (self.axis())
            @for lane in lanes { (lane) }
            (self.runner())
            (self.control())
        }
    }

    /// The phases, with the time axis below them.
    fn axis(&self) -> Markup {
        let phases = &self.run.scorecard.timeline;
        let ends = phases.iter().skip(1).map(|next| next.at).chain([self.scale.end]);
        html! {
            svg class="axis" width="100%" height="38" role="img" aria-label={ "Phases: " (phases.iter().map(|one| format!("{} from {}", one.phase.word(), seconds(one.at))).collect::<Vec<_>>().join(", ")) } {
                (self.shade())
                @for (phase, end) in phases.iter().zip(ends) {
                    line data-t=(phase.at) x1=(self.scale.percent(phase.at)) x2=(self.scale.percent(phase.at)) y1="0" y2="16" class="mark" {}
                    @let share = (end - phase.at) / self.scale.end;
                    // Letters of 7 pixels, on a page of 900 pixels and one of 330.
                    @let room = 8.0 * (phase.phase.word().len() + 1) as f64;
                    @if share * 900.0 > room {
                        text data-t=(phase.at) x=(self.scale.percent(phase.at)) dx="4" y="12" class={ "phase" @if share * 330.0 <= room { " wide" } } { (phase.phase.word()) }
                    }
                }
                @for (at, text) in self.scale.ticks() {
                    line data-t=(at) x1=(self.scale.percent(at)) x2=(self.scale.percent(at)) y1="20" y2="24" class="mark" {}
                    text data-t=(at) x=(self.scale.percent(at)) y="35" class={ "tick" @if at > 0.0 { " mid" } @if at > self.scale.end * 0.96 { " last" } } { (text) }
                }
            }
        }
    }

    /// The times in which faults were in effect, behind everything.
    fn shade(&self) -> Markup {
        html! {
            @for window in self.windows {
                @match window.to {
                    Some(to) => rect data-t=(window.from) data-to=(to) x=(self.scale.percent(window.from)) width=(self.scale.percent(to - window.from)) y="0" height="100%" class="fault" {}
                    None => line data-t=(window.from) x1=(self.scale.percent(window.from)) x2=(self.scale.percent(window.from)) y1="0" y2="100%" class="faultline" {}
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
                (self.responders(&samples, header))
                (self.facts(&changed.rows, changed.more))
                (failures(&samples))
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
        let columns = Columns::of(samples, header.every.as_secs_f64(), self.scale);
        let [bad, late, none, good] = columns.paths(self.scale);
        let id = format!("lane-{}", self.data.len());
        self.data.push(lane_data(id.clone(), &columns, samples));
        let brackets = !figures.outages.is_empty();
        let height = if brackets { strip::HEIGHT + 22.0 } else { strip::HEIGHT };
        html! {
            @if let Some(label) = label { p.series { (label) ": " (summary_of(figures, &header.kind)) } }
            svg id=(id) class="lane" width="100%" height=(height) role="img" aria-label={ (inert(&header.name)) ": " (summary_of(figures, &header.kind)) } {
                (self.shade())
                (plot(strip::HEIGHT, &html! {
                    path d=(good) class="good" {}
                    @if !none.is_empty() { path d=(none) class="none" {} }
                    @if !late.is_empty() { path d=(late) class="late" {} }
                    @if !bad.is_empty() { path d=(bad) class="bad" {} }
                }))
                @for (index, outage) in figures.outages.iter().enumerate() {
                    @let end = outage.end.unwrap_or(self.scale.end);
                    @let text = match outage.high {
                        Some(high) => format!("outage {} to {}", seconds(outage.low), seconds(high)),
                        None => "outage, not ended".to_owned(),
                    };
                    line data-t=(outage.start) data-to=(end) x1=(self.scale.percent(outage.start)) x2=(self.scale.percent(end)) y1="30" y2="30" class="bracket" {}
                    @let middle = f64::midpoint(outage.start, end);
                    // Labels that would lie on each other are left out: the words of the lane have all of them.
                    @let room = index.checked_sub(1).and_then(|before| figures.outages.get(before)).map_or(1.0, |before| (outage.start - before.start) / self.scale.end);
                    @if room > 0.2 {
                        text data-t=(middle) x=(self.scale.percent(middle)) y="44" class={ "outage" (side(middle / self.scale.end)) @if index > 0 { " wide" } } { (text) }
                    }
                }
            }
        }
    }

    fn latency(&self, header: &ProbeHeader, samples: &[&Sample]) -> Markup {
        let points = Points::of(samples, header.every.as_secs_f64(), self.scale);
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
                (self.shade())
                @for (value, _) in up.decades() {
                    line x1="0" x2="100%" y1=(short(up.y(value))) y2=(short(up.y(value))) class="grid" {}
                }
                @for (limit, _) in &lines {
                    line x1="0" x2="100%" y1=(short(up.y(*limit))) y2=(short(up.y(*limit))) class="limit" {}
                }
                (plot(latency::HEIGHT, &html! {
                    path d=(points.path(self.scale, up, |point| point.2)) class="p99" {}
                    path d=(points.path(self.scale, up, |point| point.1)) class="p50" {}
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

    /// Who answered, where more than one did.
    fn responders(&self, samples: &[&Sample], header: &ProbeHeader) -> Markup {
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for responder in samples.iter().filter_map(|sample| sample.responder.as_deref()) {
            *counts.entry(responder).or_default() += 1;
        }
        if counts.len() < 2 {
            return html! {};
        }
        let mut order: Vec<(&str, u64)> = counts.into_iter().collect();
        order.sort_by(|one, other| other.1.cmp(&one.1).then(one.0.cmp(other.0)));
        let width = (header.every.as_secs_f64() * 4.0).max(self.scale.end / 200.0);
        let names: Vec<&str> = order.iter().take(RESPONDERS).map(|(name, _)| *name).collect();
        let others = order.len() > RESPONDERS;
        let place = |name: &str| names.iter().position(|known| *known == name).unwrap_or(RESPONDERS);
        let mut columns: Vec<[u32; RESPONDERS + 1]> = Vec::new();
        for sample in samples {
            let Some(responder) = sample.responder.as_deref() else { continue };
            let index = (sample.scheduled.secs() / width) as usize;
            if columns.len() <= index {
                columns.resize(index + 1, [0; RESPONDERS + 1]);
            }
            columns[index][place(responder)] += 1;
        }
        let height = 16.0;
        let mut paths: [String; RESPONDERS + 1] = Default::default();
        for (index, column) in columns.iter().enumerate() {
            let all = f64::from(column.iter().sum::<u32>());
            let mut y = 0.0;
            for (path, count) in paths.iter_mut().zip(column).filter(|(_, count)| **count > 0) {
                let share = height * f64::from(*count) / all;
                let (x, until) = (self.scale.x(width * index as f64), self.scale.x(width * (index + 1) as f64));
                super::scale::rectangle(path, x, y, until - x, share);
                y += share;
            }
        }
        let words: Vec<String> =
            order.iter().map(|(name, count)| format!("{} {}", inert(name), grouped(*count))).collect();
        html! {
            p.series {
                "answers by: "
                @for (index, (name, count)) in order.iter().take(RESPONDERS).enumerate() {
                    span.key { i class={ "r" (index) } {} (inert(name)) " " (grouped(*count)) }
                }
                @if others { span.key { i.r5 {} (counted(order.len() - RESPONDERS, "other")) } }
            }
            svg width="100%" height=(height) role="img" aria-label={ "answers by " (words.join(", ")) } {
                (plot(height, &html! { @for (index, path) in paths.iter().enumerate() { @if !path.is_empty() { path d=(path) class={ "r" (index) } {} } } }))
            }
        }
    }

    fn facts(&self, rows: &[Fact], more: usize) -> Markup {
        html! {
            @if !rows.is_empty() {
                p.series { "what changed" }
                @for fact in rows {
                    @let steps: Vec<String> = fact.steps.iter().map(|(at, value)| format!("{} from {}", value, seconds(*at))).collect();
                    div.fact {
                        span.name title=(inert(&fact.name)) { (inert(&fact.name)) }
                        @if let Some(curve) = fact.curve() { (self.curve(&fact.name, &curve)) } @else {
                        svg width="100%" height=(ROW) role="img" aria-label={ (inert(&fact.name)) ": " (inert(&steps.join(", "))) } {
                            (self.shade())
                            @let ends = fact.steps.iter().skip(1).map(|(at, _)| *at).chain([self.scale.end]);
                            @for ((at, value), end) in fact.steps.iter().zip(ends) {
                                rect data-t=(at) data-to=(end) x=(self.scale.percent(*at)) width=(self.scale.percent(end - at)) y="2" height="14" class={ "step" @if fact.steps.first().is_some_and(|(_, first)| first != value) { " other" } } {}
                                @if (end - at) / self.scale.end * 700.0 > 7.0 * (value.chars().count() + 1) as f64 {
                                    text data-t=(at) x=(self.scale.percent(*at)) dx="3" y="13" class={ "value" @if (end - at) / self.scale.end * 230.0 <= 7.0 * (value.chars().count() + 1) as f64 { " wide" } } { (inert(value)) }
                                }
                            }
                        }
                        }
                    }
                }
                @if more > 0 { p.dim { (counted(more, "more value")) " changed; run.jsonl has them" } }
            }
        }
    }

    /// A number that changes all the time.
    fn curve(&self, name: &str, values: &[(f64, f64)]) -> Markup {
        let most = values.iter().map(|(_, value)| *value).fold(0.0, f64::max);
        let least = values.iter().map(|(_, value)| *value).fold(f64::INFINITY, f64::min);
        let ends = values.iter().skip(1).map(|(at, _)| *at).chain([self.scale.end]);
        let mut path = String::new();
        for ((at, value), end) in values.iter().zip(ends).filter(|((_, value), _)| *value > 0.0) {
            let tall = ROW * value / most;
            super::scale::rectangle(
                &mut path,
                self.scale.x(*at),
                ROW - tall,
                self.scale.x(end) - self.scale.x(*at),
                tall,
            );
        }
        let words = format!("{} to {}", short(least), short(most));
        html! {
            svg width="100%" height=(ROW) role="img" aria-label={ (inert(name)) ": " (words) } {
                (self.shade())
                (plot(ROW, &html! { path d=(path) class="lag" {} }))
                text x="2" y="10" class="tick" { (words) }
            }
        }
    }

    /// How late the runner itself was: all of it is in the latencies above.
    fn runner(&self) -> Markup {
        let record = self.run.record;
        let bins = 240.0_f64;
        let width = self.scale.end / bins;
        let mut worst: Vec<f64> = Vec::new();
        let mut not_sent = 0_u64;
        for sample in all_samples(record) {
            if !sample.class.is_valid() {
                not_sent += u64::from(sample.class == meshdrill_checks::record::Class::NotSent);
                continue;
            }
            let index = (sample.scheduled.secs() / width) as usize;
            if worst.len() <= index {
                worst.resize(index + 1, 0.0);
            }
            worst[index] = worst[index].max(sample.lag().as_secs_f64());
        }
        let longest = worst.iter().copied().fold(0.0, f64::max);
        if worst.is_empty() {
            return html! {};
        }
        let height = 30.0;
        let top = longest.max(0.001);
        let mut path = String::new();
        for (index, lag) in worst.iter().enumerate().filter(|(_, lag)| **lag > 0.0) {
            let tall = (height * lag / top).max(1.0);
            super::scale::rectangle(&mut path, self.scale.x(width * index as f64), height - tall, WIDTH / bins, tall);
        }
        let late = if longest > 0.0 { format!("{} late at most", seconds(longest)) } else { "never late".to_owned() };
        let words = format!(
            "{late}{}",
            if not_sent > 0 { format!(", {} not sent", grouped(not_sent)) } else { ", everything was sent".to_owned() }
        );
        html! {
            details.probe open {
                summary { b { "the runner itself" } " " span.dim { "how late it began its requests, the worst of each moment" } div.alt { (words) } }
                @if longest > 0.0 {
                    svg width="100%" height=(height) role="img" aria-label={ "runner: " (words) } {
                        (self.shade())
                        (plot(height, &html! { path d=(path) class="lag" {} }))
                        text x="2" y="10" class="tick" { (seconds(top)) }
                    }
                }
            }
        }
    }

    /// The control targets: whether anything reached the runner at all.
    fn control(&self) -> Markup {
        let Some(control) = &self.run.scorecard.control else { return html! {} };
        html! {
            details.probe open[!control.lost.is_empty()] {
                summary {
                    b { "the runner's network" }
                    " " span.dim { @for target in &control.targets { (inert(&target.name)) " answered " (target.answered) " of " (target.asked) " times " } }
                    div.alt {
                        @if control.lost.is_empty() { "there all the time" }
                        @for lost in &control.lost { "nothing came back from " (seconds(lost.from)) " to " (seconds(lost.until)) "; " (counted(lost.samples, "bad sample")) " do not count. " }
                    }
                }
                svg width="100%" height="14" role="img" aria-label="network of the runner" {
                    (self.shade())
                    rect x="0" y="2" width="100%" height="10" class="good" {}
                    @for lost in &control.lost {
                        rect data-t=(lost.from) data-to=(lost.until) x=(self.scale.percent(lost.from)) width=(self.scale.percent(lost.until - lost.from)) y="2" height="10" class="none" {}
                    }
                }
            }
        }
    }
}

fn all_samples(record: &Record) -> impl Iterator<Item = &Sample> {
    record.header.probes.iter().flat_map(|probe| record.samples(&probe.name))
}

/// A part of a lane that is stretched to the width of the page, and that the script zooms.
fn plot(height: f64, content: &Markup) -> Markup {
    html! {
        svg class="plot" width="100%" height=(height) viewBox={ "0 0 " (WIDTH) " " (height) } preserveAspectRatio="none" { (content) }
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

/// What is not good in a lane, for the script.
fn lane_data(id: String, columns: &Columns, samples: &[&Sample]) -> LaneData {
    const MESSAGES: usize = 200;
    let mut messages: Vec<String> = Vec::new();
    let mut of_column: BTreeMap<usize, usize> = BTreeMap::new();
    for sample in samples.iter().filter(|sample| !sample.class.is_good()) {
        let index = ((sample.scheduled.secs() - columns.from + 0.000_5) / columns.width) as usize;
        if of_column.contains_key(&index) {
            continue;
        }
        let Some(text) = sample.observed() else { continue };
        let text = format!("{}: {}", sample.class, crate::text::cut(&inert(&text), 240));
        let place = messages.iter().position(|known| *known == text).or_else(|| {
            (messages.len() < MESSAGES).then(|| {
                messages.push(text);
                messages.len() - 1
            })
        });
        of_column.extend(place.map(|place| (index, place)));
    }
    let flawed = columns.counts.iter().enumerate().filter(|(_, column)| column.is_flawed());
    let columns_data = flawed
        .map(|(index, one)| (index, one.good, one.late, one.bad, one.none, of_column.get(&index).copied()))
        .collect();
    LaneData { id, from: columns.from, width: columns.width, columns: columns_data, messages }
}

/// What was not good, by class, with an example of each.
fn failures(samples: &[&Sample]) -> Markup {
    struct Kind<'a> {
        count: u64,
        first: At,
        last: At,
        example: Option<&'a Sample>,
    }
    let mut kinds: BTreeMap<&'static str, Kind<'_>> = BTreeMap::new();
    for sample in samples.iter().filter(|sample| !sample.class.is_good()) {
        let kind = kinds.entry(sample.class.word()).or_insert(Kind {
            count: 0,
            first: sample.scheduled,
            last: sample.scheduled,
            example: None,
        });
        kind.count += 1;
        kind.first = kind.first.min(sample.scheduled);
        kind.last = kind.last.max(sample.scheduled);
        if kind.example.is_none() && (sample.message.is_some() || sample.seen.is_some()) {
            kind.example = Some(sample);
        }
    }
    let mut kinds: Vec<_> = kinds.into_iter().collect();
    kinds.sort_by_key(|(word, kind)| (std::cmp::Reverse(kind.count), *word));
    html! {
        @if !kinds.is_empty() {
            table.failures {
                thead { tr { th { "Class" } th { "Samples" } th { "First, last" } th { "The first of them" } } }
                tbody {
                    @for (word, kind) in kinds {
                        tr {
                            td { b { (word) } }
                            td.num { (grouped(kind.count)) }
                            td.num { (seconds(kind.first.secs())) ", " (seconds(kind.last.secs())) }
                            td.long { (kind.example.and_then(Sample::observed).map(|text| crate::text::cut(&inert(&text), 600).into_owned()).unwrap_or_default()) }
                        }
                    }
                }
            }
        }
    }
}

/// A name as part of a link: letters, digits and dashes.
pub(super) fn slug(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect()
}
