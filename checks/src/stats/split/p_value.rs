//! How probable counts at least this far off would be if the declaration held.

use statrs::distribution::{ChiSquared, ContinuousCDF};

use super::Method;
use crate::stats::binomial;

/// Outcomes enumerated at most before the exact test gives way to one test per share.
const ENUMERATION_LIMIT: u64 = 200_000;
/// Below this expected count the chi-square approximation is not used.
const SMALLEST_EXPECTED: f64 = 5.0;

/// `counts` and `probabilities` go together; the probabilities are all positive and sum to 1.
pub(super) fn p_value(counts: &[u64], probabilities: &[f64], n: u64) -> (f64, Method) {
    if counts.len() < 2 {
        return (1.0, Method::Certain);
    }
    let smallest = probabilities.iter().copied().fold(f64::INFINITY, f64::min) * n as f64;
    if smallest >= SMALLEST_EXPECTED {
        let statistic = counts.iter().zip(probabilities).map(|(&k, &p)| {
            let expected = p * n as f64;
            (k as f64 - expected).powi(2) / expected
        });
        let degrees = (counts.len() - 1) as f64;
        // At least one degree of freedom here, the one thing the constructor checks.
        return (ChiSquared::new(degrees).map_or(f64::NAN, |d| d.sf(statistic.sum())), Method::ChiSquare);
    }
    if outcomes(n, counts.len()).is_some_and(|o| o <= ENUMERATION_LIMIT) {
        return (exact(counts, probabilities, n), Method::Exact);
    }
    let smallest = counts.iter().zip(probabilities).map(|(&k, &p)| two_sided_binomial(k, n, p)).fold(1.0, f64::min);
    ((smallest * counts.len() as f64).min(1.0), Method::PerShare)
}

/// Number of ways to hand `n` answers to `parts` parts.
fn outcomes(n: u64, parts: usize) -> Option<u64> {
    (1..parts as u64).try_fold(1u64, |ways, i| Some(ways.checked_mul(n.checked_add(i)?)? / i))
}

/// Sum of the probabilities of all outcomes at most as likely as the one seen.
fn exact(counts: &[u64], probabilities: &[f64], n: u64) -> f64 {
    let seen = probability(counts, probabilities, n) * (1.0 + 1e-7);
    let mut sum = 0.0;
    enumerate(probabilities, n, 1.0, 1.0, &mut |p| {
        if p <= seen {
            sum += p;
        }
    });
    sum.min(1.0)
}

/// A multinomial probability as a product of conditional binomials.
fn probability(counts: &[u64], probabilities: &[f64], n: u64) -> f64 {
    let (mut left, mut mass, mut product) = (n, 1.0, 1.0);
    for (&k, &p) in counts.iter().zip(probabilities).take(counts.len() - 1) {
        product *= binomial::point(k, left, (p / mass).min(1.0));
        left -= k;
        mass -= p;
    }
    product
}

fn enumerate(probabilities: &[f64], left: u64, mass: f64, product: f64, visit: &mut impl FnMut(f64)) {
    match probabilities {
        [] | [_] => visit(product),
        [first, rest @ ..] => {
            for k in 0..=left {
                let p = binomial::point(k, left, (first / mass).min(1.0));
                enumerate(rest, left - k, mass - first, product * p, visit);
            }
        }
    }
}

/// Twice the smaller tail, at most 1.
fn two_sided_binomial(k: u64, n: u64, p: f64) -> f64 {
    (2.0 * binomial::at_most(k, n, p).min(binomial::at_least(k, n, p))).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::vectors::close;

    #[test]
    fn exact_binomial_by_hand() {
        // 0 of 8 under a half: both extremes, 2/256.
        close(exact(&[0, 8], &[0.5, 0.5], 8), 2.0 / 256.0, 1e-12);
        // 1 of 4 under 0.2: everything but 0 (0.4096) is at most as likely as 1 (0.4096): all of it.
        close(exact(&[1, 3], &[0.2, 0.8], 4), 1.0, 1e-9);
        // A third each, all three alike: 3 of 27.
        close(exact(&[3, 0, 0], &[1.0 / 3.0; 3], 3), 3.0 / 27.0, 1e-12);
    }
}
