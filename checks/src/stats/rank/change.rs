//! Which changes of a history are clear enough to be reported.
//!
//! A history is looked at in windows of [`WINDOW`] values, by ranks, so that one outlier neither makes nor hides a change.
//! In each window the clearest split by the E-divisive statistic is tested: against shuffles of the same ranks, and, where
//! shuffles are too few to show how rare it is, by Mann-Whitney's exact test with every possible split counted. The smaller of
//! the two counts double. If the split is significant, both sides are searched in the same way.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::e_divisive::{best_split, e_divisive_q};
use super::mann_whitney::mann_whitney_exact;
use super::shuffle::{shuffle, split_mix};

/// How many values are looked at together.
pub const WINDOW: usize = 60;
/// Fewest values in which a change can be found.
const FEWEST: usize = 8;
/// Shuffles that are tried first, and where these leave it open.
const SHUFFLES: [usize; 2] = [499, 9_999];
/// Windows that overlap find the same change more than once, a few values apart.
const SAME: usize = 3;
/// How far from the clearest split of ranks a change may lie.
const NEAR: usize = 2;
/// Where all shuffles begin.
const START: u64 = 0x6d65_7368_6472_696c;

/// A change in a series.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Index of the first value after it.
    pub at: usize,
    /// How often a series in which nothing changes shows a change as clear as this one.
    pub p_value: f64,
}

/// How many windows a series of this length is looked at in: each is one test.
pub const fn windows(length: usize) -> usize {
    if length < FEWEST {
        0
    } else if length <= WINDOW {
        1
    } else {
        (length - WINDOW).div_ceil(WINDOW / 2) + 1
    }
}

/// Finds changes. Shuffles are made once for each length and serve all series.
#[derive(Debug, Default)]
pub struct ChangeSearch {
    /// By length, the sorted statistics of shuffles.
    shuffles: BTreeMap<usize, Vec<f64>>,
}

impl ChangeSearch {
    /// The changes of a series of finite values, oldest first, of which a window without a change shows one with a probability
    /// of at most `level`.
    pub fn changes(&mut self, values: &[f64], level: f64) -> Vec<Change> {
        let mut found: Vec<Change> = Vec::new();
        let count = windows(values.len());
        for window in 0..count {
            let end = if window + 1 == count { values.len() } else { window * (WINDOW / 2) + WINDOW };
            let start = end.saturating_sub(WINDOW);
            let mut here = Vec::new();
            self.search(&values[start..end], start, level, &mut here);
            for change in here {
                match found.iter_mut().find(|other| other.at.abs_diff(change.at) <= SAME) {
                    Some(other) if change.p_value < other.p_value => *other = change,
                    Some(_) => {}
                    None => found.push(change),
                }
            }
        }
        found.sort_by_key(|change| change.at);
        found
    }

    /// Fewest values of which a change can be significant at a level: those in which the halves have no value in common.
    pub fn fewest(&mut self, level: f64) -> usize {
        let (mut low, mut high) = (FEWEST, WINDOW);
        while low < high {
            let n = usize::midpoint(low, high);
            let step: Vec<f64> = (0..n).map(|i| if i < n / 2 { 0.0 } else { 1.0 }).collect();
            let shows = self.clearest(&step).is_some_and(|change| change.p_value <= level);
            if shows { high = n } else { low = n + 1 }
        }
        low
    }

    fn search(&mut self, values: &[f64], offset: usize, level: f64, found: &mut Vec<Change>) {
        let Some(change) = self.clearest(values) else { return };
        if change.p_value > level {
            return;
        }
        let (before, after) = values.split_at(change.at);
        self.search(before, offset, level, found);
        found.push(Change { at: offset + change.at, ..change });
        self.search(after, offset + change.at, level, found);
    }

    /// The clearest split with its p-value.
    fn clearest(&mut self, values: &[f64]) -> Option<Change> {
        let n = values.len();
        let constant = values.windows(2).all(|two| two[0].total_cmp(&two[1]).is_eq());
        if n < FEWEST || constant {
            return None;
        }
        let ranks = ranks(values);
        let split = best_split(&ranks).ok()??;
        let shuffled = self.shuffled_p_value(n, split.q);
        let exact = mann_whitney_exact(&ranks[..split.tau], &ranks[split.tau..split.kappa]).ok()?;
        let p_value = (2.0 * shuffled.min(exact.p_value * splits(n))).min(1.0);
        Some(Change { at: place(values, split.tau, split.kappa), p_value })
    }

    /// How often a shuffled series of this length shows a split as clear as this.
    fn shuffled_p_value(&mut self, n: usize, q: f64) -> f64 {
        let mut p_value = 1.0;
        for count in SHUFFLES {
            let table = self.shuffles.entry(n).or_default();
            if table.len() < count {
                *table = shuffled(n, count);
            }
            let at_least = table.len() - table.partition_point(|other| *other < q * (1.0 - 1e-12));
            p_value = (1 + at_least) as f64 / (1 + table.len()) as f64;
            if p_value > 0.05 {
                break;
            }
        }
        p_value
    }
}

/// The statistics of shuffled ranks, sorted.
fn shuffled(n: usize, count: usize) -> Vec<f64> {
    let mut state = START ^ n as u64;
    let mut order: Vec<f64> = (1..=n).map(|rank| rank as f64).collect();
    let mut table: Vec<f64> = Vec::with_capacity(count);
    for _ in 0..count {
        shuffle(&mut order, &mut state);
        table.extend(best_split(&order).ok().flatten().map(|split| split.q));
    }
    table.sort_unstable_by(f64::total_cmp);
    table
}

/// How many splits there are to choose from: both sides have at least two values.
fn splits(n: usize) -> f64 {
    ((n - 3) * (n - 2)) as f64 / 2.0
}

/// Where a change lies by the values themselves, near where it lies by their ranks: ranks do not show the width of a gap. Outliers
/// count as three times the distance between the quartiles.
fn place(values: &[f64], tau: usize, kappa: usize) -> usize {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let n = sorted.len();
    let (low, middle, high) = (sorted[n / 4], sorted[n / 2], sorted[n - 1 - n / 4]);
    let reach = 3.0 * (high - low);
    if reach <= 0.0 {
        return tau;
    }
    let tamed: Vec<f64> = values.iter().map(|value| value.clamp(middle - reach, middle + reach)).collect();
    let near = tau.saturating_sub(NEAR).max(2)..=(tau + NEAR).min(kappa - 2);
    let q = |at: usize| e_divisive_q(&tamed, at, kappa).unwrap_or(f64::MIN);
    near.max_by(|a, b| q(*a).total_cmp(&q(*b))).unwrap_or(tau)
}

/// The ranks of values, from 1. The order of equal values is drawn, so that ranks are as likely in any order if nothing changes.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut state = START;
    let mut order: Vec<(f64, u64, usize)> =
        values.iter().enumerate().map(|(index, value)| (*value, split_mix(&mut state), index)).collect();
    order.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let mut ranks = vec![0.0; values.len()];
    for (rank, (_, _, index)) in order.iter().enumerate() {
        ranks[*index] = (rank + 1) as f64;
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of which half lie below 1, and few far above it, as latencies do.
    fn noise(state: &mut u64, count: usize) -> Vec<f64> {
        let mut uniform = || (split_mix(state) >> 11) as f64 / (1u64 << 53) as f64;
        (0..count).map(|_| (-(1.0 - uniform()).ln()).powi(2)).collect()
    }

    #[test]
    fn a_shift_is_found_where_it_is() {
        let mut state = 1;
        let mut z = noise(&mut state, 30);
        z[20..].iter_mut().for_each(|value| *value += 60.0);
        let mut search = ChangeSearch::default();
        let found = search.changes(&z, 0.002);
        assert_eq!(found.iter().map(|change| change.at).collect::<Vec<_>>(), [20]);
        assert_eq!(
            search.changes(&z, 0.002),
            ChangeSearch::default().changes(&z, 0.002),
            "the same input, the same answer"
        );
    }

    #[test]
    fn an_outlier_next_to_a_shift_does_not_move_it() {
        let mut state = 5;
        let mut z: Vec<f64> = noise(&mut state, 60).iter().map(|value| 50.0 + value.min(4.0)).collect();
        z[41..].iter_mut().for_each(|value| *value += 30.0);
        z[44] = 4e5;
        let found = ChangeSearch::default().changes(&z, 0.0001);
        assert!(found.len() == 1 && found[0].at.abs_diff(41) <= 1, "{found:?}");
    }

    #[test]
    fn a_change_that_was_mended_is_two() {
        let mut state = 2;
        let mut z = noise(&mut state, 365);
        z[150..175].iter_mut().for_each(|value| *value += 20.0);
        let found = ChangeSearch::default().changes(&z, 1e-4);
        let places: Vec<usize> = found.iter().map(|change| change.at).collect();
        assert_eq!(places.len(), 2, "{places:?}");
        assert!(places[0].abs_diff(150) <= 1 && places[1].abs_diff(175) <= 1, "{places:?}");
    }

    #[test]
    fn false_alarms_are_as_rare_as_the_level() {
        let mut state = 3;
        let mut search = ChangeSearch::default();
        let (rounds, level) = (2_000, 0.05);
        let alarms = (0..rounds).filter(|_| !search.changes(&noise(&mut state, 30), level).is_empty()).count();
        // Five standard deviations above the level.
        assert!((alarms as f64) < 100.0 + 5.0 * 10.0, "{alarms} of {rounds}");
        assert!(alarms > 10, "{alarms} of {rounds}: the test would find nothing");
        // Values that are mostly equal, as an availability is.
        let mut tied = || noise(&mut state, 30).iter().map(|value| f64::from(*value > 4.0)).collect::<Vec<_>>();
        let alarms = (0..rounds).filter(|_| !search.changes(&tied(), level).is_empty()).count();
        assert!((alarms as f64) < 150.0, "{alarms} of {rounds} with ties");
    }

    #[test]
    fn one_outlier_is_no_change_and_hides_none() {
        let mut state = 4;
        let mut z = noise(&mut state, 40);
        z[12] = 1e9;
        let mut search = ChangeSearch::default();
        assert!(search.changes(&z, 0.002).is_empty());
        z[25..].iter_mut().for_each(|value| *value += 60.0);
        assert!(search.changes(&z, 0.002).iter().any(|change| change.at == 25));
        assert!(search.changes(&[3.0; 50], 0.5).is_empty() && search.changes(&[1.0, 2.0], 0.5).is_empty());
    }

    #[test]
    fn the_fewest_values_can_be_found() {
        for level in [0.01, 0.002, 1e-4, 4e-6] {
            let n = ChangeSearch::default().fewest(level);
            let step = |n: usize| (0..n).map(|i| if i < n / 2 { 0.0 } else { 1.0 }).collect::<Vec<_>>();
            assert_eq!(ChangeSearch::default().changes(&step(n), level).len(), 1, "{n} at {level}");
        }
        assert_eq!([0, 7, 8, 60, 61, 90, 91, 365].map(windows), [0, 0, 1, 1, 2, 2, 3, 12]);
    }
}
