//! From the removal of a target to its replacement being ready.

use super::criteria::{Context, Judgement};
use crate::units::{TimeSpan, seconds};
use crate::verdict::Verdict;

/// Every target must have a ready replacement in less than the target time.
pub(super) fn judge(fault: &str, target: TimeSpan, context: &Context<'_>) -> Judgement {
    let Some(restarts) = context.evidence.restarts.get(fault) else {
        return Judgement::without_value(Verdict::Error, "s", "nothing was removed by this fault");
    };
    let n = restarts.removed;
    let missing = n.saturating_sub(restarts.replaced.len());
    let slowest = restarts.replaced.iter().max().copied();
    let waited = restarts.first.map_or(0.0, |first| context.evidence.end.since(first).as_secs_f64());
    let (verdict, message) = match (missing, slowest) {
        (0, Some(slowest)) => {
            let verdict = if slowest < target.0 { Verdict::Pass } else { Verdict::Fail };
            (verdict, format!("{} until the last of {n} replacements was ready", seconds(slowest.as_secs_f64())))
        }
        (0, None) => (Verdict::Error, "nothing was removed by this fault".to_owned()),
        (missing, _) if waited >= target.as_secs_f64() => {
            (Verdict::Fail, format!("{missing} of {n} had no ready replacement after {}", seconds(waited)))
        }
        (missing, _) => (
            Verdict::Inconclusive,
            format!("{missing} of {n} had no ready replacement when the run ended, {} after", seconds(waited)),
        ),
    };
    let value = slowest.filter(|_| missing == 0).map(|slowest| slowest.as_secs_f64());
    Judgement { value, low: value, high: value, unit: "s", n, verdict, message }
}
