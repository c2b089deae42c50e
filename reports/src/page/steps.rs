//! What a probe observed beside good and bad, as rows of steps.

use maud::{Markup, html};
use meshdrill_checks::units::{counted, seconds};

use super::canvas::{Canvas, plot};
use super::facts::Facts;
use super::scale::{rectangle, short};
use crate::text::inert;

/// The height of a row.
const ROW: f64 = 18.0;

/// One row for each fact that changed.
pub(super) fn lanes(canvas: &Canvas<'_>, facts: &Facts) -> Markup {
    html! {
        @if !facts.rows.is_empty() {
            p.series { "what changed" }
            @for fact in &facts.rows {
                @let steps: Vec<String> = fact.steps.iter().map(|(at, value)| format!("{} from {}", value, seconds(*at))).collect();
                div.fact {
                    span.name title=(inert(&fact.name)) { (inert(&fact.name)) }
                    @if let Some(values) = fact.curve() { (curve(canvas, &fact.name, &values)) } @else {
                    svg width="100%" height=(ROW) role="img" aria-label={ (inert(&fact.name)) ": " (inert(&steps.join(", "))) } {
                        (canvas.shade())
                        @let ends = fact.steps.iter().skip(1).map(|(at, _)| *at).chain([canvas.scale.end]);
                        @for ((at, value), end) in fact.steps.iter().zip(ends) {
                            rect data-t=(at) data-to=(end) x=(canvas.scale.percent(*at)) width=(canvas.scale.percent(end - at)) y="2" height="14" class={ "step" @if fact.steps.first().is_some_and(|(_, first)| first != value) { " other" } } {}
                            @if (end - at) / canvas.scale.end * 700.0 > 7.0 * (value.chars().count() + 1) as f64 {
                                text data-t=(at) x=(canvas.scale.percent(*at)) dx="3" y="13" class={ "value" @if (end - at) / canvas.scale.end * 230.0 <= 7.0 * (value.chars().count() + 1) as f64 { " wide" } } { (inert(value)) }
                            }
                        }
                    }
                    }
                }
            }
            @if facts.more > 0 { p.dim { (counted(facts.more, "more value")) " changed: `meshdrill record` prints all" } }
        }
    }
}

/// A number that changes all the time.
fn curve(canvas: &Canvas<'_>, name: &str, values: &[(f64, f64)]) -> Markup {
    let most = values.iter().map(|(_, value)| *value).fold(0.0, f64::max);
    let least = values.iter().map(|(_, value)| *value).fold(f64::INFINITY, f64::min);
    let ends = values.iter().skip(1).map(|(at, _)| *at).chain([canvas.scale.end]);
    let mut path = String::new();
    for ((at, value), end) in values.iter().zip(ends).filter(|((_, value), _)| *value > 0.0) {
        let tall = ROW * value / most;
        rectangle(&mut path, canvas.scale.x(*at), ROW - tall, canvas.scale.x(end) - canvas.scale.x(*at), tall);
    }
    let words = format!("{} to {}", short(least), short(most));
    html! {
        svg width="100%" height=(ROW) role="img" aria-label={ (inert(name)) ": " (words) } {
            (canvas.shade())
            (plot(ROW, &html! { path d=(path) class="lag" {} }))
            text x="2" y="10" class="tick" { (words) }
        }
    }
}
