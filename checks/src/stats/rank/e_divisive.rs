//! Where a history of nights changes: the E-divisive energy statistic with alpha = 1 (Matteson and James, 2014).

use serde::{Deserialize, Serialize};

use super::shuffle::shuffle;
use crate::stats::StatsError;

/// Where a series changes, by the energy statistic with alpha = 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ChangePoint {
    /// Index of the first value after the change.
    pub tau: usize,
    /// Index after the last value of the segment that follows the change.
    pub kappa: usize,
    /// The statistic; larger is a clearer change. Not a probability.
    pub q: f64,
}

/// Pairwise distances summed up so that any split costs the same.
struct Distances {
    n: usize,
    /// `sums[i][j]`: distances among `z[a]`, `z[b]` for all `a < i`, `b < j`.
    sums: Vec<f64>,
}

impl Distances {
    fn of(z: &[f64]) -> Self {
        let n = z.len();
        let width = n + 1;
        let mut sums = vec![0.0; width * width];
        for i in 0..n {
            let mut line = 0.0;
            for j in 0..n {
                line += (z[i] - z[j]).abs();
                sums[(i + 1) * width + j + 1] = sums[i * width + j + 1] + line;
            }
        }
        Self { n, sums }
    }

    fn block(&self, rows: (usize, usize), columns: (usize, usize)) -> f64 {
        let at = |i: usize, j: usize| self.sums[i * (self.n + 1) + j];
        at(rows.1, columns.1) - at(rows.0, columns.1) - at(rows.1, columns.0) + at(rows.0, columns.0)
    }

    fn q(&self, tau: usize, kappa: usize) -> f64 {
        let (n, m) = (tau as f64, (kappa - tau) as f64);
        let between = self.block((0, tau), (tau, kappa)) * 2.0 / (n * m);
        // A block holds every pair twice, and there are n(n-1)/2 of them.
        let first = self.block((0, tau), (0, tau)) / (n * (n - 1.0));
        let second = self.block((tau, kappa), (tau, kappa)) / (m * (m - 1.0));
        n * m / (n + m) * (between - first - second)
    }

    fn best(&self) -> Option<ChangePoint> {
        let mut best: Option<ChangePoint> = None;
        for kappa in 4..=self.n {
            for tau in 2..=kappa - 2 {
                let q = self.q(tau, kappa);
                if best.is_none_or(|b| q > b.q) {
                    best = Some(ChangePoint { tau, kappa, q });
                }
            }
        }
        best
    }
}

/// The E-divisive statistic of the split of `z[..kappa]` at `tau`, alpha = 1. Both sides need at least two values.
pub fn e_divisive_q(z: &[f64], tau: usize, kappa: usize) -> Result<f64, StatsError> {
    finite(z)?;
    if tau < 2 || kappa > z.len() || kappa < tau + 2 {
        return Err(StatsError::Series("both sides of a change need two values"));
    }
    Ok(Distances::of(z).q(tau, kappa))
}

/// The split with the largest statistic over all `tau` and `kappa`; `None` for fewer than four values.
///
/// Takes memory and time in the square of the length: meant for a history of nights, not for raw samples.
pub fn best_split(z: &[f64]) -> Result<Option<ChangePoint>, StatsError> {
    finite(z)?;
    Ok(Distances::of(z).best())
}

/// How often a shuffled history shows a change at least as clear: `(1 + hits) / (1 + shuffles)`.
///
/// The same start gives the same value. `None` for fewer than four values.
pub fn permutation_p_value(z: &[f64], shuffles: u32, start: u64) -> Result<Option<f64>, StatsError> {
    let Some(found) = best_split(z)? else { return Ok(None) };
    let (mut state, mut order, mut hits) = (start, z.to_vec(), 0u32);
    for _ in 0..shuffles {
        shuffle(&mut order, &mut state);
        if Distances::of(&order).best().is_some_and(|b| b.q >= found.q * (1.0 - 1e-12)) {
            hits += 1;
        }
    }
    Ok(Some(f64::from(1 + hits) / f64::from(1 + shuffles)))
}

fn finite(z: &[f64]) -> Result<(), StatsError> {
    if z.iter().all(|v| v.is_finite()) { Ok(()) } else { Err(StatsError::Series("a value is not finite")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::vectors::{close, number, rows, series};

    #[test]
    fn e_divisive_matches_the_vectors() {
        for row in rows("e_divisive_q_alpha1") {
            let z = series(&row["z"]);
            let (tau, kappa) = (number(&row, "tau") as usize, number(&row, "kappa") as usize);
            close(e_divisive_q(&z, tau, kappa).unwrap(), number(&row, "Q"), 1e-8);
            let best = best_split(&z).unwrap().unwrap();
            assert_eq!((best.tau, best.kappa), (tau, kappa));
        }
    }

    #[test]
    fn a_change_is_rarer_than_its_shuffles() {
        let z = series(&rows("e_divisive_q_alpha1")[1]["z"]);
        let clear = permutation_p_value(&z, 199, 7).unwrap().unwrap();
        close(clear, 0.005, 1e-12);
        assert_eq!(permutation_p_value(&z, 199, 7), permutation_p_value(&z, 199, 7));
        assert!(permutation_p_value(&[1.0; 12], 99, 7).unwrap().unwrap() > 0.9);
        assert_eq!(permutation_p_value(&[1.0; 3], 99, 7).unwrap(), None);
        assert!(e_divisive_q(&z, 1, 20).is_err() && best_split(&[f64::NAN; 9]).is_err());
    }
}
