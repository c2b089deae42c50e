//! Whether one sample tends to be larger than another: Mann-Whitney's U.

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal};

use crate::stats::StatsError;

/// Above this size of either sample the exact distribution gives way to the normal approximation.
const EXACT_UP_TO: usize = 20;

/// Result of a Mann-Whitney test.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MannWhitney {
    /// Pairs in which the first sample has the larger value, ties counting half.
    pub u: f64,
    /// Two-sided p-value.
    pub p_value: f64,
    /// Whether the p-value is exact, else a normal approximation with corrections for ties and continuity.
    pub exact: bool,
    /// `u / (n m)`: the probability that a value of the first sample exceeds one of the second.
    pub superiority: f64,
}

/// Mann-Whitney's U of two samples: exact up to 20 values on each side without ties, asymptotic otherwise.
///
/// A failed request enters as +infinity. Empty samples and NaN are refused.
pub fn mann_whitney(x: &[f64], y: &[f64]) -> Result<MannWhitney, StatsError> {
    let ranks = Ranks::of(x, y)?;
    let small = x.len() <= EXACT_UP_TO && y.len() <= EXACT_UP_TO;
    Ok(if small && !ranks.tied() { ranks.exact() } else { ranks.asymptotic() })
}

/// The exact test; refused where values are tied, since its distribution is another one then.
pub fn mann_whitney_exact(x: &[f64], y: &[f64]) -> Result<MannWhitney, StatsError> {
    let ranks = Ranks::of(x, y)?;
    if ranks.tied() {
        return Err(StatsError::Series("tied values have no exact distribution here"));
    }
    if x.len() > 200 || y.len() > 200 {
        return Err(StatsError::Series("too long for the exact distribution"));
    }
    Ok(ranks.exact())
}

/// The normal approximation with corrections for ties and continuity.
pub fn mann_whitney_asymptotic(x: &[f64], y: &[f64]) -> Result<MannWhitney, StatsError> {
    Ok(Ranks::of(x, y)?.asymptotic())
}

struct Ranks {
    n: usize,
    m: usize,
    u: f64,
    /// Sum of `t^3 - t` over groups of `t` equal values.
    ties: f64,
}

impl Ranks {
    fn of(x: &[f64], y: &[f64]) -> Result<Self, StatsError> {
        if x.is_empty() || y.is_empty() {
            return Err(StatsError::Series("a sample is empty"));
        }
        if x.iter().chain(y).any(|v| v.is_nan()) {
            return Err(StatsError::Series("a value is not a number"));
        }
        let mut all: Vec<(f64, bool)> = x.iter().map(|v| (*v, true)).chain(y.iter().map(|v| (*v, false))).collect();
        all.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let (mut rank_sum, mut ties, mut before) = (0.0, 0.0, 0usize);
        // `==` and not `total_cmp`: -0.0 and 0.0 are the same latency.
        #[expect(clippy::float_cmp, reason = "ties are exact by definition")]
        for group in all.chunk_by(|a, b| a.0 == b.0) {
            let size = group.len() as f64;
            let rank = before as f64 + f64::midpoint(size, 1.0);
            rank_sum += rank * group.iter().filter(|(_, first)| *first).count() as f64;
            ties += size.powi(3) - size;
            before += group.len();
        }
        let n = x.len() as f64;
        Ok(Self { n: x.len(), m: y.len(), u: rank_sum - n * (n + 1.0) / 2.0, ties })
    }

    fn tied(&self) -> bool {
        self.ties > 0.0
    }

    fn pairs(&self) -> f64 {
        self.n as f64 * self.m as f64
    }

    fn result(&self, p_value: f64, exact: bool) -> MannWhitney {
        MannWhitney { u: self.u, p_value: p_value.clamp(0.0, 1.0), exact, superiority: self.u / self.pairs() }
    }

    fn exact(&self) -> MannWhitney {
        let larger = self.u.max(self.pairs() - self.u).round() as usize;
        let tail: f64 = distribution(self.n, self.m).iter().skip(larger).sum();
        self.result(2.0 * tail, true)
    }

    fn asymptotic(&self) -> MannWhitney {
        let total = (self.n + self.m) as f64;
        let variance = self.pairs() / 12.0 * (total + 1.0 - self.ties / (total * (total - 1.0)));
        if variance <= 0.0 {
            // All values equal: nothing speaks for a difference.
            return self.result(1.0, false);
        }
        let z = ((self.u - self.pairs() / 2.0).abs() - 0.5) / variance.sqrt();
        self.result(2.0 * Normal::standard().sf(z), false)
    }
}

/// Probability of every value of U for samples of these sizes when nothing differs.
///
/// Builds up by the largest value: it belongs to the first sample (and beats all `j` of the second) or to the second.
fn distribution(n: usize, m: usize) -> Vec<f64> {
    let mut row: Vec<Vec<f64>> = vec![vec![1.0]; m + 1];
    for i in 1..=n {
        let mut next: Vec<Vec<f64>> = vec![vec![1.0]];
        for j in 1..=m {
            let first = i as f64 / (i + j) as f64;
            let mut p = vec![0.0; i * j + 1];
            for (u, q) in row[j].iter().enumerate() {
                p[u + j] += first * q;
            }
            for (u, q) in next[j - 1].iter().enumerate() {
                p[u] += (1.0 - first) * q;
            }
            next.push(p);
        }
        row = next;
    }
    row.swap_remove(m)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stats::vectors::{close, number, rows, series};

    #[test]
    fn mann_whitney_matches_the_vectors() {
        for row in rows("mann_whitney") {
            let (x, y) = (series(&row["x"]), series(&row["y"]));
            let got = match row["method"].as_str().unwrap() {
                "exact" => mann_whitney_exact(&x, &y).unwrap(),
                _ => mann_whitney_asymptotic(&x, &y).unwrap(),
            };
            close(got.u, number(&row, "U_x"), 1e-12);
            close(got.p_value, number(&row, "p"), 1e-8);
        }
    }

    #[test]
    fn ties_and_failures_are_ranked() {
        // Ranks of x: 1.5, 1.5, 5.5; U = 8.5 - 6 = 2.5.
        let got = mann_whitney(&[1.0, 1.0, f64::INFINITY], &[2.0, 3.0, f64::INFINITY]).unwrap();
        close(got.u, 2.5, 1e-12);
        assert!(!got.exact);
        close(mann_whitney(&[4.0; 5], &[4.0; 6]).unwrap().p_value, 1.0, 1e-12);
        assert!(mann_whitney(&[], &[1.0]).is_err() && mann_whitney(&[f64::NAN], &[1.0]).is_err());
        assert!(mann_whitney_exact(&[1.0], &[1.0]).is_err());
    }

    proptest! {
        #[test]
        fn swapping_the_samples_mirrors_u(
            x in prop::collection::vec(-50i32..50, 1..30), y in prop::collection::vec(-50i32..50, 1..30),
        ) {
            let x: Vec<f64> = x.into_iter().map(f64::from).collect();
            let y: Vec<f64> = y.into_iter().map(f64::from).collect();
            let (a, b) = (mann_whitney(&x, &y).unwrap(), mann_whitney(&y, &x).unwrap());
            prop_assert!((a.u + b.u - (x.len() * y.len()) as f64).abs() < 1e-9);
            prop_assert!((a.p_value - b.p_value).abs() < 1e-9);
        }

        #[test]
        fn the_exact_distribution_is_one(n in 1usize..12, m in 1usize..12) {
            let p = distribution(n, m);
            prop_assert_eq!(p.len(), n * m + 1);
            prop_assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        }
    }
}
