//! What a proxy's endpoints did in a part of the run: which owners and subsets really answered requests.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Claim, CriterionKind, CriterionRow, During, Measure, Mismatch, RowKey, RowOptions, SubjectFacts};
use crate::evidence::ProbeEvidence;
use crate::figure::Unit;
use crate::judgement::{Context, Judgement};
use crate::record::Sample;
use crate::verdict::Verdict;

/// Presence is not flow: the successful requests counted at the endpoints must have grown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Endpoints {
    /// Who must have answered.
    pub expect: EndpointsClaim,
    /// The part of the run.
    pub during: During,
}

/// What an endpoint criterion wants to have seen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EndpointsClaim {
    /// Owners (cluster keys) that must have answered successful requests in the window: `rq_success` of their endpoints grew.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flow: Vec<String>,
    /// Subsets whose endpoints must have answered successful requests in the window.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flow_subsets: Vec<String>,
}

impl CriterionRow for Endpoints {
    type Value = EndpointsClaim;
    const NAME: &'static str = "endpoints";
    const KEYS: &'static [RowKey] = &[RowKey::During];

    fn claims(value: &Self::Value, options: &mut RowOptions<'_>) -> Vec<Claim> {
        vec![Self { expect: value.clone(), during: options.during }.into()]
    }
}

impl CriterionKind for Endpoints {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn id_suffix(&self) -> String {
        format!("endpoints{}", self.during.suffix())
    }

    fn target(&self) -> String {
        let mut parts = Vec::new();
        if !self.expect.flow.is_empty() {
            parts.push(format!("answers from {}", self.expect.flow.join(", ")));
        }
        if !self.expect.flow_subsets.is_empty() {
            parts.push(format!("answers from subset {}", self.expect.flow_subsets.join(", ")));
        }
        parts.join("; ")
    }

    fn during(&self) -> Option<During> {
        Some(self.during)
    }

    fn accepts(&self, subject: &SubjectFacts) -> Result<(), Mismatch> {
        subject.needs(
            Measure::Endpoints,
            "only `envoyEndpoints` probes observe endpoints",
            "name an envoyEndpoints probe",
        )
    }

    fn judge_probe(&self, probe: &ProbeEvidence<'_>, context: &Context<'_>) -> Judgement {
        let (expect, during) = (&self.expect, self.during);
        // A proxy's endpoints are not recovered before every probe is.
        let outages = context.evidence.all_outages();
        let mut samples = context.evidence.marks.select(&probe.samples, &outages, during);
        samples.retain(|sample| sample.class.is_valid());
        let n = samples.len();
        if n == 0 {
            return Judgement::no_samples(Unit::Count);
        }
        if expect.flow.is_empty() && expect.flow_subsets.is_empty() {
            return Judgement::without_value(
                Verdict::Error,
                Unit::Count,
                "the criterion expects nothing: name `flow` or `flowSubsets`",
            );
        }
        let owners = growth(&samples, "flow");
        let subsets = growth(&samples, "flowSubsets");
        let wanted = expect.flow.iter().map(|owner| (owner, &owners, "endpoints of "));
        let wanted = wanted.chain(expect.flow_subsets.iter().map(|subset| (subset, &subsets, "subset ")));
        let mut silent = Vec::new();
        let mut seen = Vec::new();
        for (name, counts, what) in wanted {
            match counts.get(name.as_str()) {
                Some(count) if *count > 0.0 => seen.push(format!("{what}{name}: {count}")),
                _ => silent.push(format!("{what}{name}")),
            }
        }
        let verdict = if silent.is_empty() { Verdict::Pass } else { Verdict::Fail };
        let message = if silent.is_empty() {
            format!("successful requests: {}", seen.join(", "))
        } else {
            format!(
                "no successful request reached {} (successful requests: {})",
                silent.join(", "),
                if seen.is_empty() { "none".to_owned() } else { seen.join(", ") }
            )
        };
        let value = Some(silent.len() as f64);
        Judgement { value, low: value, high: value, unit: Unit::Count, n, verdict, message, need: None }
    }
}

/// The sum of the requests answered between consecutive observations, per key of one member of what was seen.
fn growth(samples: &[&Sample], member: &str) -> BTreeMap<String, f64> {
    let mut sums = BTreeMap::new();
    for sample in samples {
        let Some(counts) = sample.seen.as_ref().and_then(|seen| seen.get(member)?.as_object()) else { continue };
        for (key, count) in counts {
            *sums.entry(key.clone()).or_default() += count.as_f64().unwrap_or_default();
        }
    }
    sums
}
