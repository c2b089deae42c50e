//! Counts of who answered against declared weights.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::kind::grows;
use super::{
    Claim, CriterionKind, CriterionRow, During, Measure, Mismatch, ProbeFacts, RowKey, RowOptions, SubjectFacts,
};
use crate::evidence::ProbeEvidence;
use crate::figure::Unit;
use crate::judgement::{Context, Judgement, Need};
use crate::stats::Confidence;
use crate::stats::split::{Finding, Part, compare, samples_to_confirm};
use crate::units::percent;
use crate::verdict::Verdict;

/// The division whose parts are clusters.
pub const BY_CLUSTER: &str = "cluster";
/// The cluster that is asked.
const HOME: &str = "home";
/// The weight of everybody that has none of its own.
const OTHERS: &str = "others";

/// The counts must not contradict the weights, and be enough to have shown it if they did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Split {
    /// How the answers are distinguished.
    pub by: String,
    /// Weights; only their proportions count. `others` stands for everybody without one.
    pub weights: BTreeMap<String, f64>,
    /// The part of the run.
    pub during: During,
}

impl CriterionRow for Split {
    type Value = IndexMap<String, BTreeMap<String, f64>>;
    const NAME: &'static str = "split";
    const KEYS: &'static [RowKey] = &[RowKey::During];

    fn claims(value: &Self::Value, options: &mut RowOptions<'_>) -> Vec<Claim> {
        if value.values().any(|weights| weights.values().sum::<f64>() <= 0.0) || value.is_empty() {
            options.wrong(
                Self::NAME,
                "no part has a weight above zero",
                "write `split: { version: { v1: 50, v2: 50 } }`",
            );
            return Vec::new();
        }
        let during = options.during;
        value.iter().map(|(by, weights)| Self { by: by.clone(), weights: weights.clone(), during }.into()).collect()
    }
}

impl CriterionKind for Split {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn id_suffix(&self) -> String {
        format!("split-{}{}", self.by, self.during.suffix())
    }

    fn target(&self) -> String {
        let parts: Vec<String> = self.weights.iter().map(|(name, weight)| format!("{name} {weight}")).collect();
        format!("{} {}", self.by, parts.join(" / "))
    }

    fn during(&self) -> Option<During> {
        Some(self.during)
    }

    fn needed_samples(&self, confidence: Confidence) -> Option<u64> {
        let total: f64 = self.weights.values().sum();
        self.weights.values().map(|weight| samples_to_confirm(weight / total, confidence)).max()
    }

    fn is_decided_by_more(&self) -> bool {
        grows(self.during)
    }

    fn accepts(&self, subject: &SubjectFacts) -> Result<(), Mismatch> {
        subject.needs(
            Measure::Responders,
            "only `trafficSplit` probes observe who answered",
            "name a trafficSplit probe",
        )
    }

    fn resolve(&mut self, probe: &ProbeFacts) {
        if self.by == BY_CLUSTER
            && let Some(home) = &probe.home
            && let Some(weight) = self.weights.remove(HOME)
        {
            self.weights.insert(home.clone(), weight);
        }
    }

    fn judge_probe(&self, probe: &ProbeEvidence<'_>, context: &Context<'_>) -> Judgement {
        let (by, weights, during) = (self.by.as_str(), &self.weights, self.during);
        let mut counts: BTreeMap<String, u64> = weights.keys().map(|name| (name.clone(), 0)).collect();
        let mut n = 0;
        // A late answer counts too: without it a slow responder would seem to answer less.
        for sample in
            probe.valid(&context.evidence.marks, during).into_iter().filter(|sample| sample.class.is_answered())
        {
            let Some(name) = sample.seen.as_ref().and_then(|seen| seen["by"][by].as_str()) else { continue };
            let known = weights.contains_key(name) || !weights.contains_key(OTHERS);
            *counts.entry(if known { name } else { OTHERS }.to_owned()).or_default() += 1;
            n += 1;
        }
        if n == 0 {
            return Judgement::no_samples(Unit::PValue);
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
            Err(error) => return Judgement::without_value(Verdict::Error, Unit::PValue, error.to_string()),
        };
        let share = |share: &crate::stats::split::Share| {
            let seen = share.share.map_or_else(|| "?".to_owned(), percent);
            format!("{} {seen} ({} of {n}, declared {})", share.name, share.observed, percent(share.declared))
        };
        let shares = split.shares.iter().map(share).collect::<Vec<_>>().join(", ");
        let p = split.p_value.map_or_else(String::new, |p| format!("; p {p:.2e}"));
        let (verdict, need, word) = match split.finding {
            Finding::Consistent => (Verdict::Pass, None, String::new()),
            Finding::Inconsistent => (
                Verdict::Fail,
                None,
                format!(": differs from the declared split at {} confidence", percent(context.confidence.level())),
            ),
            Finding::TooFew => (
                Verdict::Inconclusive,
                Some(Need::Samples(split.needed)),
                format!(": insufficient evidence: needs {} answers, has {n}", split.needed),
            ),
        };
        let message = format!("by {by}: {shares}{p}{word}");
        Judgement { value: split.p_value, low: None, high: None, unit: Unit::PValue, n, verdict, message, need }
    }
}
