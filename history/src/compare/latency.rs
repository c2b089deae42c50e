//! Latency of right answers, in time or late, probe by probe: whether those of one run tend to be larger.
//!
//! Consecutive samples resemble each other, which a rank test does not know. So only every k-th sample is used, with k from the
//! correlation of ranks of consecutive samples, as if the others had not been made.

use meshdrill_checks::stats::Confidence;
use meshdrill_checks::stats::quantile::Quantile;
use meshdrill_checks::stats::rank::mann_whitney;
use meshdrill_checks::units::{counted, grouped, seconds};
use serde::Serialize;

use super::Outcome;
use super::side::Side;

/// All tests of one comparison together show a difference where there is none with this probability at most.
pub const LEVEL: f64 = 0.01;
/// A shift matters if a sample of the one run is larger than one of the other this much more often than half of the time.
pub const EFFECT: f64 = 0.06;
/// The share by which the 99th percentile must differ to matter.
const TAIL: f64 = 0.1;
/// Normal quantile of 80 %: how surely a shift that matters is to be found.
const POWER: f64 = 0.8416;

/// Latencies of a probe in both runs.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LatencyComparison {
    /// The probe.
    pub probe: String,
    /// Its connections: `new` or `kept`.
    pub series: &'static str,
    /// Right answers.
    pub n: [usize; 2],
    /// Those that were tested.
    pub used: [usize; 2],
    /// Medians in seconds.
    pub p50: [Option<f64>; 2],
    /// 99 % in seconds.
    pub p99: [Option<f64>; 2],
    /// Their intervals, at a confidence that is corrected for the number of tests; an end is none with too few samples.
    pub p99_interval: [[Option<f64>; 2]; 2],
    /// How often a sample of the second run is larger than one of the first; none without samples.
    pub superiority: Option<f64>,
    /// Mann-Whitney's two-sided p-value.
    pub p_value: Option<f64>,
    /// The same, corrected for the number of tests (Holm).
    pub adjusted_p_value: Option<f64>,
    /// What can be concluded.
    pub outcome: Outcome,
    /// The same in words.
    pub message: String,
    /// The samples that are tested, sorted.
    #[serde(skip)]
    tested: [Vec<f64>; 2],
}

/// Compares all series that either run has. What can be concluded is open until all tests are known.
pub(super) fn compare(before: &Side, after: &Side) -> Vec<LatencyComparison> {
    let names: std::collections::BTreeSet<_> = before.latencies.keys().chain(after.latencies.keys()).collect();
    let none = Vec::new();
    let series = names.into_iter().map(|key| {
        let both = [before, after].map(|side| side.latencies.get(key).unwrap_or(&none).as_slice());
        let step = both.map(spacing).into_iter().max().unwrap_or(1);
        let thinned = both.map(|values| values.iter().copied().step_by(step).collect::<Vec<f64>>());
        let tested = mann_whitney(&thinned[1], &thinned[0]).ok();
        LatencyComparison {
            probe: key.0.clone(),
            series: key.1,
            n: both.map(<[f64]>::len),
            used: [thinned[0].len(), thinned[1].len()],
            p50: both.map(|values| quantile(values, 0.5)),
            p99: both.map(|values| quantile(values, 0.99)),
            superiority: tested.map(|one| one.superiority),
            p_value: tested.map(|one| one.p_value),
            p99_interval: [[None; 2]; 2],
            adjusted_p_value: None,
            outcome: Outcome::CannotTell,
            message: String::new(),
            tested: thinned.map(sorted),
        }
    });
    series.collect()
}

/// Corrects the p-values of all tests (Holm) and concludes.
pub(super) fn conclude(tests: &mut [&mut LatencyComparison]) {
    let mut order: Vec<(usize, f64)> =
        tests.iter().enumerate().filter_map(|(index, test)| Some((index, test.p_value?))).collect();
    order.sort_by(|a, b| a.1.total_cmp(&b.1));
    let (count, mut highest) = (order.len(), 0.0_f64);
    for (rank, (index, p_value)) in order.into_iter().enumerate() {
        highest = highest.max((p_value * (count - rank) as f64).min(1.0));
        tests[index].adjusted_p_value = Some(highest);
    }
    for test in tests {
        let tested = std::mem::take(&mut test.tested);
        test.p99_interval = tested.map(|values| p99_interval(&values, count));
        (test.outcome, test.message) = conclusion(test, count);
    }
}

fn conclusion(test: &LatencyComparison, count: usize) -> (Outcome, String) {
    let (Some(superiority), Some(p_value)) = (test.superiority, test.adjusted_p_value) else {
        let side = if test.n[0] == 0 { "A" } else { "B" };
        return (Outcome::CannotTell, format!("cannot tell: {side} has no answer"));
    };
    let needed = needed(count);
    let often = format!("a request of B takes longer than one of A {:.0} % of the time", superiority * 100.0);
    let [old, new] = test.p50.map(|p50| p50.map_or_else(String::new, seconds));
    let medians = if old == new { format!("median {old} in both") } else { format!("median {old}, now {new}") };
    let effect = superiority - 0.5;
    if p_value < LEVEL && effect.abs() >= EFFECT {
        let outcome = if effect > 0.0 { Outcome::Worse } else { Outcome::Better };
        return (outcome, format!("{}: {medians}; {often} (p = {p_value:.2e})", outcome.word()));
    }
    if let Some(slowest) = slowest(test) {
        return slowest;
    }
    // The half width of the interval of the superiority, without ties.
    let [n, m] = test.used.map(|count| count as f64);
    let width = 2.576 * ((n + m + 1.0) / (12.0 * n * m)).sqrt();
    if effect.abs() + width < EFFECT {
        return (
            Outcome::Same,
            format!("no shift that matters: {medians}; {often}, and a shift that matters is 56 % or more"),
        );
    }
    let least = test.used[0].min(test.used[1]);
    let [used_a, used_b] = test.used.map(|count| grouped(count as u64));
    let independent = if test.used == test.n {
        "samples".to_owned()
    } else {
        format!("independent samples of {} and {}", grouped(test.n[0] as u64), grouped(test.n[1] as u64))
    };
    let settle = if (least as u64) < needed {
        let longer = needed as f64 / least as f64;
        format!(
            "{used_a} and {used_b} {independent}; a shift that matters needs about {} on each side: sample {longer:.1} times as long",
            grouped(needed)
        )
    } else {
        format!(
            "the shift is at the edge of what matters; {} and {} of {} would narrow it: sample twice as long",
            used_a,
            used_b,
            counted(test.n[0], "sample")
        )
    };
    (Outcome::CannotTell, format!("cannot tell: {medians}; {often} (p = {p_value:.2}); {settle}"))
}

/// The slowest requests, which the middle says nothing of: whether the intervals of the 99th percentile are apart.
fn slowest(test: &LatencyComparison) -> Option<(Outcome, String)> {
    let ([old, new], [[old_low, old_high], [new_low, new_high]]) = (test.p99, test.p99_interval);
    let (old, new) = (old?, new?);
    let apart = if new > old { new_low? > old_high? } else { new_high? < old_low? };
    if !apart || (new - old).abs() < TAIL * old {
        return None;
    }
    let outcome = if new > old { Outcome::Worse } else { Outcome::Better };
    let level = seconds(old);
    Some((
        outcome,
        format!("{}: the slowest 1 %: P99 {level}, now {}; their intervals are apart", outcome.word(), seconds(new)),
    ))
}

/// The interval of the 99th percentile of sorted values: order statistics.
fn p99_interval(sorted: &[f64], tests: usize) -> [Option<f64>; 2] {
    let Ok(confidence) = Confidence::new(1.0 - LEVEL / 2.0 / tests.max(1) as f64) else { return [None; 2] };
    let ranks = Quantile::P99.rank_interval(sorted.len() as u64, confidence);
    [ranks.lower, ranks.upper].map(|rank| sorted.get(usize::try_from(rank?).ok()?.checked_sub(1)?).copied())
}

/// How many samples each run needs so that a shift that matters is found four times of five (Noether, 1987).
fn needed(tests: usize) -> u64 {
    let tail = LEVEL / 2.0 / tests.max(1) as f64;
    // Normal quantile of a small tail, by its usual expansion; two digits are enough here.
    let t = (-2.0 * tail.ln()).sqrt();
    let quantile = t - (2.307_53 + 0.270_61 * t) / (1.0 + 0.992_29 * t + 0.044_81 * t * t);
    ((quantile + POWER).powi(2) / (6.0 * EFFECT * EFFECT)).ceil() as u64
}

/// Every how many-th sample says something new: from the correlation of ranks of consecutive samples.
fn spacing(values: &[f64]) -> usize {
    if values.len() < 16 {
        return 1;
    }
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut first = 0.0;
    for group in order.chunk_by(|a, b| values[*a].total_cmp(&values[*b]).is_eq()) {
        group.iter().for_each(|index| ranks[*index] = first + (group.len() - 1) as f64 / 2.0);
        first += group.len() as f64;
    }
    let mean = (values.len() - 1) as f64 / 2.0;
    let total: f64 = ranks.iter().map(|rank| (rank - mean).powi(2)).sum();
    let together: f64 = ranks.windows(2).map(|two| (two[0] - mean) * (two[1] - mean)).sum();
    let correlation = if total > 0.0 { (together / total).clamp(0.0, 0.98) } else { 0.0 };
    // A smaller correlation than this also shows in independent samples.
    if correlation < 2.0 / (values.len() as f64).sqrt() {
        return 1;
    }
    ((1.0 + correlation) / (1.0 - correlation)).ceil() as usize
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_unstable_by(f64::total_cmp);
    values
}

/// A quantile by nearest rank.
fn quantile(values: &[f64], share: f64) -> Option<f64> {
    let sorted = sorted(values.to_vec());
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test(n: usize, superiority: f64, p_value: f64) -> LatencyComparison {
        LatencyComparison {
            probe: "page".into(),
            series: "new",
            n: [n; 2],
            used: [n; 2],
            p50: [Some(0.01); 2],
            p99: [Some(0.02); 2],
            p99_interval: [[None; 2]; 2],
            superiority: Some(superiority),
            p_value: Some(p_value),
            adjusted_p_value: None,
            outcome: Outcome::CannotTell,
            message: String::new(),
            tested: [Vec::new(), Vec::new()],
        }
    }

    #[test]
    fn few_samples_never_show_that_nothing_changed() {
        let mut one = test(50, 0.5, 1.0);
        conclude(&mut [&mut one]);
        assert_eq!(one.outcome, Outcome::CannotTell);
        assert!(one.message.contains("needs about 5") && one.message.contains("on each side"), "{}", one.message);
        let mut many = test(5_000, 0.5, 1.0);
        conclude(&mut [&mut many]);
        assert_eq!(many.outcome, Outcome::Same);
    }

    #[test]
    fn p_values_are_corrected_for_the_number_of_tests() {
        let mut tests: Vec<LatencyComparison> =
            (0..20).map(|i| test(900, 0.6, if i == 7 { 0.0008 } else { 0.5 })).collect();
        conclude(&mut tests.iter_mut().collect::<Vec<_>>());
        assert!((tests[7].adjusted_p_value.unwrap() - 0.016).abs() < 1e-12);
        assert_eq!(tests[7].outcome, Outcome::CannotTell);
        let mut alone = test(900, 0.6, 0.0008);
        conclude(&mut [&mut alone]);
        assert_eq!(alone.outcome, Outcome::Worse);
    }

    #[test]
    fn a_slow_tail_shows_where_the_middle_does_not() {
        let values = |slow: f64| {
            (0..4_000).map(|i| if i % 40 == 0 { slow } else { 0.01 + f64::from(i % 39) * 1e-5 }).collect::<Vec<f64>>()
        };
        let mut one =
            LatencyComparison { tested: [sorted(values(0.1)), sorted(values(0.3))], ..test(4_000, 0.51, 0.4) };
        one.p99 = [Some(0.1), Some(0.3)];
        conclude(&mut [&mut one]);
        assert_eq!(one.outcome, Outcome::Worse, "{}", one.message);
    }

    #[test]
    fn values_that_follow_each_other_are_thinned_out() {
        let slow: Vec<f64> = (0..1_000).map(|i| f64::from(i / 50 % 7)).collect();
        assert!(spacing(&slow) > 10, "{}", spacing(&slow));
        let quick: Vec<f64> = (0..1_000_u64).map(|i| ((i * i * 7_919 + i * 31) % 1_009) as f64).collect();
        assert_eq!(spacing(&quick), 1);
        assert_eq!([spacing(&[]), spacing(&[1.0; 100])], [1, 1]);
        assert_eq!((quantile(&[], 0.5), quantile(&[3.0, 1.0, 2.0], 0.5)), (None, Some(2.0)));
    }
}
