//! Recovery time and the longest stretch of down time, both judged by the upper end of their interval.

use std::time::Duration;

use super::criteria::{Context, Judgement};
use super::evidence::ProbeEvidence;
use crate::outage::{Outage, SUSTAINED_SAMPLES};
use crate::record::{At, Sample};
use crate::units::{TimeSpan, seconds};
use crate::verdict::Verdict;

/// From the fault's effect to the end of the outage it caused; with several outages, the one that took longest.
pub(super) fn recovery_time(probe: &ProbeEvidence<'_>, target: TimeSpan, context: &Context<'_>) -> Judgement {
    let Some(t0) = context.evidence.marks.effective else {
        return Judgement::without_value(Verdict::Error, "s", "no fault took effect, so there is no t0");
    };
    let after = since(probe, t0);
    let n = after.len();
    let caused: Vec<&Outage> = probe.outages.iter().filter(|outage| outage.end.is_none_or(|end| end > t0)).collect();
    if n < SUSTAINED_SAMPLES {
        let message = format!("{n} samples after the fault; {SUSTAINED_SAMPLES} are needed to call anything recovered");
        return Judgement { n, ..Judgement::without_value(Verdict::Inconclusive, "s", message) };
    }
    let Some(worst) = caused.iter().max_by_key(|outage| (outage.end.is_none(), recovery(outage, context, t0))) else {
        let gap = resolution(&after);
        let message = format!("0 s: no outage seen in {n} samples (resolution {})", seconds(gap.as_secs_f64()));
        return gate(Some(0.0), 0.0, Some(gap), target, n, message);
    };
    let from = injected_before(worst, context, t0);
    let low = worst.last_bad.since(from).as_secs_f64();
    match worst.end {
        Some(end) => {
            let value = end.since(from);
            let requested = context.evidence.marks.requested.filter(|_| context.evidence.injections.len() < 2);
            let second = requested.map_or_else(String::new, |requested| {
                format!("; {} after it was requested", seconds(end.since(requested).as_secs_f64()))
            });
            let message = format!(
                "{} after the fault took effect (at least {}, n {n}){second}{}",
                seconds(value.as_secs_f64()),
                seconds(low),
                healed(end, context)
            );
            gate(Some(value.as_secs_f64()), low, Some(value), target, n, message)
        }
        None => gate(
            None,
            low,
            None,
            target,
            n,
            format!(
                "not recovered when the run ended, {} after the fault: {} good samples in a row over 30 s would show it",
                seconds(context.evidence.end.since(from).as_secs_f64()),
                SUSTAINED_SAMPLES
            ),
        ),
    }
}

/// The longest stretch of consecutive bad samples.
pub(super) fn max_outage(probe: &ProbeEvidence<'_>, target: TimeSpan, context: &Context<'_>) -> Judgement {
    let valid: Vec<&Sample> = probe.samples.iter().copied().filter(|sample| sample.class.is_valid()).collect();
    let n = valid.len();
    if n == 0 {
        return Judgement::no_samples("s");
    }
    let stretches: Vec<_> = probe.outages.iter().flat_map(|outage| &outage.stretches).collect();
    let open = stretches.iter().any(|stretch| stretch.end.is_none());
    let value = stretches.iter().map(|stretch| stretch.length(context.evidence.end)).max().unwrap_or_default();
    let low = stretches.iter().map(|stretch| stretch.bounds().low).max().unwrap_or_default();
    let gap = resolution(&valid);
    let high = stretches.iter().filter_map(|stretch| stretch.bounds().high).max().unwrap_or(gap);
    let message = match stretches.len() {
        0 => format!("0 s: no bad sample among {n} (resolution {})", seconds(gap.as_secs_f64())),
        count => format!(
            "{} longest of {count} stretches, at most {}",
            seconds(value.as_secs_f64()),
            if open { "unknown: it had not ended".to_owned() } else { seconds(high.as_secs_f64()) }
        ),
    };
    gate(Some(value.as_secs_f64()), low.as_secs_f64(), (!open).then_some(high), target, n, message)
}

/// Pass if certainly below the target, fail if certainly not, otherwise inconclusive.
fn gate(
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
    Judgement { value, low: Some(low), high: high.map(|high| high.as_secs_f64()), unit: "s", n, verdict, message }
}

fn since<'a>(probe: &ProbeEvidence<'a>, t0: At) -> Vec<&'a Sample> {
    probe.samples.iter().copied().filter(|sample| sample.class.is_valid() && sample.scheduled >= t0).collect()
}

/// The longest time in which nothing could have been seen: from one answer's due time to the next answer.
fn resolution(samples: &[&Sample]) -> Duration {
    samples.windows(2).map(|pair| pair[1].completed.since(pair[0].scheduled)).max().unwrap_or(Duration::MAX)
}

/// When the injection took hold that an outage is counted from: the last one before the outage began.
fn injected_before(outage: &Outage, context: &Context<'_>, t0: At) -> At {
    context.evidence.injections.iter().copied().filter(|at| *at <= outage.start).max().unwrap_or(t0)
}

fn recovery(outage: &Outage, context: &Context<'_>, t0: At) -> Duration {
    outage.end.unwrap_or(context.evidence.end).since(injected_before(outage, context, t0))
}

/// Whether the mesh healed by itself or only after the undo.
fn healed(end: At, context: &Context<'_>) -> &'static str {
    match context.evidence.marks.undo_requested {
        Some(undo) if end < undo => "; recovered before the undo",
        Some(_) => "; recovered after the undo was begun",
        None => "",
    }
}
