//! Counts of who answered against declared weights.

use std::collections::BTreeMap;

use super::criteria::{Context, Judgement};
use super::evidence::ProbeEvidence;
use crate::criterion::During;
use crate::stats::split::{Finding, Part, compare};
use crate::units::percent;
use crate::verdict::Verdict;

/// The weight of everybody that has none of its own.
const OTHERS: &str = "others";

/// The counts must not contradict the weights, and be enough to have shown it if they did.
pub(super) fn judge(
    probe: &ProbeEvidence<'_>,
    by: &str,
    weights: &BTreeMap<String, f64>,
    during: During,
    context: &Context<'_>,
) -> Judgement {
    let mut counts: BTreeMap<String, u64> = weights.keys().map(|name| (name.clone(), 0)).collect();
    let mut n = 0;
    // A late answer tells as well who gave it; without it, whoever is slow would seem to answer less.
    for sample in probe.valid(&context.evidence.marks, during).into_iter().filter(|sample| sample.class.is_answered()) {
        let Some(name) = sample.seen.as_ref().and_then(|seen| seen["by"][by].as_str()) else { continue };
        let known = weights.contains_key(name) || !weights.contains_key(OTHERS);
        *counts.entry(if known { name } else { OTHERS }.to_owned()).or_default() += 1;
        n += 1;
    }
    if n == 0 {
        return Judgement::no_samples("p-value");
    }
    let parts: Vec<Part> = counts
        .iter()
        .map(|(name, observed)| Part {
            name: name.clone(),
            weight: weights.get(name).copied().unwrap_or(0.0),
            observed: *observed,
        })
        .collect();
    let split = match compare(&parts, context.confidence) {
        Ok(split) => split,
        Err(error) => return Judgement::without_value(Verdict::Error, "p-value", error.to_string()),
    };
    let share = |share: &crate::stats::split::Share| {
        let seen = share.share.map_or_else(|| "?".to_owned(), percent);
        format!("{} {seen} ({} of {n}, declared {})", share.name, share.observed, percent(share.declared))
    };
    let shares = split.shares.iter().map(share).collect::<Vec<_>>().join(", ");
    let p = split.p_value.map_or_else(String::new, |p| format!("; p {p:.2e}"));
    let (verdict, word) = match split.finding {
        Finding::Consistent => (Verdict::Pass, String::new()),
        Finding::Inconsistent => {
            (Verdict::Fail, format!(": not the declared split at {}", percent(context.confidence.level())))
        }
        Finding::TooFew => {
            (Verdict::Inconclusive, format!(": insufficient evidence: needs {} answers, has {n}", split.needed))
        }
    };
    let message = format!("by {by}: {shares}{p}{word}");
    Judgement { value: split.p_value, low: None, high: None, unit: "p-value", n, verdict, message }
}
