//! Availability: the share of good samples of this run, and the part of a longer window's error budget it spent.

use std::time::Duration;

use super::criteria::{Context, Judgement};
use super::evidence::ProbeEvidence;
use super::rate::{kinds, no_more};
use crate::criterion::During;
use crate::outage;
use crate::stats::poisson;
use crate::stats::proportion::{Proportion, samples_for_failures};
use crate::units::{Ratio, TimeSpan, percent, seconds};
use crate::verdict::Verdict;

/// `over: drill`: the lower bound of good / valid must reach the target.
pub(super) fn of_the_run(probe: &ProbeEvidence<'_>, target: Ratio, context: &Context<'_>) -> Judgement {
    let samples = probe.valid(&context.evidence.marks, During::All);
    let n = samples.len();
    let bad = samples.iter().filter(|sample| sample.class.is_bad()).count();
    let Some(proportion) = Proportion::new(bad as u64, n as u64).ok().filter(|_| n > 0) else {
        return Judgement::no_samples("ratio");
    };
    let value = 1.0 - bad as f64 / n as f64;
    let low = 1.0 - proportion.upper(context.confidence);
    let high = 1.0 - proportion.lower(context.confidence);
    let verdict = if low >= target.get() {
        Verdict::Pass
    } else if high < target.get() {
        Verdict::Fail
    } else {
        Verdict::Inconclusive
    };
    let mut message = format!(
        "{} ({bad} bad of {n}); supports >= {} at {}",
        percent(value),
        percent(low),
        percent(context.confidence.level())
    );
    if verdict == Verdict::Inconclusive
        && let Ok(needed) = samples_for_failures(bad as u64, target.get(), context.confidence)
    {
        message += &format!(
            "; insufficient evidence for {target}: needs {needed} samples with {}, has {n}",
            no_more(bad as u64, "bad")
        );
    }
    if verdict == Verdict::Fail {
        message += &kinds(&samples);
    }
    message += &outage_bound(probe, context);
    message += &worst_minute(probe);
    Judgement { value: Some(value), low: Some(low), high: Some(high), unit: "ratio", n, verdict, message }
}

/// `over: 30d`: the upper bound of the down time must fit into the budget's share.
pub(super) fn budget(
    probe: &ProbeEvidence<'_>,
    target: Ratio,
    over: TimeSpan,
    spend: Ratio,
    context: &Context<'_>,
) -> Judgement {
    let n = probe.valid(&context.evidence.marks, During::All).len();
    if n == 0 {
        return Judgement::no_samples("s");
    }
    let total = over.as_secs_f64() * target.complement();
    let allowed = total * spend.get();
    let down: Duration = probe.outages.iter().map(|outage| outage.down(context.evidence.end)).sum();
    let bounds = outage::down_time(&probe.outages);
    let (low, high) = (bounds.low.as_secs_f64(), bounds.high.map(|high| high.as_secs_f64()));
    let verdict = match high {
        Some(high) if high <= allowed => Verdict::Pass,
        _ if low > allowed => Verdict::Fail,
        _ => Verdict::Inconclusive,
    };
    let spent = down.as_secs_f64();
    let share = if total > 0.0 { spent / total } else { f64::INFINITY };
    let ended = if high.is_none() { " and the outage had not ended" } else { "" };
    let message = format!(
        "this drill spent {} of {} ({}){ended}; nothing is claimed about the rest of the {over}",
        seconds(spent),
        seconds(total),
        if share.is_finite() { percent(share) } else { "there is no budget".to_owned() },
    );
    Judgement { value: Some(spent), low: Some(low), high, unit: "s", n, verdict, message }
}

/// Samples of one outage are not independent, so the count of outages is bounded beside the count of samples.
fn outage_bound(probe: &ProbeEvidence<'_>, context: &Context<'_>) -> String {
    let events = probe.outages.len() as u64;
    format!("; outages seen: {events}, <= {:.1} expected in as long a run", poisson::upper(events, context.confidence))
}

/// The minute with the most bad samples, by when they were due.
fn worst_minute(probe: &ProbeEvidence<'_>) -> String {
    let valid: Vec<_> = probe.samples.iter().filter(|sample| sample.class.is_valid()).collect();
    let mut worst: Option<(f64, f64)> = None;
    let (mut first, mut good) = (0, 0_usize);
    for (index, sample) in valid.iter().enumerate() {
        good += usize::from(sample.class.is_good());
        while sample.scheduled.since(valid[first].scheduled) >= Duration::from_mins(1) {
            good -= usize::from(valid[first].class.is_good());
            first += 1;
        }
        let share = good as f64 / (index + 1 - first) as f64;
        let full = sample.scheduled.since(valid[0].scheduled) >= Duration::from_secs(59);
        if full && worst.is_none_or(|(lowest, _)| share < lowest) {
            worst = Some((share, valid[first].scheduled.secs()));
        }
    }
    worst.map_or_else(String::new, |(share, from)| format!("; worst minute {} (from {from:.0} s)", percent(share)))
}
