//! The latency lane: the median and the slowest 1 % of the answers, over time.

use std::fmt::Write as _;

use meshdrill_checks::record::Sample;

use super::scale::{LogScale, Scale, cell, short};

/// The height of the lane.
pub(super) const HEIGHT: f64 = 88.0;
/// The most points of a line.
const POINTS: f64 = 240.0;

/// Quantiles of the answers that were due in equal stretches of time. Seconds.
#[derive(Debug)]
pub(super) struct Points {
    /// The length of a stretch.
    pub width: f64,
    /// The middle of each stretch with answers, its median, and its P99.
    pub points: Vec<(f64, f64, f64)>,
}

impl Points {
    /// Of the right answers, late ones included.
    pub fn of(samples: &[&Sample], every: f64, scale: Scale) -> Self {
        let width = (every * 10.0).max(scale.end / POINTS);
        let mut stretches: Vec<Vec<f64>> = Vec::new();
        for sample in samples.iter().filter(|sample| sample.class.is_answered()) {
            let index = (sample.scheduled.secs() / width) as usize;
            cell(&mut stretches, index).push(sample.latency().as_secs_f64());
        }
        let points = stretches.into_iter().enumerate().filter(|(_, values)| !values.is_empty());
        let points = points.map(|(index, mut values)| {
            values.sort_by(f64::total_cmp);
            let rank = |share: f64| values[((values.len() as f64 * share).ceil() as usize).clamp(1, values.len()) - 1];
            ((index as f64 + 0.5) * width, rank(0.5), rank(0.99))
        });
        Self { width, points: points.collect() }
    }

    /// Decades around the values and the limits that are shown with them.
    pub fn scale(&self, limits: &[f64]) -> LogScale {
        let values = self.points.iter().flat_map(|(_, median, slowest)| [*median, *slowest]);
        let (low, high) = values
            .chain(limits.iter().copied())
            .fold((f64::INFINITY, 0.0), |(low, high), value| (f64::min(low, value), f64::max(high, value)));
        LogScale::around(if low.is_finite() { low } else { 0.001 }, high, HEIGHT)
    }

    /// A line through one of the quantiles. It is broken where nothing was answered.
    pub fn path(&self, scale: Scale, up: LogScale, value: fn(&(f64, f64, f64)) -> f64) -> String {
        let mut path = String::new();
        let mut before = f64::NEG_INFINITY;
        for point in &self.points {
            let letter = if point.0 - before > self.width * 1.5 { 'M' } else { 'L' };
            let _ = write!(path, "{letter}{} {}", short(scale.x(point.0)), short(up.y(value(point))));
            // A point on its own is seen too.
            if letter == 'M' {
                path.push_str("h.5");
            }
            before = point.0;
        }
        path
    }
}
