//! Latency histograms for summaries: small, mergeable, right to three digits.
//!
//! For display and trends only. Gates count raw samples (see [`super::quantile`]), because a bucket of this histogram
//! turns 500 000 µs into 500 223 µs. Percentiles are never averaged: histograms merge.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::StatsError;
use super::quantile::Quantile;

/// The longest latency that is resolved, one hour; longer ones are counted as this long.
pub const LONGEST: Duration = Duration::from_hours(1);

/// Latencies of answered requests, and the number of requests that were never answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Latency {
    histogram: Histogram<u64>,
    failed: u64,
}

/// The figures people read, in seconds. A percentile that falls among the failed requests is `None`: it is infinite.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Requests, failed ones included.
    pub samples: u64,
    /// Requests that were never answered.
    pub failed: u64,
    /// Median.
    pub p50: Option<f64>,
    /// 90 %.
    pub p90: Option<f64>,
    /// 99 %.
    pub p99: Option<f64>,
    /// 99.9 %.
    pub p99_9: Option<f64>,
    /// The longest; `None` if any request failed.
    pub max: Option<f64>,
}

impl Latency {
    /// An empty histogram, 1 µs to [`LONGEST`] at three significant digits.
    pub fn new() -> Result<Self, StatsError> {
        let histogram = Histogram::new_with_bounds(1, LONGEST.as_micros() as u64, 3).map_err(refused)?;
        Ok(Self { histogram, failed: 0 })
    }

    /// Adds an answered request.
    pub fn record(&mut self, latency: Duration) {
        self.record_many(latency, 1);
    }

    /// Adds answered requests that took equally long.
    pub fn record_many(&mut self, latency: Duration, count: u64) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.histogram.saturating_record_n(micros, count);
    }

    /// Adds a request that was never answered.
    pub fn record_failed(&mut self) {
        self.failed += 1;
    }

    /// Adds everything another histogram has counted.
    pub fn merge(&mut self, other: &Self) -> Result<(), StatsError> {
        self.histogram.add(&other.histogram).map_err(refused)?;
        self.failed += other.failed;
        Ok(())
    }

    /// Requests counted, failed ones included.
    pub fn len(&self) -> u64 {
        self.histogram.len() + self.failed
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The quantile in seconds by nearest rank, `None` when it falls among the failed requests or nothing was counted.
    pub fn quantile(&self, quantile: Quantile) -> Option<f64> {
        let rank = quantile.nearest_rank(self.len())?;
        let answered = self.histogram.len();
        if rank > answered {
            return None;
        }
        // Half a rank below, so that rounding inside the histogram lands on this rank and not on the next.
        let micros = self.histogram.value_at_quantile((rank as f64 - 0.5) / answered as f64);
        Some(seconds(micros.min(self.histogram.max())))
    }

    /// The figures for a report; `None` without a single request.
    pub fn summary(&self) -> Option<Summary> {
        if self.is_empty() {
            return None;
        }
        Some(Summary {
            samples: self.len(),
            failed: self.failed,
            p50: self.quantile(Quantile::P50),
            p90: self.quantile(Quantile::P90),
            p99: self.quantile(Quantile::P99),
            p99_9: self.quantile(Quantile::P99_9),
            max: (self.failed == 0).then(|| seconds(self.histogram.max())),
        })
    }
}

fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}

fn refused(error: impl std::fmt::Display) -> StatsError {
    StatsError::Histogram(error.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stats::vectors::close;

    fn of(millis: impl IntoIterator<Item = u64>) -> Latency {
        let mut latency = Latency::new().unwrap();
        millis.into_iter().for_each(|ms| latency.record(Duration::from_millis(ms)));
        latency
    }

    #[test]
    fn percentiles_by_nearest_rank() {
        let summary = of(1..=100).summary().unwrap();
        close(summary.p50.unwrap(), 0.050, 0.000_1);
        close(summary.p99.unwrap(), 0.099, 0.000_1);
        close(summary.p99_9.unwrap(), 0.100, 0.000_1);
        close(summary.max.unwrap(), 0.100, 0.000_1);
        close(of(1..=100).quantile(Quantile::new(7, 100).unwrap()).unwrap(), 0.007, 0.000_1);
    }

    #[test]
    fn failures_are_infinite_and_nothing_is_nothing() {
        let mut latency = of(1..=98);
        latency.record_failed();
        latency.record_failed();
        let summary = latency.summary().unwrap();
        assert_eq!((summary.samples, summary.p99, summary.max), (100, None, None));
        assert!(summary.p90.is_some());
        assert_eq!(Latency::new().unwrap().summary(), None);
        let mut long = Latency::new().unwrap();
        long.record(Duration::from_hours(30));
        close(long.summary().unwrap().max.unwrap(), 3600.0, 4.0);
    }

    proptest! {
        #[test]
        fn merging_is_recording_everything(a in prop::collection::vec(0u64..100_000, 0..50), b in prop::collection::vec(0u64..100_000, 0..50)) {
            let mut merged = of(a.clone());
            merged.merge(&of(b.clone())).unwrap();
            prop_assert_eq!(merged.summary(), of(a.into_iter().chain(b)).summary());
        }
    }
}
