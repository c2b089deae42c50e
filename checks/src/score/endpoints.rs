//! What a proxy's endpoints did in a part of the run: which owners and subsets really answered requests.

use std::collections::BTreeMap;

use super::criteria::{Context, Judgement};
use super::evidence::ProbeEvidence;
use crate::criterion::{During, EndpointsClaim};
use crate::record::Sample;
use crate::verdict::Verdict;

/// Presence is not flow: the successful requests counted at the endpoints must have grown.
pub(super) fn judge(
    probe: &ProbeEvidence<'_>,
    expect: &EndpointsClaim,
    during: During,
    context: &Context<'_>,
) -> Judgement {
    // A proxy's endpoints are not recovered before every probe is.
    let outages = context.evidence.all_outages();
    let mut samples = context.evidence.marks.select(&probe.samples, &outages, during);
    samples.retain(|sample| sample.class.is_valid());
    let n = samples.len();
    if n == 0 {
        return Judgement::no_samples("count");
    }
    if expect.flow.is_empty() && expect.flow_subsets.is_empty() {
        return Judgement::without_value(Verdict::Error, "count", "the criterion wants nothing to have been seen");
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
        format!("successful requests seen: {}", seen.join(", "))
    } else {
        format!(
            "no successful request reached {} (seen: {})",
            silent.join(", "),
            if seen.is_empty() { "none".to_owned() } else { seen.join(", ") }
        )
    };
    let value = Some(silent.len() as f64);
    Judgement { value, low: value, high: value, unit: "count", n, verdict, message }
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
