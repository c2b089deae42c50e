//! Quantiles of raw samples: nearest rank, and the order statistics that bound the true quantile.
//!
//! Quantiles are fractions of whole numbers: `0.07 * 100` is 7.000000000000001 in floating point and would ask for the
//! eighth sample. Percentiles are never averaged; merge the samples instead.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Confidence, StatsError, binomial};

/// A quantile as an exact fraction between 0 and 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct Quantile {
    numerator: u32,
    denominator: u32,
}

impl Quantile {
    /// The median.
    pub const P50: Self = Self { numerator: 50, denominator: 100 };
    /// 90 %.
    pub const P90: Self = Self { numerator: 90, denominator: 100 };
    /// 95 %.
    pub const P95: Self = Self { numerator: 95, denominator: 100 };
    /// 99 %.
    pub const P99: Self = Self { numerator: 99, denominator: 100 };
    /// 99.9 %.
    pub const P99_9: Self = Self { numerator: 999, denominator: 1000 };

    /// `numerator / denominator`, refused outside of 0 to 1.
    pub fn new(numerator: u32, denominator: u32) -> Result<Self, StatsError> {
        if denominator == 0 || numerator > denominator {
            return Err(StatsError::Quantile { numerator, denominator });
        }
        Ok(Self { numerator, denominator })
    }

    /// In hundredths of a percent: 9990 is 99.9 %.
    pub fn from_permyriad(permyriad: u32) -> Result<Self, StatsError> {
        Self::new(permyriad, 10_000)
    }

    /// As a fraction of 1, for formulas that need a probability.
    pub fn as_f64(self) -> f64 {
        f64::from(self.numerator) / f64::from(self.denominator)
    }

    /// The nearest rank `ceil(p n)`, 1-based and at least 1. `None` without samples.
    pub fn nearest_rank(self, n: u64) -> Option<u64> {
        if n == 0 {
            return None;
        }
        let product = u128::from(self.numerator) * u128::from(n);
        Some((product.div_ceil(u128::from(self.denominator)) as u64).max(1))
    }

    /// The nearest rank of lengths of time, each with how often it was measured.
    pub fn of_counted(self, mut lengths: Vec<(Duration, u64)>) -> Option<Duration> {
        lengths.sort_unstable();
        let rank = self.nearest_rank(lengths.iter().map(|(_, count)| count).sum())?;
        let mut below = 0;
        let reaches = |(_, count): &(Duration, u64)| {
            below += count;
            below >= rank
        };
        lengths.into_iter().find(reaches).map(|(length, _)| length)
    }

    /// The rank whose order statistic is an upper bound of the true quantile at `confidence`, one-sided.
    ///
    /// 1-based. `None` when no sample is far enough out: P99 at 95 % needs 299.
    pub fn upper_rank(self, n: u64, confidence: Confidence) -> Option<u64> {
        exceedances_allowed(n, self, confidence).map(|above| n - above)
    }

    /// The two-sided interval of order statistics around the true quantile.
    pub fn rank_interval(self, n: u64, confidence: Confidence) -> RankInterval {
        let (p, tail) = (self.as_f64(), confidence.alpha() / 2.0);
        // Largest l with P(B <= l-1) <= tail, smallest u with P(B >= u) <= tail; B counts the samples below the quantile.
        let l = boundary(n, |l| binomial::at_most(l - 1, n, p) <= tail);
        let u = match boundary(n, |u| binomial::at_least(u, n, p) > tail) {
            last if last >= n => None,
            last => Some(last + 1),
        };
        let below = if l == 0 { 0.0 } else { binomial::at_most(l - 1, n, p) };
        let above = u.map_or(0.0, |u| binomial::at_least(u, n, p));
        RankInterval { lower: (l > 0).then_some(l), upper: u, coverage: 1.0 - below - above }
    }
}

impl fmt::Display for Quantile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p{}", f64::from(self.numerator) * 100.0 / f64::from(self.denominator))
    }
}

/// The largest rank in `1..=n` for which `holds`, which is true first and false later; 0 when it never is.
fn boundary(n: u64, holds: impl Fn(u64) -> bool) -> u64 {
    let (mut lo, mut hi) = (0, n);
    while lo < hi {
        let mid = hi - (hi - lo) / 2;
        if holds(mid) { lo = mid } else { hi = mid - 1 }
    }
    lo
}

/// Ranks, 1-based, between which the true quantile lies; an open end means that the samples do not bound it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RankInterval {
    /// Rank of the lower end.
    pub lower: Option<u64>,
    /// Rank of the upper end.
    pub upper: Option<u64>,
    /// The confidence really reached, at least the one asked for.
    pub coverage: f64,
}

/// How many of `n` samples may reach or exceed a limit while "the quantile is below the limit" still holds at `confidence`.
///
/// `None` when `n` is too small for the claim even with none above: 298 samples for P99. Gate on this count of raw
/// samples and not on a histogram's value, whose buckets round 500 000 µs to 500 223 µs.
pub fn exceedances_allowed(n: u64, quantile: Quantile, confidence: Confidence) -> Option<u64> {
    let above = 1.0 - quantile.as_f64();
    let supported = |k| binomial::at_most(k, n, above) <= confidence.alpha() * (1.0 + 1e-12);
    if n == 0 || !supported(0) {
        return None;
    }
    Some(boundary(n, supported))
}

/// Samples needed so that `exceedances` of them may reach or exceed the limit: 299, 473, 628 … for P99 at 95 %.
///
/// `None` for the quantiles 0 and 1, which no number of samples bounds from above.
pub fn samples_for_exceedances(exceedances: u64, quantile: Quantile, confidence: Confidence) -> Option<u64> {
    let above = 1.0 - quantile.as_f64();
    if above <= 0.0 || above >= 1.0 {
        return None;
    }
    let enough = |n| binomial::at_most(exceedances, n, above) <= confidence.alpha() * (1.0 + 1e-12);
    binomial::smallest_n(exceedances + 1, enough)
}

/// A sample's duration, or no answer at all, which ranks above every duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Ranked {
    /// The request was answered after this long.
    Within(Duration),
    /// The request failed: its latency is infinite.
    Never,
}

/// Raw samples in ascending order, failed requests last as +infinity.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Samples {
    answered: Vec<Duration>,
    failed: u64,
}

impl Samples {
    /// Sorts the durations of the answered requests and adds the failed ones above all of them.
    pub fn new(mut answered: Vec<Duration>, failed: u64) -> Self {
        answered.sort_unstable();
        Self { answered, failed }
    }

    /// All samples, failed ones included.
    pub fn len(&self) -> u64 {
        self.answered.len() as u64 + self.failed
    }

    /// Whether there is no sample at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The sample of a 1-based rank, `None` outside of the samples.
    pub fn at(&self, rank: u64) -> Option<Ranked> {
        if rank == 0 || rank > self.len() {
            return None;
        }
        Some(self.answered.get(rank as usize - 1).map_or(Ranked::Never, |d| Ranked::Within(*d)))
    }

    /// The quantile by nearest rank: what was seen, with no claim about what was not.
    pub fn quantile(&self, quantile: Quantile) -> Option<Ranked> {
        self.at(quantile.nearest_rank(self.len())?)
    }

    /// The one-sided upper bound of the true quantile, `None` when there are too few samples.
    pub fn upper_bound(&self, quantile: Quantile, confidence: Confidence) -> Option<Ranked> {
        self.at(quantile.upper_rank(self.len(), confidence)?)
    }

    /// Samples that reached or exceeded the limit, every failed one among them.
    pub fn at_or_above(&self, limit: Duration) -> u64 {
        let below = self.answered.partition_point(|d| *d < limit) as u64;
        self.len() - below
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stats::vectors::{close, number, rows, table, whole};

    fn exact(p: f64) -> Quantile {
        Quantile::from_permyriad((p * 10_000.0).round() as u32).unwrap()
    }

    #[test]
    fn nearest_rank_avoids_the_float_traps() {
        let vectors = table();
        for trap in vectors["nearest_rank"]["traps"].as_array().unwrap() {
            assert_eq!(exact(number(trap, "p")).nearest_rank(whole(trap, "n")), Some(whole(trap, "correct")), "{trap}");
        }
        assert_eq!(Quantile::P99.nearest_rank(0), None);
        assert!(Quantile::new(101, 100).is_err() && Quantile::new(0, 0).is_err());
        assert_eq!(Quantile::P99_9.to_string(), "p99.9");
    }

    #[test]
    fn rank_intervals_match_the_vectors() {
        for row in rows("quantile_ci_order_statistics_95_1based") {
            let got = exact(number(&row, "p")).rank_interval(whole(&row, "n"), Confidence::P95);
            assert_eq!(got.lower, row["l"].as_u64(), "{row}");
            assert_eq!(got.upper, row["u"].as_u64(), "{row}");
            close(got.coverage, number(&row, "coverage"), 1e-8);
        }
    }

    #[test]
    fn exceedances_match_the_vectors() {
        for row in rows("n_for_k_exceedances_p99_conf95") {
            let (k, n) = (whole(&row, "k"), whole(&row, "n"));
            assert_eq!(samples_for_exceedances(k, Quantile::P99, Confidence::P95), Some(n));
            assert_eq!(exceedances_allowed(n, Quantile::P99, Confidence::P95), Some(k));
            assert_eq!(exceedances_allowed(n - 1, Quantile::P99, Confidence::P95), k.checked_sub(1));
        }
        assert_eq!(Quantile::P99.upper_rank(298, Confidence::P95), None);
        assert_eq!(Quantile::P99.upper_rank(299, Confidence::P95), Some(299));
        assert_eq!(samples_for_exceedances(0, exact(1.0), Confidence::P95), None);
        assert_eq!(exceedances_allowed(10_000, exact(1.0), Confidence::P95), None);
    }

    #[test]
    fn failed_requests_rank_above_everything() {
        let millis = (1..=98).map(Duration::from_millis).collect();
        let samples = Samples::new(millis, 2);
        assert_eq!(samples.quantile(Quantile::P50), Some(Ranked::Within(Duration::from_millis(50))));
        assert_eq!(samples.quantile(Quantile::P99), Some(Ranked::Never));
        assert_eq!(samples.at_or_above(Duration::from_millis(98)), 3);
        assert_eq!(samples.upper_bound(Quantile::P99, Confidence::P95), None);
        assert_eq!(Samples::default().quantile(Quantile::P50), None);
        assert_eq!(samples.at(0), None);
    }

    proptest! {
        #[test]
        fn a_slower_sample_never_improves_a_percentile(
            mut millis in prop::collection::vec(0u64..10_000, 1..400), slower in 1u64..5_000, at in 0usize..400,
        ) {
            let samples = |v: &[u64]| Samples::new(v.iter().copied().map(Duration::from_millis).collect(), 1);
            let before = samples(&millis);
            let at = at % millis.len();
            millis[at] += slower;
            let after = samples(&millis);
            for q in [Quantile::P50, Quantile::P90, Quantile::P99, Quantile::P99_9] {
                prop_assert!(before.quantile(q) <= after.quantile(q));
                prop_assert!(before.upper_bound(q, Confidence::P95) <= after.upper_bound(q, Confidence::P95));
            }
        }

        #[test]
        fn the_gate_by_count_is_the_gate_by_bound(
            millis in prop::collection::vec(0u64..1_000, 300..700), failed in 0u64..5, limit in 500u64..1_000,
        ) {
            let samples = Samples::new(millis.into_iter().map(Duration::from_millis).collect(), failed);
            let limit = Duration::from_millis(limit);
            let allowed = exceedances_allowed(samples.len(), Quantile::P99, Confidence::P95).unwrap();
            let bound = samples.upper_bound(Quantile::P99, Confidence::P95).unwrap();
            prop_assert_eq!(samples.at_or_above(limit) <= allowed, bound < Ranked::Within(limit));
        }

        #[test]
        fn the_bound_is_never_below_the_nearest_rank(n in 1u64..20_000, permyriad in 1u32..9_999) {
            let q = Quantile::from_permyriad(permyriad).unwrap();
            if let Some(rank) = q.upper_rank(n, Confidence::P95) {
                prop_assert!(rank >= q.nearest_rank(n).unwrap() && rank <= n);
            }
        }
    }
}
