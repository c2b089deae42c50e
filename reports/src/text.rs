//! Texts from outside made harmless: a pod's log, a label or a response may hold anything.

use std::borrow::Cow;

use meshdrill_checks::scorecard::{CriterionResult, Unit};
use meshdrill_checks::units::{grouped, percent, seconds};

/// Without control characters, escape sequences and what no XML may hold; `[[` cannot start an attachment.
pub fn inert(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => skip_escape(&mut chars),
            '\n' | '\t' => out.push(c),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out.replace("[[", "[ [")
}

/// A value of a unit, for readers.
pub fn figure(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Seconds => seconds(value),
        Unit::Ratio => percent(value),
        Unit::Count => grouped(value.round() as u64),
        Unit::PValue => format!("p = {value:.4}"),
        Unit::None => value.to_string(),
    }
}

/// The interval of a criterion; none where it has no bounds.
pub fn interval(one: &CriterionResult) -> Option<String> {
    // Without a value, a lower bound alone says nothing.
    let low = one.low.filter(|_| one.value.is_some() || one.high.is_some());
    bounds(low, one.high, one.unit)
}

/// Two bounds, or the one that is known.
pub fn bounds(low: Option<f64>, high: Option<f64>, unit: Unit) -> Option<String> {
    match (low, high) {
        (Some(low), Some(high)) => Some(format!("{} to {}", figure(low, unit), figure(high, unit))),
        (Some(low), None) => Some(format!("at least {}", figure(low, unit))),
        (None, Some(high)) => Some(format!("at most {}", figure(high, unit))),
        (None, None) => None,
    }
}

/// What a report of a lab run begins with.
pub const LAB: &str = "Run on the embedded lab: no evidence about any cluster.";

/// How many samples would decide an inconclusive criterion.
pub(super) fn conclusive_with(needed: u64) -> String {
    format!("Conclusive with {} samples and no more bad ones", grouped(needed))
}

/// At most so many characters; an ellipsis ends what is cut.
pub fn cut(text: &str, longest: usize) -> Cow<'_, str> {
    if text.chars().nth(longest).is_none() {
        return Cow::Borrowed(text);
    }
    let kept: String = text.chars().take(longest.saturating_sub(1)).collect();
    Cow::Owned(format!("{}…", kept.trim_end()))
}

/// Drops the rest of a terminal escape sequence.
fn skip_escape(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    if chars.next_if_eq(&'[').is_some() {
        while chars.next_if(|c| !('@'..='~').contains(c)).is_some() {}
        chars.next();
    }
}

#[cfg(test)]
mod tests {
    use super::{cut, inert};

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(cut("größer", 6), "größer");
        assert_eq!(cut("größer", 5), "größ…");
        assert_eq!(cut("ab cdef", 4), "ab…", "no space before the ellipsis");
    }

    #[test]
    fn hostile_texts_become_harmless() {
        assert_eq!(inert("a\u{1b}[31mred\u{1b}[0m\u{0}b"), "ared\u{fffd}b");
        assert_eq!(inert("[[ATTACHMENT|/etc/passwd]]"), "[ [ATTACHMENT|/etc/passwd]]");
        assert_eq!(inert("x\u{fffe}y"), "x\u{fffd}y");
    }
}
