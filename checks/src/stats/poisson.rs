//! Bounds on a rate of rare events, such as outages per run: Garwood's exact interval.
//!
//! Used beside the sample-based claims because bad samples come in outages and are not independent.

use statrs::distribution::{ChiSquared, ContinuousCDF};

use super::{Confidence, Interval};

/// The two-sided interval of the expected number of events, given that `events` were seen.
pub fn garwood(events: u64, confidence: Confidence) -> Interval {
    let tail = confidence.alpha() / 2.0;
    Interval { lo: lower_at(events, tail), hi: upper_at(events, tail) }
}

/// The one-sided upper bound of the expected number of events: 2.996 at 95 % when none was seen, the "rule of three".
pub fn upper(events: u64, confidence: Confidence) -> f64 {
    upper_at(events, confidence.alpha())
}

fn lower_at(events: u64, tail: f64) -> f64 {
    if events == 0 { 0.0 } else { half_chi_square(2.0 * events as f64, tail) }
}

fn upper_at(events: u64, tail: f64) -> f64 {
    if events == 0 { -tail.ln() } else { half_chi_square(2.0 * (events as f64 + 1.0), 1.0 - tail) }
}

fn half_chi_square(degrees: f64, probability: f64) -> f64 {
    // Degrees of freedom are at least 2 here, the one thing the constructor checks.
    ChiSquared::new(degrees).map_or(f64::NAN, |d| d.inverse_cdf(probability) / 2.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stats::vectors::{close, number, rows, whole};

    #[test]
    fn intervals_match_the_vectors() {
        for row in rows("poisson_garwood_95") {
            let got = garwood(whole(&row, "k"), Confidence::P95);
            close(got.lo, number(&row, "lo"), 1e-8);
            close(got.hi, number(&row, "hi"), 1e-8);
            close(upper(whole(&row, "k"), Confidence::P95), number(&row, "upper_one_sided"), 1e-8);
        }
    }

    proptest! {
        #[test]
        fn the_interval_holds_what_was_seen(events in 0u64..100_000) {
            let interval = garwood(events, Confidence::P95);
            prop_assert!(interval.contains(events as f64), "{events}: {interval:?}");
            prop_assert!(upper(events, Confidence::P95) < interval.hi);
        }
    }
}
