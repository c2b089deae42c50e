//! Outages and down time of a sampled service.
//!
//! An outage begins when its first bad sample was due and ends when the first good sample of a *sustained* run
//! completed: all samples good for [`SUSTAINED`], at least [`SUSTAINED_SAMPLES`] of them; or for what is left of the run
//! if that holds as many. Inside it, down time is finer: the stretches of consecutive bad samples. Both carry an
//! interval, from what is certain (last bad - first bad) to what is possible (first good after - last good before).

use std::time::Duration;

use crate::record::{At, Class, Sample};

/// How long the samples must be good for an outage to be over.
pub const SUSTAINED: Duration = Duration::from_secs(30);
/// How many samples must be good for an outage to be over: 29 of 29 support 90 % at 95 % confidence.
pub const SUSTAINED_SAMPLES: usize = 29;

/// A length of time known between bounds; `high` is none while it has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bounds {
    /// Certainly at least this.
    pub low: Duration,
    /// At most this; none if its end was not seen.
    pub high: Option<Duration>,
}

/// A stretch of consecutive bad samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// When the first bad sample was due.
    pub start: At,
    /// When the next good sample completed; none if there was none.
    pub end: Option<At>,
    /// When the last bad sample was due.
    pub last_bad: At,
    /// When the last good sample before it was due; the first slot of the run if there was none.
    pub last_good: At,
    /// How many bad samples it holds.
    pub bad: usize,
}

impl Stretch {
    /// How long it lasted.
    pub fn bounds(&self) -> Bounds {
        Bounds { low: self.last_bad.since(self.start), high: self.end.map(|end| end.since(self.last_good)) }
    }

    /// From its first bad sample due to the next good one completed; to `run_end` if none came.
    pub fn length(&self, run_end: At) -> Duration {
        self.end.unwrap_or(run_end).since(self.start)
    }
}

/// Stretches less than a sustained recovery apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outage {
    /// When the first bad sample was due.
    pub start: At,
    /// When the first good sample of the sustained run completed; none if recovery was not sustained.
    pub end: Option<At>,
    /// When the last bad sample was due.
    pub last_bad: At,
    /// Its stretches of consecutive bad samples.
    pub stretches: Vec<Stretch>,
    /// How many bad samples of each class it holds.
    pub classes: Vec<(Class, usize)>,
}

impl Outage {
    /// From the first bad sample to the sustained recovery.
    pub fn bounds(&self) -> Bounds {
        let before = self.stretches.first().map_or(self.start, |stretch| stretch.last_good);
        Bounds { low: self.last_bad.since(self.start), high: self.end.map(|end| end.since(before)) }
    }

    /// How many bad samples it holds.
    pub fn bad(&self) -> usize {
        self.stretches.iter().map(|stretch| stretch.bad).sum()
    }

    /// The sum of its stretches, counted once where they overlap.
    pub fn down(&self, run_end: At) -> Duration {
        union(self.stretches.iter().map(|stretch| (stretch.start, stretch.end.unwrap_or(run_end))))
    }

    /// Its longest stretch.
    pub fn longest(&self, run_end: At) -> Duration {
        self.stretches.iter().map(|stretch| stretch.length(run_end)).max().unwrap_or_default()
    }
}

/// The down time of all outages: what is certain, and what is possible.
pub(crate) fn down_time(outages: &[Outage]) -> Bounds {
    let stretches = || outages.iter().flat_map(|outage| &outage.stretches);
    let low = union(stretches().map(|stretch| (stretch.start, stretch.last_bad)));
    let high = stretches()
        .map(|stretch| stretch.end.map(|end| (stretch.last_good, end)))
        .collect::<Option<Vec<_>>>()
        .map(|intervals| union(intervals.into_iter()));
    Bounds { low, high }
}

/// The total length of intervals that begin in order, overlaps counted once.
fn union(intervals: impl Iterator<Item = (At, At)>) -> Duration {
    let mut total = Duration::ZERO;
    let mut covered = At::ZERO;
    for (start, end) in intervals {
        let from = start.max(covered);
        total += end.since(from);
        covered = covered.max(end);
    }
    total
}

/// Finds the outages in the samples of one series, in any order. Samples that were not made (no data, not sent) are
/// passed over: they widen the intervals of what lies around them.
pub fn find(samples: &[&Sample]) -> Vec<Outage> {
    let mut valid: Vec<&Sample> = samples.iter().copied().filter(|sample| sample.class.is_valid()).collect();
    valid.sort_by_key(|sample| sample.scheduled);
    let Some(first) = valid.first() else { return Vec::new() };
    let mut last_good = first.scheduled;
    let mut outages: Vec<Outage> = Vec::new();
    let mut open: Option<Outage> = None;
    let mut index = 0;
    while index < valid.len() {
        let bad = valid[index..].iter().take_while(|sample| sample.class.is_bad()).count();
        let (failed, rest) = valid[index..].split_at(bad);
        if let (Some(first), Some(last)) = (failed.first(), failed.last()) {
            let stretch = Stretch {
                start: first.scheduled,
                end: rest.first().map(|sample| sample.completed),
                last_bad: last.scheduled,
                last_good,
                bad,
            };
            let outage = open.get_or_insert_with(|| Outage {
                start: first.scheduled,
                end: None,
                last_bad: last.scheduled,
                stretches: Vec::new(),
                classes: Vec::new(),
            });
            outage.last_bad = last.scheduled;
            outage.stretches.push(stretch);
            for sample in failed {
                count(&mut outage.classes, sample.class);
            }
        }
        index += bad;
        let good = valid[index..].iter().take_while(|sample| sample.class.is_good()).count();
        let run = &valid[index..index + good];
        if let (Some(first), Some(last)) = (run.first(), run.last()) {
            let to_the_end = index + good == valid.len();
            let long = last.scheduled.since(first.scheduled) >= SUSTAINED || to_the_end;
            if long
                && good >= SUSTAINED_SAMPLES
                && let Some(mut outage) = open.take()
            {
                outage.end = Some(first.completed);
                outages.push(outage);
            }
            last_good = last.scheduled;
        }
        index += good;
    }
    outages.extend(open);
    outages
}

fn count(classes: &mut Vec<(Class, usize)>, class: Class) {
    match classes.iter_mut().find(|(known, _)| *known == class) {
        Some((_, number)) => *number += 1,
        None => classes.push((class, 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Series;
    use proptest::prelude::*;

    fn at(millis: u64) -> At {
        At::after_start(Duration::from_millis(millis))
    }

    /// Ten samples a second, each answered after 10 ms; bad where `bad` says so for the instant it was due.
    fn history(seconds: u64, bad: impl Fn(u64) -> bool) -> Vec<Sample> {
        (0..seconds * 10)
            .map(|slot| Sample {
                series: Series::New,
                slot,
                scheduled: at(slot * 100),
                started: at(slot * 100),
                completed: at(slot * 100 + 10),
                class: if bad(slot * 100) { Class::Refused } else { Class::Good },
                responder: None,
                phases: None,
                seen: None,
                message: None,
            })
            .collect()
    }

    fn outages(samples: &[Sample]) -> Vec<Outage> {
        find(&samples.iter().collect::<Vec<_>>())
    }

    #[test]
    fn an_outage_has_start_end_and_bounds() {
        let found = outages(&history(90, |due| (20_000..24_050).contains(&due)));
        assert_eq!(found.len(), 1);
        let outage = &found[0];
        assert_eq!((outage.start, outage.end), (at(20_000), Some(at(24_110))));
        assert_eq!(outage.bounds(), Bounds { low: Duration::from_secs(4), high: Some(Duration::from_millis(4_210)) });
        assert_eq!(outage.bad(), 41);
        assert_eq!(outage.classes, vec![(Class::Refused, 41)]);
    }

    #[test]
    fn bad_samples_close_together_are_one_outage_with_several_stretches() {
        let found = outages(&history(120, |due| (10_000..11_000).contains(&due) || (30_000..30_100).contains(&due)));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].stretches.len(), 2);
        assert_eq!(found[0].end, Some(at(30_110)));
        assert_eq!(found[0].down(at(120_000)), Duration::from_millis(1_010 + 110));
        assert_eq!(found[0].longest(at(120_000)), Duration::from_millis(1_010));
        let apart = outages(&history(120, |due| (10_000..11_000).contains(&due) || (50_000..50_100).contains(&due)));
        assert_eq!(apart.len(), 2);
    }

    #[test]
    fn recovery_that_is_not_sustained_leaves_it_open() {
        let found = outages(&history(32, |due| (10_000..30_000).contains(&due)));
        assert_eq!(found[0].end, None);
        assert_eq!(found[0].bounds().high, None);
        assert_eq!(down_time(&found).high, Some(Duration::from_millis(20_110)), "its one stretch did end");
        let ended = outages(&history(33, |due| (10_000..30_000).contains(&due)));
        assert_eq!(ended[0].end, Some(at(30_010)), "30 good samples are left of the run");
        let never = outages(&history(60, |due| due >= 10_000));
        assert_eq!(down_time(&never).high, None);
    }

    #[test]
    fn nothing_bad_is_no_outage_and_nothing_at_all_is_none_either() {
        assert!(outages(&history(10, |_| false)).is_empty());
        assert!(find(&[]).is_empty());
    }

    #[test]
    fn samples_that_were_not_made_widen_the_interval() {
        let mut samples = history(60, |due| (20_000..21_000).contains(&due));
        for sample in &mut samples[190..200] {
            sample.class = Class::NotSent;
        }
        let found = outages(&samples);
        assert_eq!(found[0].start, at(20_000));
        assert_eq!(found[0].bounds().high, Some(Duration::from_millis(21_010 - 18_900)));
    }

    proptest! {
        #[test]
        fn the_interval_covers_any_true_outage(start in 1_000_u64..40_000, length in 300_u64..20_000) {
            let samples = history(120, |due| due >= start && due < start + length);
            let found = outages(&samples);
            prop_assert_eq!(found.len(), 1);
            let bounds = found[0].bounds();
            let truth = Duration::from_millis(length);
            prop_assert!(bounds.low <= truth && truth <= bounds.high.unwrap());
        }

        #[test]
        fn one_more_bad_sample_never_shortens_down_time(bad in prop::collection::vec(any::<bool>(), 600), flip in 0_usize..600) {
            let before = history(60, |due| bad[(due / 100) as usize]);
            let mut after = before.clone();
            after[flip].class = Class::Timeout;
            let end = at(60_000);
            let total = |samples: &[Sample]| outages(samples).iter().map(|outage| outage.down(end)).sum::<Duration>();
            prop_assert!(total(&after) >= total(&before));
        }
    }
}
