//! A criterion over the nights as SVG: values with their intervals, the target of each night, and changes.

use std::fmt::Write as _;

use maud::{Markup, html};
use meshdrill_checks::scorecard::Unit;
use meshdrill_checks::verdict::Verdict;
use meshdrill_reports::{figure, inert};

use crate::nights::{CriterionHistory, MeshHistory};

const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 120.0;
/// What is beyond the scale lies at this distance from the edge.
const EDGE: f64 = 4.0;
/// A target is shown if it is at most so many times the spread of the values away from them.
const MOST_ROOM: f64 = 4.0;

pub(super) fn render(mesh: &MeshHistory, criterion: &CriterionHistory) -> Markup {
    let Some(scale) = Scale::around(criterion) else {
        return html! { p.dim { "No run has a value." } };
    };
    let label = |night: usize| mesh.nights.get(night).map_or("", |night| night.label.as_str());
    let ends = criterion.points.first().zip(criterion.points.last()).map(|(a, b)| (label(a.night), label(b.night)));
    let (first, last) = ends.unwrap_or_default();
    let target = criterion.last().and_then(|point| point.measured.limit);
    let unseen = target.and_then(|limit| Some((scale.beyond(limit.value())?, limit.value())));
    let dots = |wanted: fn(Verdict) -> bool| dots(criterion, &scale, wanted);
    html! {
        div.plot-row {
            div.scale aria-hidden="true" { span { (figure(scale.high, criterion.unit)) } span { (figure(scale.low, criterion.unit)) } }
            svg width="100%" height=(HEIGHT) viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } preserveAspectRatio="none" role="img" aria-label=(inert(&words(criterion, first, last))) {
                path.band d=(bands(criterion, &scale)) {}
                path.target d=(targets(criterion, &scale)) {}
                path.level d=(levels(criterion, &scale)) {}
                path.flagged d=(changes(criterion, &scale)) {}
                path.dot d=(dots(|verdict| verdict == Verdict::Pass)) {}
                path.dot.unsure d=(dots(|verdict| matches!(verdict, Verdict::Inconclusive | Verdict::NotRun))) {}
                path.dot.failed d=(dots(|verdict| matches!(verdict, Verdict::Fail | Verdict::Error))) {}
            }
            div.dates { span { (first) } @if let Some((side, value)) = unseen { span { "the target, " (figure(value, criterion.unit)) ", is " (side) " this chart" } } span { (last) } }
        }
    }
}

/// The chart in words.
fn words(criterion: &CriterionHistory, first: &str, last: &str) -> String {
    let count = criterion.points.len();
    let median = criterion.median().map_or_else(|| "none".to_owned(), |value| figure(value, criterion.unit));
    format!("{} in {count} runs from {first} to {last}: median {median}; {}", criterion.id, criterion.status)
}

/// Where values lie. A few values far from all others, or a target far from all values, would press the others flat: they lie at
/// the edge.
struct Scale {
    low: f64,
    high: f64,
    first: usize,
    last: usize,
}

impl Scale {
    fn around(criterion: &CriterionHistory) -> Option<Self> {
        let mut all: Vec<f64> = criterion
            .points
            .iter()
            .flat_map(|point| [point.measured.low, point.measured.value, point.measured.high])
            .flatten()
            .collect();
        all.sort_unstable_by(f64::total_cmp);
        let spare = all.len() / 30;
        let (mut low, mut high) = (*all.get(spare)?, *all.get(all.len().checked_sub(spare + 1)?)?);
        let span = (high - low).max(high.abs() * 0.02).max(1e-9);
        for limit in criterion.points.iter().filter_map(|point| Some(point.measured.limit?.value())) {
            if limit > low - MOST_ROOM * span && limit < high + MOST_ROOM * span {
                (low, high) = (low.min(limit), high.max(limit));
            }
        }
        let room = ((high - low) * 0.08).max(span * 0.1);
        (low, high) = ((low - room).max(0.0), high + room);
        if criterion.unit == Unit::Ratio {
            high = high.min(1.0);
        }
        let (first, last) = (criterion.points.first()?.night, criterion.points.last()?.night);
        (high > low).then_some(Self { low, high, first, last })
    }

    /// Where a value that is not shown lies.
    fn beyond(&self, value: f64) -> Option<&'static str> {
        if value > self.high {
            Some("above")
        } else if value < self.low {
            Some("below")
        } else {
            None
        }
    }

    fn x(&self, night: usize) -> f64 {
        let room = (self.last - self.first).max(1) as f64;
        10.0 + (night - self.first) as f64 / room * (WIDTH - 20.0)
    }

    fn y(&self, value: f64) -> f64 {
        (HEIGHT * (self.high - value) / (self.high - self.low)).clamp(EDGE, HEIGHT - EDGE)
    }
}

fn bands(criterion: &CriterionHistory, scale: &Scale) -> String {
    let mut path = String::new();
    for point in &criterion.points {
        let Some(value) = point.measured.value else { continue };
        let (x, top, bottom) = (
            scale.x(point.night),
            scale.y(point.measured.high.unwrap_or(value)),
            scale.y(point.measured.low.unwrap_or(value)),
        );
        let _ = write!(path, "M{x:.1} {top:.1}V{bottom:.1}");
    }
    path
}

fn dots(criterion: &CriterionHistory, scale: &Scale, wanted: fn(Verdict) -> bool) -> String {
    let mut path = String::new();
    for point in criterion.points.iter().filter(|point| wanted(point.measured.verdict)) {
        if let Some(value) = point.measured.value {
            let _ = write!(path, "M{:.1} {:.1}h0", scale.x(point.night), scale.y(value));
        }
    }
    path
}

/// The target of each night, as steps.
fn targets(criterion: &CriterionHistory, scale: &Scale) -> String {
    let mut path = String::new();
    let mut before = None;
    for point in &criterion.points {
        let Some(limit) = point.measured.limit.filter(|limit| scale.beyond(limit.value()).is_none()) else { continue };
        let (x, y) = (scale.x(point.night), scale.y(limit.value()));
        let _ = match before {
            None => write!(path, "M{x:.1} {y:.1}"),
            Some(old) if old == limit => write!(path, "H{x:.1}"),
            Some(_) => write!(path, "H{x:.1}V{y:.1}"),
        };
        before = Some(limit);
    }
    path
}

/// The median between two changes.
fn levels(criterion: &CriterionHistory, scale: &Scale) -> String {
    let mut path = String::new();
    let Some(first) = criterion.changes.first() else { return path };
    let mut from = scale.x(scale.first);
    let _ = write!(path, "M{from:.1} {:.1}H{:.1}", scale.y(first.before), scale.x(first.night));
    for (index, change) in criterion.changes.iter().enumerate() {
        from = scale.x(change.night);
        let until = criterion.changes.get(index + 1).map_or(scale.last, |next| next.night);
        let _ = write!(path, "M{from:.1} {:.1}H{:.1}", scale.y(change.after), scale.x(until));
    }
    path
}

fn changes(criterion: &CriterionHistory, scale: &Scale) -> String {
    criterion.changes.iter().fold(String::new(), |mut path, change| {
        let _ = write!(path, "M{:.1} 0V{HEIGHT}", scale.x(change.night));
        path
    })
}
