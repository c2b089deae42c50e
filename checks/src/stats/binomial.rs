//! Tails of the binomial distribution, exact enough for a million trials.
//!
//! `statrs` evaluates these through a continued fraction that it cuts off after 140 terms: right to eleven digits at
//! 100 000 trials, to six at a million, and wrong by a whole point of probability at two million, which is eleven hours
//! at 50 per second. Here the point probability comes from the saddle-point form (C. Loader, "Fast and accurate
//! computation of binomial probabilities", 2000) and a tail is summed from its largest term outwards, which takes about
//! `8 sqrt(n)` additions and loses nothing.

use std::f64::consts::PI;

/// `ln n! - ln(sqrt(2 π n) (n/e)^n)`, what Stirling's formula leaves out.
fn stirling_error(n: f64) -> f64 {
    const EXACT_UP_TO: f64 = 15.0;
    if n <= EXACT_UP_TO {
        let factorial: f64 = (1..=n as u32).map(f64::from).product();
        return factorial.ln() - ((n + 0.5) * n.ln() - n + 0.5 * (2.0 * PI).ln());
    }
    let n2 = n * n;
    (1.0 / 12.0 - (1.0 / 360.0 - (1.0 / 1260.0 - (1.0 / 1680.0 - 1.0 / (1188.0 * n2)) / n2) / n2) / n2) / n
}

/// `x ln(x/m) + m - x` without cancellation where `x` is near `m`.
fn deviance(x: f64, m: f64) -> f64 {
    if (x - m).abs() >= 0.1 * (x + m) {
        return x * (x / m).ln() + m - x;
    }
    let v = (x - m) / (x + m);
    let mut sum = (x - m) * v;
    let mut term = 2.0 * x * v;
    let mut j = 1.0;
    loop {
        term *= v * v;
        j += 2.0;
        let next = sum + term / j;
        // Exact equality is the end of a series whose terms no longer change the sum.
        if next.to_bits() == sum.to_bits() || j > 1000.0 {
            return next;
        }
        sum = next;
    }
}

/// Probability of exactly `k` events in `n` trials of probability `p`. Zero for `k > n`.
pub(crate) fn point(k: u64, n: u64, p: f64) -> f64 {
    if k > n {
        return 0.0;
    }
    if p <= 0.0 {
        return if k == 0 { 1.0 } else { 0.0 };
    }
    if p >= 1.0 {
        return if k == n { 1.0 } else { 0.0 };
    }
    let (kf, nf) = (k as f64, n as f64);
    if k == 0 {
        return (nf * (-p).ln_1p()).exp();
    }
    if k == n {
        return (nf * p.ln()).exp();
    }
    let rest = nf - kf;
    let ln = stirling_error(nf)
        - stirling_error(kf)
        - stirling_error(rest)
        - deviance(kf, nf * p)
        - deviance(rest, nf * (1.0 - p));
    ln.exp() * (nf / (2.0 * PI * kf * rest)).sqrt()
}

/// Sums point probabilities from `k` away from the mean until they no longer count.
fn tail(k: u64, n: u64, p: f64, down: bool) -> f64 {
    let odds = p / (1.0 - p);
    let mut term = point(k, n, p);
    let mut sum = term;
    let mut j = k;
    while term > sum * 1e-18 {
        if down {
            if j == 0 {
                break;
            }
            term *= j as f64 / ((n - j + 1) as f64 * odds);
            j -= 1;
        } else {
            if j == n {
                break;
            }
            term *= (n - j) as f64 * odds / (j + 1) as f64;
            j += 1;
        }
        sum += term;
    }
    sum.min(1.0)
}

/// Probability of at most `k` events.
pub(crate) fn at_most(k: u64, n: u64, p: f64) -> f64 {
    if k >= n || p <= 0.0 {
        return 1.0;
    }
    if p >= 1.0 {
        return 0.0;
    }
    if (k as f64) < n as f64 * p { tail(k, n, p, true) } else { 1.0 - tail(k + 1, n, p, false) }
}

/// Probability of at least `k` events.
pub(crate) fn at_least(k: u64, n: u64, p: f64) -> f64 {
    if k == 0 {
        return 1.0;
    }
    if k > n || p <= 0.0 {
        return 0.0;
    }
    if p >= 1.0 {
        return 1.0;
    }
    if k as f64 > n as f64 * p { tail(k, n, p, false) } else { 1.0 - tail(k - 1, n, p, true) }
}

/// The smallest `n` for which `holds`, which must stay true once it is. `None` beyond 2^53, where counts lose digits.
pub(crate) fn smallest_n(start: u64, holds: impl Fn(u64) -> bool) -> Option<u64> {
    const LIMIT: u64 = 1 << 53;
    let mut hi = start.max(1);
    let mut lo = start;
    while !holds(hi) {
        lo = hi + 1;
        hi = hi.checked_mul(2).filter(|n| *n <= LIMIT)?;
    }
    while lo < hi {
        let mid = lo + (hi - lo) / 2;
        if holds(mid) { hi = mid } else { lo = mid + 1 }
    }
    Some(hi)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_fair_coin_by_hand() {
        assert!((point(2, 4, 0.5) - 0.375).abs() < 1e-15);
        assert!((at_most(5, 20, 0.5) - 0.020_694_732_666_015_625).abs() < 1e-15);
        assert!((at_least(15, 20, 0.5) - 0.020_694_732_666_015_625).abs() < 1e-15);
    }

    #[test]
    fn edges_are_certain() {
        assert!((at_most(3, 3, 0.2) - 1.0).abs() < f64::EPSILON);
        assert!(at_least(4, 3, 0.2).abs() < f64::EPSILON);
        assert!((at_most(0, 0, 0.5) - 1.0).abs() < f64::EPSILON);
        assert!(point(1, 5, 0.0).abs() < f64::EPSILON);
    }

    #[test]
    fn two_million_fair_coins() {
        // Half of what is left beside the middle one: (1 + point(n/2)) / 2.
        let half = f64::midpoint(1.0, point(1_000_000, 2_000_000, 0.5));
        assert!((at_most(1_000_000, 2_000_000, 0.5) - half).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn the_two_tails_share_out_everything(n in 1u64..200_000, k in 0u64..200_000, p in 0.0001f64..0.9999) {
            let k = k % n;
            prop_assert!((at_most(k, n, p) + at_least(k + 1, n, p) - 1.0).abs() < 1e-10);
        }

        #[test]
        fn all_points_sum_to_one(n in 1u64..300, p in 0.001f64..0.999) {
            let sum: f64 = (0..=n).map(|k| point(k, n, p)).sum();
            prop_assert!((sum - 1.0).abs() < 1e-12);
        }
    }
}
