//! Acknowledged writes that could not be read back.

use super::criteria::{Context, Judgement};
use super::rate::by_bounds;
use crate::outage::SUSTAINED_SAMPLES;
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
    let (low, high) = (proportion.lower(context.confidence), proportion.upper(context.confidence));
    let verdict =
        if found.unread > 0 && lost == 0 { Verdict::Inconclusive } else { by_bounds(lost, n, (low, high), target) };
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
        message += &format!("; insufficient evidence: needs {SUSTAINED_SAMPLES} acknowledged writes, has {n}");
    }
    let value = Some(lost as f64 / n as f64);
    Judgement { value, low: Some(low), high: Some(high), unit: "ratio", n, verdict, message }
}
