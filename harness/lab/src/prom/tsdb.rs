//! Samples by series, with staleness markers.

use std::collections::HashMap;

use promql_parser::label::Matchers;

use super::labels::{Labels, NAME};

/// How far back an instant query looks, milliseconds.
pub(crate) const LOOKBACK: i64 = 300_000;
/// Older samples are dropped; milliseconds.
const RETENTION: i64 = 7_200_000;

/// The staleness marker, which ends a series.
pub(crate) fn stale() -> f64 {
    f64::from_bits(0x7ff0_0000_0000_0002)
}

pub(crate) fn is_stale(value: f64) -> bool {
    value.to_bits() == 0x7ff0_0000_0000_0002
}

/// One series; times are Unix milliseconds.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) labels: Labels,
    pub(crate) samples: Vec<(i64, f64)>,
}

impl Series {
    /// The value an instant query at `at` sees.
    pub(crate) fn at(&self, at: i64) -> Option<(i64, f64)> {
        let end = self.samples.partition_point(|(t, _)| *t <= at);
        let (t, v) = *self.samples.get(end.checked_sub(1)?)?;
        (t > at - LOOKBACK && !is_stale(v)).then_some((t, v))
    }

    /// The samples in `(from, to]`, without markers.
    pub(crate) fn range(&self, from: i64, to: i64) -> Vec<(i64, f64)> {
        let begin = self.samples.partition_point(|(t, _)| *t <= from);
        let end = self.samples.partition_point(|(t, _)| *t <= to);
        self.samples[begin..end].iter().copied().filter(|(_, v)| !is_stale(*v)).collect()
    }
}

/// All series of one server.
#[derive(Debug, Default)]
pub(crate) struct Tsdb {
    series: Vec<Series>,
    index: HashMap<Labels, usize>,
}

impl Tsdb {
    /// Adds a sample; one that is not newer than the last is dropped, as out-of-order samples are.
    pub(crate) fn append(&mut self, labels: &Labels, at: i64, value: f64) -> usize {
        let i = if let Some(i) = self.index.get(labels) {
            *i
        } else {
            self.series.push(Series { labels: labels.clone(), samples: Vec::new() });
            self.index.insert(labels.clone(), self.series.len() - 1);
            self.series.len() - 1
        };
        self.push(i, at, value);
        i
    }

    pub(crate) fn push(&mut self, i: usize, at: i64, value: f64) {
        let samples = &mut self.series[i].samples;
        if samples.last().is_none_or(|(t, _)| *t < at) {
            samples.push((at, value));
        }
        if samples.len() > 4096 {
            let keep = samples.partition_point(|(t, _)| *t < at - RETENTION);
            samples.drain(..keep);
        }
    }

    /// Whether the series has a value at `at`.
    pub(crate) fn live(&self, i: usize, at: i64) -> bool {
        self.series[i].at(at).is_some()
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Series> {
        self.series.iter()
    }

    pub(crate) fn select<'a>(
        &'a self,
        name: Option<&'a str>,
        matchers: &'a Matchers,
    ) -> impl Iterator<Item = &'a Series> {
        self.series.iter().filter(move |s| {
            let one = |m: &promql_parser::label::Matcher| m.is_match(s.labels.get(&m.name));
            name.is_none_or(|n| s.labels.get(NAME) == n)
                && matchers.matchers.iter().all(one)
                && (matchers.or_matchers.is_empty() || matchers.or_matchers.iter().any(|group| group.iter().all(one)))
        })
    }
}
