//! Acknowledged writes that could not be read back.

use super::criteria::{Context, Judgement};
use super::rate::{by_bounds, needed, no_more};
use crate::record::ReadBack;
use crate::stats::proportion::Proportion;
use crate::units::{Ratio, percent};
use crate::verdict::Verdict;

/// The upper bound of the share that was lost must not exceed the target.
pub(super) fn judge(read_back: Option<&ReadBack>, target: Ratio, context: &Context<'_>) -> Judgement {
    let Some(found) = read_back else {
        let message = "nothing was read back, so nothing is known of what was written";
        return Judgement::without_value(Verdict::Inconclusive, "ratio", message);
    };
    let (n, lost) = (found.acknowledged as usize, found.lost.len());
    let Some(proportion) = Proportion::new(lost as u64, n as u64).ok().filter(|_| n > 0) else {
        return Judgement::no_samples("ratio");
    };
    // What could not be read back may be lost: a pass must hold if it is, and a fail if it is not.
    let unread = found.unread as usize;
    let worst = Proportion::new((lost + unread) as u64, n as u64).unwrap_or(proportion);
    let (low, high) = (proportion.lower(context.confidence), worst.upper(context.confidence));
    let at_best = by_bounds(lost, n, (low, proportion.upper(context.confidence)), target);
    let at_worst = by_bounds(lost + unread, n, (worst.lower(context.confidence), high), target);
    let verdict = if at_best == at_worst { at_best } else { Verdict::Inconclusive };
    let mut message = format!(
        "{lost} of {n} acknowledged writes lost, <= {} at {}",
        percent(high),
        percent(context.confidence.level())
    );
    if let Some(first) = found.lost.first() {
        message += &format!("; first lost: {first}");
    }
    if found.unread > 0 {
        message += &format!("; {} could not be read back: {}", found.unread, found.why);
    }
    if verdict == Verdict::Inconclusive && found.unread == 0 {
        message += &needed(lost, target, context.confidence).map_or_else(String::new, |needed| {
            format!(
                "; insufficient evidence: needs {needed} acknowledged writes with {}, has {n}",
                no_more(lost as u64, "lost")
            )
        });
    }
    let value = Some(lost as f64 / n as f64);
    Judgement { value, low: Some(low), high: Some(high), unit: "ratio", n, verdict, message }
}
