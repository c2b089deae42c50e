//! Times known between two bounds against a limit.

use std::time::Duration;

use crate::figure::Unit;
use crate::judgement::Judgement;
use crate::record::Sample;
use crate::units::TimeSpan;
use crate::verdict::Verdict;

/// Pass if certainly below the target, fail if certainly not, otherwise inconclusive.
pub(super) fn judge(
    value: Option<f64>,
    low: f64,
    high: Option<Duration>,
    target: TimeSpan,
    n: usize,
    message: String,
) -> Judgement {
    let verdict = match high {
        Some(high) if high < target.0 => Verdict::Pass,
        _ if low >= target.as_secs_f64() => Verdict::Fail,
        _ => Verdict::Inconclusive,
    };
    Judgement {
        value,
        low: Some(low),
        high: high.map(|high| high.as_secs_f64()),
        unit: Unit::Seconds,
        n,
        verdict,
        message,
        need: None,
    }
}

/// The longest time in which nothing could have been seen: from one answer's due time to the next answer.
pub(super) fn resolution(samples: &[&Sample]) -> Duration {
    samples.windows(2).map(|pair| pair[1].completed.since(pair[0].scheduled)).max().unwrap_or(Duration::MAX)
}
