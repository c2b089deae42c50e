//! Quantiles of times, judged by the count of raw samples at or above the limit. A failed request counts as infinitely
//! slow; no histogram bucket decides.

use std::time::Duration;

use crate::evidence::ProbeEvidence;
use crate::figure::Unit;
use crate::judgement::{Context, Judgement, Need};
use crate::record::{RequestPhases, Sample, Timings};
use crate::stats::proportion::{Proportion, samples_for_failures, samples_for_zero_failures};
use crate::stats::quantile::{Quantile, Ranked, Samples};
use crate::units::{Ratio, TimeSpan, percent, seconds};
use crate::verdict::Verdict;
use crate::window::During;
use crate::wording::no_more;

/// `p99` as in ids.
pub(super) fn label(quantile: Ratio) -> String {
    format!("p{}", quantile.to_string().trim_end_matches('%'))
}

/// The upper bound of the quantile must lie below the target.
pub(super) fn judge(
    probe: &ProbeEvidence<'_>,
    share: Ratio,
    target: TimeSpan,
    during: During,
    context: &Context<'_>,
) -> Judgement {
    let valid = probe.valid(&context.evidence.marks, during);
    let answered: Vec<Duration> = valid.iter().filter_map(|sample| answered(sample)).collect();
    let failed = (valid.len() - answered.len()) as u64;
    let judgement = Times { known: answered, failed, items: "samples", suffix: "" }.judge(share, target, context);
    let timings = probe.timed(&context.evidence.marks, during);
    Judgement { message: judgement.message + &phases(&valid, &timings, share), ..judgement }
}

/// The same quantile of each phase of the answered requests, and of what the runner added, in words; empty where nothing was
/// timed.
fn phases(samples: &[&Sample], timings: &[&Timings], share: Ratio) -> String {
    let Ok(quantile) = Quantile::new((share.get() * 1e6).round() as u32, 1_000_000) else { return String::new() };
    let figure = |name: &str, lengths: Vec<(Duration, u64)>| {
        Some(format!("{name} {}", seconds(quantile.of_counted(lengths)?.as_secs_f64())))
    };
    let lags = samples.iter().filter(|sample| sample.class.is_answered()).map(|sample| (sample.lag(), 1)).collect();
    let runner = quantile.of_counted(lags).filter(|lag| !lag.is_zero());
    let runner = runner.map(|lag| format!("runner {}", seconds(lag.as_secs_f64())));
    let lengths = RequestPhases::NAMES.iter().zip(crate::timings::lengths(samples, timings));
    let figures: Vec<String> =
        runner.into_iter().chain(lengths.filter_map(|(name, lengths)| figure(name, lengths))).collect();
    if figures.is_empty() { String::new() } else { format!("; phases at {}: {}", label(share), figures.join(", ")) }
}

/// Times of which a quantile is judged.
pub(super) struct Times {
    /// Those that were measured.
    pub known: Vec<Duration>,
    /// How many count as longer than any limit.
    pub failed: u64,
    /// What each time is of: `samples`.
    pub items: &'static str,
    /// What follows their count: ` pairs`; nothing for samples.
    pub suffix: &'static str,
}

impl Times {
    /// The upper bound of the quantile must lie below the target.
    pub fn judge(self, share: Ratio, target: TimeSpan, context: &Context<'_>) -> Judgement {
        let Self { known, failed, items, suffix } = self;
        let n = known.len() + failed as usize;
        let samples = Samples::new(known, failed);
        let above = samples.at_or_above(target.0);
        let (Ok(quantile), Ok(proportion)) =
            (Quantile::new((share.get() * 1e6).round() as u32, 1_000_000), Proportion::new(above, n as u64))
        else {
            return Judgement::without_value(Verdict::Error, Unit::Seconds, format!("{share} is not a quantile"));
        };
        if n == 0 {
            return Judgement::no_samples(Unit::Seconds);
        }
        let allowed = share.complement();
        let least = proportion.lower(context.confidence);
        let verdict = if proportion.upper(context.confidence) <= allowed {
            Verdict::Pass
        } else if least > allowed {
            Verdict::Fail
        } else {
            Verdict::Inconclusive
        };
        let value = samples.quantile(quantile);
        let upper = samples.upper_bound(quantile, context.confidence);
        let bound = match upper {
            Some(upper) => format!("upper bound {}", words(upper)),
            None => samples_for_zero_failures(share.get(), context.confidence)
                .map_or_else(|_| "no upper bound".to_owned(), |needed| format!("upper bound needs {needed} {items}")),
        };
        let mut message = format!(
            "P{} {} ({bound}, n {n}{}, {above} at or above {target})",
            share.to_string().trim_end_matches('%'),
            value.map_or_else(|| "unknown".to_owned(), words),
            suffix,
        );
        let mut need = None;
        match verdict {
            Verdict::Inconclusive => {
                if let Ok(needed) = samples_for_failures(above, share.get(), context.confidence) {
                    need = Some(Need::Samples(needed));
                    message += &format!(
                        "; insufficient evidence: needs {needed} {items} with {}, has {n}",
                        no_more(above, "slow")
                    );
                }
            }
            Verdict::Fail => {
                message +=
                    &format!("; {} may be at or above the target, at least {} are", percent(allowed), percent(least));
            }
            Verdict::Pass | Verdict::Error | Verdict::NotRun => {}
        }
        let finite = |ranked| match ranked {
            Ranked::Within(latency) => Some(Duration::as_secs_f64(&latency)),
            Ranked::Never => None,
        };
        Judgement {
            value: value.and_then(finite),
            low: None,
            high: upper.and_then(finite),
            unit: Unit::Seconds,
            n,
            verdict,
            message,
            need,
        }
    }
}

/// The latency of a sample that was answered rightly, however late; none for a failure.
fn answered(sample: &Sample) -> Option<Duration> {
    sample.class.is_answered().then(|| sample.latency())
}

fn words(ranked: Ranked) -> String {
    match ranked {
        Ranked::Within(latency) => seconds(latency.as_secs_f64()),
        Ranked::Never => "infinite".to_owned(),
    }
}
