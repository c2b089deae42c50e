//! Shares of trials: Clopper-Pearson bounds for gates, Wilson intervals for display, and the sample sizes they ask for.
//!
//! Trials are taken as independent. Probes are not quite; the outage-based bound of [`super::poisson`] stands beside.

use serde::Serialize;

use super::{Confidence, Interval, StatsError, binomial};

/// `hits` events in `trials` trials. What counts as a hit is the caller's: bad samples for an error rate, good for availability.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Proportion {
    hits: u64,
    trials: u64,
}

impl Proportion {
    /// No trials at all is allowed: then every bound says "anything is possible".
    pub fn new(hits: u64, trials: u64) -> Result<Self, StatsError> {
        if hits > trials { Err(StatsError::MoreThanAll { hits, trials }) } else { Ok(Self { hits, trials }) }
    }

    /// Events counted.
    pub fn hits(self) -> u64 {
        self.hits
    }

    /// Trials made.
    pub fn trials(self) -> u64 {
        self.trials
    }

    /// The share seen, `None` without trials: 0 of 0 is not 0 %.
    pub fn share(self) -> Option<f64> {
        (self.trials > 0).then(|| self.hits as f64 / self.trials as f64)
    }

    /// Clopper-Pearson upper bound, one-sided: the true share is at most this with the given confidence. 1 without trials.
    pub fn upper(self, confidence: Confidence) -> f64 {
        self.upper_at(confidence.alpha())
    }

    /// Clopper-Pearson lower bound, one-sided: the true share is at least this with the given confidence. 0 without trials.
    pub fn lower(self, confidence: Confidence) -> f64 {
        1.0 - self.complement().upper_at(confidence.alpha())
    }

    /// Clopper-Pearson interval, two-sided.
    pub fn interval(self, confidence: Confidence) -> Interval {
        let alpha = confidence.alpha() / 2.0;
        Interval { lo: 1.0 - self.complement().upper_at(alpha), hi: self.upper_at(alpha) }
    }

    /// Wilson score interval, two-sided: for display, not for gates, since it may fall short of its confidence.
    pub fn wilson(self, confidence: Confidence) -> Interval {
        if self.trials == 0 {
            return Interval { lo: 0.0, hi: 1.0 };
        }
        let (k, n, z) = (self.hits as f64, self.trials as f64, confidence.z_two_sided());
        let centre = (k + z * z / 2.0) / (n + z * z);
        let half = z / (n + z * z) * (k * (n - k) / n + z * z / 4.0).sqrt();
        let lo = if self.hits == 0 { 0.0 } else { (centre - half).max(0.0) };
        let hi = if self.hits == self.trials { 1.0 } else { (centre + half).min(1.0) };
        Interval { lo, hi }
    }

    fn complement(self) -> Self {
        Self { hits: self.trials - self.hits, trials: self.trials }
    }

    /// The share at which seeing so few hits has probability `alpha`.
    fn upper_at(self, alpha: f64) -> f64 {
        if self.hits >= self.trials {
            return 1.0;
        }
        if self.hits == 0 {
            return -(alpha.ln() / self.trials as f64).exp_m1();
        }
        let (mut lo, mut hi) = (self.hits as f64 / self.trials as f64, 1.0);
        // Halving a bracket of doubles ends by itself; 1100 covers even the subnormal ones.
        for _ in 0..1100 {
            let mid = f64::midpoint(lo, hi);
            if mid <= lo || mid >= hi {
                break;
            }
            if binomial::at_most(self.hits, self.trials, mid) > alpha { lo = mid } else { hi = mid }
        }
        hi
    }
}

/// Upper bound of the failure share after `trials` trials without a failure: `1 - (1-c)^(1/n)`. 5 clean samples at 95 % give 0.451.
pub fn zero_failure_bound(trials: u64, confidence: Confidence) -> f64 {
    Proportion { hits: 0, trials }.upper(confidence)
}

/// Clean samples needed to claim "availability of at least `target`": 5990 for 99.95 % at 95 %.
///
/// `target` is a share strictly between 0 and 1. A target of 1 can be claimed by no number of samples and is an error.
pub fn samples_for_zero_failures(target: f64, confidence: Confidence) -> Result<u64, StatsError> {
    let target = open_share(target)?;
    let n = confidence.alpha().ln() / target.ln();
    // 90 % of 90 %: the quotient is exactly 1 but comes out a hair above.
    Ok((n - 1e-9).ceil().max(1.0) as u64)
}

/// Samples needed to claim "availability of at least `target`" when `failures` of them failed.
pub fn samples_for_failures(failures: u64, target: f64, confidence: Confidence) -> Result<u64, StatsError> {
    let target = open_share(target)?;
    if failures == 0 {
        return samples_for_zero_failures(target, confidence);
    }
    let enough = |n| binomial::at_most(failures, n, 1.0 - target) <= confidence.alpha() * (1.0 + 1e-12);
    binomial::smallest_n(failures + 1, enough).ok_or(StatsError::Share { what: "target", value: target })
}

/// The largest number of failures among `trials` that still supports the claim; `None` when not even zero does.
pub fn failures_allowed(trials: u64, target: f64, confidence: Confidence) -> Result<Option<u64>, StatsError> {
    if trials < samples_for_zero_failures(target, confidence)? {
        return Ok(None);
    }
    let (mut lo, mut hi) = (0, trials);
    while lo < hi {
        let mid = hi - (hi - lo) / 2;
        let supported = binomial::at_most(mid, trials, 1.0 - target) <= confidence.alpha() * (1.0 + 1e-12);
        if supported { lo = mid } else { hi = mid - 1 }
    }
    Ok(Some(lo))
}

pub(crate) fn open_share(value: f64) -> Result<f64, StatsError> {
    if value > 0.0 && value < 1.0 { Ok(value) } else { Err(StatsError::Share { what: "target", value }) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stats::vectors::{close, number, rows, whole};

    #[test]
    fn zero_failure_bounds_match_the_vectors() {
        for row in rows("zero_failure_upper_one_sided_95") {
            close(zero_failure_bound(whole(&row, "n"), Confidence::P95), number(&row, "upper"), 1e-8);
        }
    }

    #[test]
    fn sample_sizes_match_the_vectors() {
        for row in rows("n_for_zero_failures") {
            let confidence = Confidence::new(number(&row, "conf")).unwrap();
            let n = samples_for_zero_failures(number(&row, "availability"), confidence).unwrap();
            assert_eq!(n, whole(&row, "n"), "{row}");
        }
        for row in rows("n_for_k_failures_99_95_conf95") {
            let n = samples_for_failures(whole(&row, "k"), 0.9995, Confidence::P95).unwrap();
            assert_eq!(n, whole(&row, "n"), "{row}");
            assert_eq!(failures_allowed(n, 0.9995, Confidence::P95).unwrap(), Some(whole(&row, "k")));
            assert_ne!(failures_allowed(n - 1, 0.9995, Confidence::P95).unwrap(), Some(whole(&row, "k")));
        }
    }

    #[test]
    fn intervals_match_the_vectors() {
        for row in rows("interval_two_sided_95") {
            let p = Proportion::new(whole(&row, "k"), whole(&row, "n")).unwrap();
            let (cp, wilson) = (p.interval(Confidence::P95), p.wilson(Confidence::P95));
            close(cp.lo, row["cp"][0].as_f64().unwrap(), 1e-8);
            close(cp.hi, row["cp"][1].as_f64().unwrap(), 1e-8);
            close(wilson.lo, row["wilson"][0].as_f64().unwrap(), 1e-8);
            close(wilson.hi, row["wilson"][1].as_f64().unwrap(), 1e-8);
            close(p.upper(Confidence::P95), number(&row, "cp_upper_one_sided"), 1e-8);
        }
    }

    #[test]
    fn no_trials_bound_nothing() {
        let none = Proportion::new(0, 0).unwrap();
        assert_eq!(none.share(), None);
        assert_eq!(none.interval(Confidence::P95), Interval { lo: 0.0, hi: 1.0 });
        assert_eq!(none.wilson(Confidence::P95), Interval { lo: 0.0, hi: 1.0 });
        assert_eq!(failures_allowed(0, 0.5, Confidence::P95).unwrap(), None);
    }

    #[test]
    fn a_target_of_all_or_nothing_is_refused() {
        for target in [0.0, 1.0, 1.01, -0.5, f64::NAN] {
            assert!(samples_for_zero_failures(target, Confidence::P95).is_err(), "{target}");
        }
        assert!(Proportion::new(2, 1).is_err());
        assert_eq!(samples_for_zero_failures(0.1, Confidence::P90).unwrap(), 1);
    }

    proptest! {
        #[test]
        fn bounds_enclose_the_share_and_mirror(k in 0u64..5_000, n in 1u64..5_000) {
            let k = k.min(n);
            let (bad, good) = (Proportion::new(k, n).unwrap(), Proportion::new(n - k, n).unwrap());
            let interval = bad.interval(Confidence::P95);
            prop_assert!(interval.contains(bad.share().unwrap()));
            prop_assert!((bad.upper(Confidence::P95) - (1.0 - good.lower(Confidence::P95))).abs() < 1e-12);
            prop_assert!(bad.upper(Confidence::P95) <= bad.upper(Confidence::P99));
        }

        #[test]
        fn one_more_failure_never_lowers_the_bound(k in 0u64..400, n in 401u64..5_000) {
            let fewer = Proportion::new(k, n).unwrap().upper(Confidence::P95);
            let more = Proportion::new(k + 1, n).unwrap().upper(Confidence::P95);
            prop_assert!(fewer < more);
        }
    }
}
