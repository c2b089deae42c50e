//! The phases of good requests, counted: what a record keeps of them instead of four numbers for each.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{At, Sample, Series};

/// How long the requests of one entry may be apart.
const LONGEST: Duration = Duration::from_secs(10);

/// How long the phases of the good requests of a stretch of time took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Timings {
    /// The probe.
    pub probe: String,
    /// Its connections.
    pub series: Series,
    /// When the first of the requests was due.
    pub from: At,
    /// When the last of them was due.
    pub until: At,
    /// The phases.
    pub phases: PhaseCounts,
}

/// For each phase, microseconds (to 0.8 %) and how many requests took that long.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PhaseCounts {
    /// The lookup of the name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dns: Vec<(u32, u32)>,
    /// The TCP connection.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub connect: Vec<(u32, u32)>,
    /// The TLS handshake.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tls: Vec<(u32, u32)>,
    /// From the request being sent to the head of the answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub first_byte: Vec<(u32, u32)>,
}

impl PhaseCounts {
    /// The phases in their order, as in `RequestPhases::in_order`.
    pub fn in_order(&self) -> [&[(u32, u32)]; 4] {
        [&self.dns, &self.connect, &self.tls, &self.first_byte]
    }
}

/// What is being counted of one series of a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Open {
    from: At,
    until: At,
    counts: [BTreeMap<u32, u32>; 4],
}

/// Counts the phases of good requests until they are written down.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Counting {
    open: BTreeMap<(String, Series), Open>,
}

impl Counting {
    /// Takes the phases of a good sample. Returns the entry that is complete by then, if one is.
    pub fn take(&mut self, probe: &str, sample: &mut Sample) -> Option<Timings> {
        if !sample.class.is_good() {
            return None;
        }
        let phases = sample.phases.take()?;
        let key = (probe.to_owned(), sample.series);
        let due = sample.scheduled;
        let full = self.open.get(&key).is_some_and(|open| due.since(open.from) >= LONGEST);
        let complete = if full { self.open.remove(&key).map(|open| close(key.clone(), open)) } else { None };
        let new = || Open { from: due, until: due, counts: Default::default() };
        let open = self.open.entry(key).or_insert_with(new);
        open.from = open.from.min(due);
        open.until = open.until.max(due);
        for (counts, length) in open.counts.iter_mut().zip(phases.in_order()) {
            if let Some(length) = length {
                *counts.entry(rounded(length)).or_default() += 1;
            }
        }
        complete
    }

    /// Everything that is being counted: entries do not reach over the phases of a run.
    pub fn finish(&mut self) -> Vec<Timings> {
        std::mem::take(&mut self.open).into_iter().map(|(key, open)| close(key, open)).collect()
    }
}

fn close((probe, series): (String, Series), open: Open) -> Timings {
    let [dns, connect, tls, first_byte] = open.counts.map(|counts| counts.into_iter().collect());
    Timings { probe, series, from: open.from, until: open.until, phases: PhaseCounts { dns, connect, tls, first_byte } }
}

/// Seconds as microseconds, seven significant binary digits of them: the middle of what rounds to the same.
fn rounded(seconds: f64) -> u32 {
    let micros = (seconds * 1e6).round().clamp(0.0, f64::from(u32::MAX)) as u32;
    let dropped = (u32::BITS - micros.leading_zeros()).saturating_sub(7);
    let half = if dropped == 0 { 0 } else { 1 << (dropped - 1) };
    ((micros >> dropped) << dropped) + half
}

#[cfg(test)]
mod tests {
    use super::super::RequestPhases;
    use super::*;

    #[test]
    fn lengths_are_right_to_one_percent() {
        for micros in [0, 1, 127, 128, 129, 255, 5_123, 99_999, 1_234_567, 60_000_000_u32] {
            let near = f64::from(rounded(f64::from(micros) / 1e6));
            assert!((near - f64::from(micros)).abs() <= f64::from(micros) * 0.008, "{micros} {near}");
        }
        assert!(rounded(1e9) >= u32::MAX / 2);
        assert_eq!(RequestPhases::NAMES.len(), PhaseCounts::default().in_order().len());
    }
}
