//! The health of the runner itself.

use maud::{Markup, html};
use meshdrill_checks::record::{Class, Record, Sample};
use meshdrill_checks::scorecard::Scorecard;
use meshdrill_checks::units::{counted, grouped, seconds};

use super::canvas::{Canvas, plot};
use super::scale::{WIDTH, cell, rectangle};
use crate::Run;
use crate::text::inert;

/// How late the runner itself was: all of it is in the latencies above.
pub(super) fn lane(canvas: &Canvas<'_>, run: &Run<'_>) -> Markup {
    let record = run.record;
    let bins = 240.0_f64;
    let width = canvas.scale.end / bins;
    let mut worst: Vec<f64> = Vec::new();
    let mut not_sent = 0_u64;
    for sample in all_samples(record) {
        if !sample.class.is_valid() {
            not_sent += u64::from(sample.class == Class::NotSent);
            continue;
        }
        let index = (sample.scheduled.secs() / width) as usize;
        let worst = cell(&mut worst, index);
        *worst = worst.max(sample.lag().as_secs_f64());
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
        rectangle(&mut path, canvas.scale.x(width * index as f64), height - tall, WIDTH / bins, tall);
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
                    (canvas.shade())
                    (plot(height, &html! { path d=(path) class="lag" {} }))
                    text x="2" y="10" class="tick" { (seconds(top)) }
                }
            }
        }
    }
}

/// The control targets: whether anything reached the runner at all.
pub(super) fn network(canvas: &Canvas<'_>, card: &Scorecard) -> Markup {
    let Some(control) = &card.control else { return html! {} };
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
                (canvas.shade())
                rect x="0" y="2" width="100%" height="10" class="good" {}
                @for lost in &control.lost {
                    rect data-t=(lost.from) data-to=(lost.until) x=(canvas.scale.percent(lost.from)) width=(canvas.scale.percent(lost.until - lost.from)) y="2" height="10" class="none" {}
                }
            }
        }
    }
}

fn all_samples(record: &Record) -> impl Iterator<Item = &Sample> {
    record.header.probes.iter().flat_map(|probe| record.samples(&probe.name))
}
