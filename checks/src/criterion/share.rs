//! Shares of bad samples, judged by their exact upper bound.

use crate::evidence::ProbeEvidence;
use crate::figure::Unit;
use crate::judgement::{Context, Judgement, Need};
use crate::outage::SUSTAINED_SAMPLES;
use crate::stats::Confidence;
use crate::stats::proportion::{Proportion, samples_for_failures, samples_for_zero_failures};
use crate::units::{Ratio, percent};
use crate::verdict::Verdict;
use crate::window::During;
use crate::wording::{failures, no_more};

/// The verdict on a share: its upper bound must not exceed the target. A target of exactly 0 is about the samples made: none
/// bad, of enough.
pub(super) fn by_bounds(bad: usize, n: usize, (low, high): (f64, f64), target: Ratio) -> Verdict {
    if target.get() == 0.0 {
        return match bad {
            0 if n >= SUSTAINED_SAMPLES => Verdict::Pass,
            0 => Verdict::Inconclusive,
            _ => Verdict::Fail,
        };
    }
    if high <= target.get() {
        Verdict::Pass
    } else if low > target.get() {
        Verdict::Fail
    } else {
        Verdict::Inconclusive
    }
}

/// How many samples with as many bad ones a pass takes; none if no number of them is enough.
pub(super) fn needed(bad: usize, target: Ratio, confidence: Confidence) -> Option<u64> {
    match target.get() {
        0.0 => Some(SUSTAINED_SAMPLES as u64),
        _ => samples_for_failures(bad as u64, 1.0 - target.get(), confidence).ok(),
    }
}

/// How many clean samples a pass takes; none if no number of them is enough.
pub(super) fn needed_clean(target: Ratio, confidence: Confidence) -> Option<u64> {
    match target.get() {
        0.0 => Some(SUSTAINED_SAMPLES as u64),
        _ => samples_for_zero_failures(1.0 - target.get(), confidence).ok(),
    }
}

/// The upper bound must not exceed the target. `word` names a bad sample.
pub(super) fn judge(
    probe: &ProbeEvidence<'_>,
    target: Ratio,
    during: During,
    word: &str,
    context: &Context<'_>,
) -> Judgement {
    let samples = probe.valid(&context.evidence.marks, during);
    let n = samples.len();
    let bad = samples.iter().filter(|sample| sample.class.is_bad()).count();
    let Some(proportion) = Proportion::new(bad as u64, n as u64).ok().filter(|_| n > 0) else {
        return Judgement::no_samples(Unit::Ratio);
    };
    let (low, high) = (proportion.lower(context.confidence), proportion.upper(context.confidence));
    let verdict = by_bounds(bad, n, (low, high), target);
    let mut message = format!(
        "{bad} {word} of {n}, upper bound {} at {} confidence",
        percent(high),
        percent(context.confidence.level())
    );
    let mut need = None;
    if verdict == Verdict::Inconclusive
        && let Some(needed) = needed(bad, target, context.confidence)
    {
        need = Some(Need::Samples(needed));
        message += &format!(
            "; insufficient evidence for <= {target}: needs {needed} samples with {}, has {n}",
            no_more(bad as u64, word)
        );
    }
    if verdict != Verdict::Pass && bad > 0 {
        message += &failures(&samples);
    }
    let value = Some(bad as f64 / n as f64);
    Judgement { value, low: Some(low), high: Some(high), unit: Unit::Ratio, n, verdict, message, need }
}
