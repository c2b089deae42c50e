//! The table of criteria: value, interval, target, samples, and a bar that shows where the interval lies against the target.

use maud::{Markup, html};
use meshdrill_checks::scorecard::{CriterionResult, Limit, Scorecard, Unit};
use meshdrill_checks::units::{grouped, seconds};
use meshdrill_checks::verdict::Verdict;

use super::pill;
use super::scale::short;
use crate::Run;
use crate::text::{conclusive_with, figure, inert, interval};

/// The table; nothing without criteria.
pub(super) fn table(run: &Run<'_>) -> Markup {
    let card = run.scorecard;
    html! {
        @if !card.criteria.is_empty() {
            h2 id="criteria" { "Criteria" }
            table.criteria {
                thead { tr { th { "Verdict" } th { "Criterion" } th { "Measured" } th { "Target" } th { "Samples" } } }
                tbody {
                    @for one in &card.criteria {
                        tr id={ "criterion-" (super::lanes::slug(&one.id)) } {
                            td { (pill(one.verdict)) }
                            td { b { (inert(&one.id)) } div.dim { (inert(&one.message)) } (needs(run, one)) }
                            td.num data-label="measured" { (measured(one)) }
                            td.num data-label="target" { (inert(&one.target)) (bar(one)) }
                            td.num data-label="samples" { (grouped(one.n as u64)) }
                        }
                    }
                }
            }
        }
    }
}

fn measured(one: &CriterionResult) -> Markup {
    html! {
        @match one.value { Some(number) => (figure(number, one.unit)), None => "–" }
        @if let Some(interval) = interval(one) { div.dim { (interval) } }
    }
}

/// How many more samples would decide it, and how long that takes.
fn needs(run: &Run<'_>, one: &CriterionResult) -> Markup {
    let Some(needed) = one.needed_samples else { return html! {} };
    let every = one.probe.as_deref().and_then(|name| run.record.probe(name)).map(|probe| probe.every);
    html! {
        div.needs {
            (conclusive_with(needed))
            @if let Some(every) = every {
                ": " (seconds(every.as_secs_f64() * needed as f64)) " at one every " (every) ", or a shorter " code { "every:" }
            }
            ". " code { "run --conclusive" } " lengthens the observation as needed."
        }
    }
}

/// The interval against the target, on a labelled scale.
fn bar(one: &CriterionResult) -> Markup {
    let (Some(limit), Some(number)) = (one.limit, one.value) else { return html! {} };
    let domain = Domain::of(one, limit.value());
    let low = domain.x(one.low.unwrap_or(number));
    let open =
        one.high.is_none() && matches!(limit, Limit::Below(_) | Limit::AtMost(_)) && one.verdict != Verdict::Pass;
    let high = if open { 100.0 } else { domain.x(one.high.unwrap_or(number)) };
    let goal = domain.x(limit.value());
    let (good_x, good_width) = if matches!(limit, Limit::AtLeast(_)) { (goal, 100.0 - goal) } else { (0.0, goal) };
    let words = format!(
        "{} of {} to {}",
        figure(number, one.unit),
        figure(domain.low, one.unit),
        figure(domain.high, one.unit)
    );
    html! {
        svg class="bar" width="100%" height="26" role="img" aria-label={ "bar: " (words) ", target " (inert(&one.target)) } {
            rect x="0" y="5" width="100%" height="4" class="rail" {}
            rect x={ (short(good_x)) "%" } y="5" width={ (short(good_width)) "%" } height="4" class="allowed" {}
            rect x={ (short(low)) "%" } y="3" width={ (short((high - low).max(1.5))) "%" } height="8" class={ "v-" (one.verdict.word()) } {}
            line x1={ (short(domain.x(number))) "%" } x2={ (short(domain.x(number))) "%" } y1="1" y2="13" class="point" {}
            line x1={ (short(goal)) "%" } x2={ (short(goal)) "%" } y1="0" y2="14" class="goal" {}
            text x="0" y="24" class="tick" { (figure(domain.low, one.unit)) }
            text x="100%" y="24" class="tick end" { (figure(domain.high, one.unit)) }
        }
    }
}

/// The part of the scale that a bar shows.
struct Domain {
    low: f64,
    high: f64,
}

impl Domain {
    fn of(one: &CriterionResult, limit: f64) -> Self {
        let values = [one.low, one.value, one.high, Some(limit)];
        let (low, high) = values
            .iter()
            .flatten()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(*value), high.max(*value)));
        match (one.unit, one.limit) {
            // Near 100 % the whole scale shows nothing.
            (Unit::Ratio, Some(Limit::AtLeast(_))) => {
                let room = ((high - low) * 0.15).max(1e-6);
                Self { low: (low - room).max(0.0), high: (high + room).min(1.0) }
            }
            (Unit::Ratio, _) => Self { low: 0.0, high: (high * 1.15).clamp(1e-6, 1.0) },
            _ => Self { low: 0.0, high: (high * 1.15).max(1e-9) },
        }
    }

    /// In percent of the width.
    fn x(&self, value: f64) -> f64 {
        ((value - self.low) / (self.high - self.low).max(f64::MIN_POSITIVE) * 100.0).clamp(0.0, 100.0)
    }
}

/// The checks, by where they stand.
pub(super) fn checks(card: &Scorecard) -> Markup {
    html! {
        @if !card.checks.is_empty() {
            h2 id="checks" { "Checks" }
            table.checks {
                thead { tr { th { "Verdict" } th { "When" } th { "Check" } th { "Observed" } } }
                tbody {
                    @for check in &card.checks {
                        tr {
                            td { (pill(check.verdict)) }
                            td { (check.phase.key()) }
                            td { b { (inert(&check.id)) } }
                            td.long { (inert(&check.message)) }
                        }
                    }
                }
            }
        }
        @if !card.not_run.is_empty() {
            h2 { "Not run" }
            table { tbody {
                @for missing in &card.not_run {
                    tr { td { (pill(Verdict::NotRun)) } td { b { (inert(&missing.id)) } } td.long { (inert(&missing.reason)) } td { @if missing.waived { "waived" } @else { "not waived" } } }
                }
            } }
        }
    }
}
