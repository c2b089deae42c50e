//! Jitter: a quantile of the difference between the latencies of consecutive good samples.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::kind::grows;
use super::quantile::Times;
use super::{
    Claim, CriterionKind, CriterionRow, During, Measure, Mismatch, Quantiles, RowKey, RowOptions, SubjectFacts,
    quantile,
};
use crate::evidence::ProbeEvidence;
use crate::figure::Limit;
use crate::judgement::{Context, Judgement};
use crate::record::{Sample, Series};
use crate::stats::Confidence;
use crate::stats::proportion::samples_for_zero_failures;
use crate::units::{Ratio, TimeSpan};

/// The upper bound of the quantile must lie below the target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Jitter {
    /// The quantile, as `99%` or `99.9%`.
    pub quantile: Ratio,
    /// Less than this.
    pub target: TimeSpan,
    /// The part of the run.
    pub during: During,
}

impl CriterionRow for Jitter {
    type Value = Quantiles;
    const NAME: &'static str = "jitter";
    const KEYS: &'static [RowKey] = &[RowKey::During];

    fn claims(value: &Self::Value, options: &mut RowOptions<'_>) -> Vec<Claim> {
        let during = options.during;
        let limits = options.limits(Self::NAME, value, None);
        limits.into_iter().map(|(quantile, target)| Self { quantile, target, during }.into()).collect()
    }
}

impl CriterionKind for Jitter {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn id_suffix(&self) -> String {
        format!("jitter-{}{}", quantile::label(self.quantile), self.during.suffix())
    }

    fn target(&self) -> String {
        format!("< {}", self.target)
    }

    fn limit(&self) -> Option<Limit> {
        Some(Limit::Below(self.target.as_secs_f64()))
    }

    fn during(&self) -> Option<During> {
        Some(self.during)
    }

    fn needed_samples(&self, confidence: Confidence) -> Option<u64> {
        // One sample more than pairs.
        Some(samples_for_zero_failures(self.quantile.get(), confidence).ok()? + 1)
    }

    fn good_share(&self) -> Option<f64> {
        Some(self.quantile.get())
    }

    fn is_decided_by_more(&self) -> bool {
        grows(self.during)
    }

    fn accepts(&self, subject: &SubjectFacts) -> Result<(), Mismatch> {
        if subject.measures(Measure::Packets) {
            return Ok(());
        }
        subject.needs(
            Measure::Latency,
            "the time that this probe takes is not a latency of the mesh",
            "name an http, tcp or ping probe",
        )
    }

    fn judge_probe(&self, probe: &ProbeEvidence<'_>, context: &Context<'_>) -> Judgement {
        let samples = context.evidence.marks.select(&probe.samples, &probe.outages, self.during);
        Times { known: differences(&samples), failed: 0, items: "pairs", suffix: " pairs" }.judge(
            self.quantile,
            self.target,
            context,
        )
    }
}

/// The differences between the latencies of consecutive samples of one series that were answered, late ones included. Any
/// other sample between two of them breaks the pair.
fn differences(samples: &[&Sample]) -> Vec<Duration> {
    let mut series: BTreeMap<Series, Vec<&Sample>> = BTreeMap::new();
    for sample in samples {
        series.entry(sample.series).or_default().push(sample);
    }
    let pairs = series.values().flat_map(|samples| samples.windows(2));
    let answered = pairs.filter(|pair| pair.iter().all(|sample| sample.class.is_answered()));
    answered.map(|pair| pair[0].latency().abs_diff(pair[1].latency())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{At, Class};
    use crate::score::tests::story::{EFFECTIVE, REQUESTED, Story};
    use crate::verdict::Verdict::{Fail, Inconclusive, Pass};

    fn claim(percent: f64, millis: u64, during: During) -> Claim {
        Jitter { quantile: Ratio::new(percent / 100.0), target: TimeSpan::millis(millis), during }.into()
    }

    fn sample(series: Series, slot: u64, class: Class, took: u64) -> Sample {
        let due = At::after_start(Duration::from_millis(slot * 100));
        let completed = due.plus(Duration::from_millis(took));
        Sample {
            series,
            slot,
            scheduled: due,
            started: due,
            completed,
            class,
            responder: None,
            phases: None,
            seen: None,
            message: None,
        }
    }

    #[test]
    fn only_neighbours_of_one_series_that_were_answered_are_pairs() {
        let samples = [
            (Series::New, Class::Good, 10),
            (Series::New, Class::Good, 14),
            (Series::Kept, Class::Good, 90),
            (Series::New, Class::Late, 700),
            (Series::New, Class::Timeout, 9_000),
            (Series::New, Class::Good, 12),
            (Series::New, Class::NotSent, 0),
            (Series::New, Class::Good, 20),
            (Series::Kept, Class::Good, 85),
            (Series::New, Class::Good, 17),
        ];
        let samples: Vec<Sample> =
            samples.iter().zip(0..).map(|((series, class, took), slot)| sample(*series, slot, *class, *took)).collect();
        let found = differences(&samples.iter().collect::<Vec<_>>());
        // New: 10, 14, 700 | 12 | 20, 17. Kept: 90, 85.
        assert_eq!(found, [4, 686, 3, 5].map(Duration::from_millis));
    }

    #[test]
    fn a_quantile_of_the_differences_is_judged_by_its_bound() {
        // 600 samples, every tenth 8 ms slower: 599 pairs, of which 120 differ by 8 ms and the others by nothing.
        let story =
            || Story::validation(100).answers(60, |due| (Class::Good, if due / 100 % 10 == 5 { 18 } else { 10 }));
        let passed = story().judged(claim(75.0, 5, During::All));
        assert_eq!((passed.verdict, passed.value, passed.n), (Pass, Some(0.0), 599), "{}", passed.message);
        let passed = story().judged(claim(99.0, 9, During::All));
        assert_eq!((passed.verdict, passed.value, passed.high), (Pass, Some(0.008), Some(0.008)), "{}", passed.message);
        assert!(passed.message.contains("n 599 pairs, 0 at or above 9ms"), "{}", passed.message);
        let failed = story().judged(claim(99.0, 8, During::All));
        assert_eq!(failed.verdict, Fail, "{}", failed.message);
        assert!(failed.message.contains("120 at or above 8ms"), "{}", failed.message);
    }

    #[test]
    fn failures_are_no_jitter_but_leave_fewer_pairs() {
        let story = Story::validation(100).answers(60, |due| match due / 100 % 2 {
            0 => (Class::Good, 10),
            _ => (Class::Timeout, 900),
        });
        let judged = story.judged(claim(99.0, 50, During::All));
        assert_eq!((judged.verdict, judged.n), (Inconclusive, 0), "{}", judged.message);
        let few = Story::validation(100).samples(10, |_| Class::Good).judged(claim(99.0, 50, During::All));
        assert_eq!((few.verdict, few.n), (Inconclusive, 99), "{}", few.message);
        assert!(few.message.contains("needs 299 pairs with none slow, has 99"), "{}", few.message);
    }

    #[test]
    fn it_is_judged_in_a_part_of_the_run() {
        let slow = |due| if (REQUESTED..EFFECTIVE + 9_000).contains(&due) && due / 100 % 2 == 0 { 200 } else { 10 };
        let story = || Story::drill(100).answers(90, |due| (Class::Good, slow(due)));
        assert_eq!(story().judged(claim(95.0, 50, During::Baseline)).verdict, Pass);
        assert_eq!(story().judged(claim(95.0, 50, During::All)).verdict, Fail);
    }

    #[test]
    fn pings_are_accepted_and_probes_that_measure_no_time_are_not() {
        let facts = |measures| SubjectFacts::Probe(crate::criterion::ProbeFacts { measures, ..Default::default() });
        let jitter = claim(99.0, 50, During::All);
        assert_eq!(jitter.accepts(&facts(vec![Measure::Packets])), Ok(()));
        assert_eq!(jitter.accepts(&facts(vec![Measure::Latency])), Ok(()));
        assert!(jitter.accepts(&facts(vec![Measure::Alert])).is_err());
    }
}
