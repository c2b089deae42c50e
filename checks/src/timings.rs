//! How long the phases of requests took: those that samples have, and those that were counted.

use std::time::Duration;

use crate::record::{RequestPhases, Sample, Timings};

/// For each phase of [`RequestPhases::NAMES`], lengths and how many answered requests took that long.
pub(crate) fn lengths(samples: &[&Sample], timings: &[&Timings]) -> [Vec<(Duration, u64)>; RequestPhases::NAMES.len()] {
    let mut lengths: [Vec<(Duration, u64)>; RequestPhases::NAMES.len()] = Default::default();
    for phases in samples.iter().filter(|sample| sample.class.is_answered()).filter_map(|sample| sample.phases.as_ref())
    {
        for (lengths, length) in lengths.iter_mut().zip(phases.in_order()) {
            lengths.extend(length.map(|length| (Duration::from_secs_f64(length), 1)));
        }
    }
    for timings in timings {
        for (lengths, counts) in lengths.iter_mut().zip(timings.phases.in_order()) {
            let micros = |length: u32| Duration::from_micros(u64::from(length));
            lengths.extend(counts.iter().map(|(length, count)| (micros(*length), u64::from(*count))));
        }
    }
    lengths
}
