//! Quantiles of latency, judged by the count of raw samples at or above the limit. A failed request counts as infinitely
//! slow; no histogram bucket decides.

use super::criteria::{Context, Judgement};
use super::evidence::ProbeEvidence;
use crate::criterion::During;
use crate::record::Sample;
use crate::stats::proportion::{Proportion, samples_for_failures};
use crate::units::{Ratio, TimeSpan, percent, seconds};
use crate::verdict::Verdict;

/// The upper bound of the quantile must lie below the target.
pub(super) fn judge(
    probe: &ProbeEvidence<'_>,
    quantile: Ratio,
    target: TimeSpan,
    during: During,
    context: &Context<'_>,
) -> Judgement {
    let samples = probe.valid(&context.evidence.marks, during);
    let n = samples.len();
    let slow = |sample: &&&Sample| answered(sample).is_none_or(|latency| latency >= target.0);
    let above = samples.iter().filter(slow).count();
    let Some(proportion) = Proportion::new(above as u64, n as u64).ok().filter(|_| n > 0) else {
        return Judgement::no_samples("s");
    };
    let allowed = quantile.complement();
    let (low_share, high_share) = (proportion.lower(context.confidence), proportion.upper(context.confidence));
    let verdict = if high_share <= allowed {
        Verdict::Pass
    } else if low_share > allowed {
        Verdict::Fail
    } else {
        Verdict::Inconclusive
    };
    let mut latencies: Vec<Option<f64>> =
        samples.iter().map(|sample| answered(sample).map(|latency| latency.as_secs_f64())).collect();
    latencies.sort_by(|a, b| a.unwrap_or(f64::INFINITY).total_cmp(&b.unwrap_or(f64::INFINITY)));
    let value = latencies[nearest_rank(quantile, n) - 1];
    let upper = upper_rank(quantile, n, context).and_then(|rank| latencies[rank - 1]);
    let mut message = format!(
        "P{} {} (at most {}, n {n}, {above} at or above {target})",
        quantile.to_string().trim_end_matches('%'),
        value.map_or_else(|| "is a failed request".to_owned(), seconds),
        upper.map_or_else(|| "unknown".to_owned(), seconds),
    );
    if verdict == Verdict::Inconclusive
        && let Ok(needed) = samples_for_failures(above as u64, quantile.get(), context.confidence)
    {
        message += &format!("; insufficient evidence: needs {needed} samples with {above} slow, has {n}");
    }
    if verdict == Verdict::Fail {
        message += &format!("; {} of the samples may be slower, at least {} are", percent(allowed), percent(low_share));
    }
    Judgement { value, low: None, high: upper, unit: "s", n, verdict, message }
}

/// The latency of a sample that was answered rightly, however late; none for a failure.
fn answered(sample: &Sample) -> Option<std::time::Duration> {
    use crate::record::Class;
    matches!(sample.class, Class::Good | Class::Late).then(|| sample.latency())
}

/// 1-based nearest rank, worked out in integers so that no float rounding moves it.
fn nearest_rank(quantile: Ratio, n: usize) -> usize {
    let parts = (quantile.get() * 1e6).round() as u128;
    let rank = (parts * n as u128).div_ceil(1_000_000);
    usize::try_from(rank).unwrap_or(n).clamp(1, n)
}

/// The smallest 1-based rank whose value is an upper bound of the quantile at the confidence; none if n is too small.
fn upper_rank(quantile: Ratio, n: usize, context: &Context<'_>) -> Option<usize> {
    let bound = |rank: usize| {
        Proportion::new((n - rank) as u64, n as u64).is_ok_and(|above| above.upper(context.confidence) <= quantile.complement())
    };
    let (mut low, mut high) = (nearest_rank(quantile, n), n);
    if !bound_at_end(n, &bound) {
        return None;
    }
    while low < high {
        let middle = usize::midpoint(low, high);
        if bound(middle) { high = middle } else { low = middle + 1 }
    }
    Some(low)
}

fn bound_at_end(n: usize, bound: &impl Fn(usize) -> bool) -> bool {
    n > 0 && bound(n)
}
