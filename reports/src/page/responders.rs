//! Who answered, where more than one did.

use std::collections::BTreeMap;

use maud::{Markup, html};
use meshdrill_checks::record::{ProbeHeader, Sample};
use meshdrill_checks::units::{counted, grouped};

use super::canvas::{Canvas, plot};
use super::scale::{cell, rectangle};
use crate::text::inert;

/// The most responders with a colour of their own.
const RESPONDERS: usize = 5;

/// Who answered, where more than one did.
pub(super) fn lane(canvas: &Canvas<'_>, samples: &[&Sample], header: &ProbeHeader) -> Markup {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for responder in samples.iter().filter_map(|sample| sample.responder.as_deref()) {
        *counts.entry(responder).or_default() += 1;
    }
    if counts.len() < 2 {
        return html! {};
    }
    let mut order: Vec<(&str, u64)> = counts.into_iter().collect();
    order.sort_by(|one, other| other.1.cmp(&one.1).then(one.0.cmp(other.0)));
    let width = (header.every.as_secs_f64() * 4.0).max(canvas.scale.end / 200.0);
    let names: Vec<&str> = order.iter().take(RESPONDERS).map(|(name, _)| *name).collect();
    let others = order.len() > RESPONDERS;
    let place = |name: &str| names.iter().position(|known| *known == name).unwrap_or(RESPONDERS);
    let mut columns: Vec<[u32; RESPONDERS + 1]> = Vec::new();
    for sample in samples {
        let Some(responder) = sample.responder.as_deref() else { continue };
        let index = (sample.scheduled.secs() / width) as usize;
        cell(&mut columns, index)[place(responder)] += 1;
    }
    let height = 16.0;
    let mut paths: [String; RESPONDERS + 1] = Default::default();
    for (index, column) in columns.iter().enumerate() {
        let all = f64::from(column.iter().sum::<u32>());
        let mut y = 0.0;
        for (path, count) in paths.iter_mut().zip(column).filter(|(_, count)| **count > 0) {
            let share = height * f64::from(*count) / all;
            let (x, until) = (canvas.scale.x(width * index as f64), canvas.scale.x(width * (index + 1) as f64));
            rectangle(path, x, y, until - x, share);
            y += share;
        }
    }
    let words: Vec<String> = order.iter().map(|(name, count)| format!("{} {}", inert(name), grouped(*count))).collect();
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
