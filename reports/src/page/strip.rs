//! The availability strip: every sample counts. A column is as tall in colour as its share of samples of that kind, and a single
//! bad sample is never averaged away.

use meshdrill_checks::record::{Class, Sample};

use super::scale::{Scale, cell, rectangle};

/// The height of a strip.
pub(super) const HEIGHT: f64 = 26.0;
/// The least height of what is not good in a column.
const LEAST: f64 = 5.0;
/// The most columns of a strip.
const COLUMNS: f64 = 1000.0;

/// How many samples of each kind one column holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Column {
    /// Good.
    pub good: u32,
    /// Right, but late.
    pub late: u32,
    /// Bad, and not merely late.
    pub bad: u32,
    /// Not sent, or without data.
    pub none: u32,
}

impl Column {
    fn all(self) -> u32 {
        self.good + self.late + self.bad + self.none
    }

    /// Whether anything in it is not good.
    pub(crate) fn is_flawed(self) -> bool {
        self.late + self.bad + self.none > 0
    }

    /// Whether another column looks the same: both are all good, or the counts are the same.
    fn is_like(self, other: Self) -> bool {
        let good = |column: Self| column.good > 0 && !column.is_flawed();
        self == other || (good(self) && good(other))
    }

    /// Heights of bad, late, none and good, from top to bottom.
    fn heights(self) -> [f64; 4] {
        let all = f64::from(self.all().max(1));
        let share = |count: u32| if count == 0 { 0.0 } else { (HEIGHT * f64::from(count) / all).max(LEAST) };
        let (bad, late, none) = (share(self.bad), share(self.late), share(self.none));
        let good = if self.good == 0 { 0.0 } else { (HEIGHT - bad - late - none).max(0.0) };
        // Without good samples the rest fills the column.
        let fill = if self.good == 0 && self.all() > 0 { HEIGHT / (bad + late + none) } else { 1.0 };
        [bad * fill, late * fill, none * fill, good]
    }
}

/// The samples of one series, in columns of equal time.
#[derive(Debug)]
pub(super) struct Columns {
    /// When the first begins. Seconds.
    pub from: f64,
    /// The length of one. Seconds.
    pub width: f64,
    /// The counts.
    pub counts: Vec<Column>,
}

impl Columns {
    /// Sorts samples into columns: no finer than one sample each, at most [`COLUMNS`] for the whole run.
    pub fn of(samples: &[&Sample], every: f64, scale: Scale) -> Self {
        let width = spacing(samples).unwrap_or(every).max(scale.end / COLUMNS);
        let from = samples.iter().map(|sample| sample.scheduled.secs()).fold(f64::INFINITY, f64::min);
        let mut counts: Vec<Column> = Vec::new();
        for sample in samples {
            let column = cell(&mut counts, index(sample, from, width));
            let count = match sample.class {
                Class::Good => &mut column.good,
                Class::Late => &mut column.late,
                Class::NoData | Class::NotSent => &mut column.none,
                _ => &mut column.bad,
            };
            *count += 1;
        }
        Self { from: if from.is_finite() { from } else { 0.0 }, width, counts }
    }

    /// The column of a sample.
    pub fn index(&self, sample: &Sample) -> usize {
        index(sample, self.from, self.width)
    }

    /// One path for each of bad, late, none and good. Neighbours of the same heights are one rectangle.
    pub fn paths(&self, scale: Scale) -> [String; 4] {
        let mut paths: [String; 4] = Default::default();
        let mut index = 0;
        while index < self.counts.len() {
            let heights = self.counts[index].heights();
            let alike = |column: &&Column| column.is_like(self.counts[index]);
            let same = self.counts[index..].iter().take_while(alike).count();
            let x = scale.x(self.from + self.width * index as f64);
            let until = scale.x(self.from + self.width * (index + same) as f64);
            let mut y = 0.0;
            for (path, height) in paths.iter_mut().zip(heights) {
                if height > 0.0 {
                    rectangle(path, x, y, until - x, height);
                }
                y += height;
            }
            index += same;
        }
        paths
    }
}

/// Half of a millisecond is added, since schedules are rounded to microseconds.
fn index(sample: &Sample, from: f64, width: f64) -> usize {
    ((sample.scheduled.secs() - from + 0.000_5) / width) as usize
}

/// The usual time from one sample to the next: one of several series has not every slot of the schedule. Seconds.
fn spacing(samples: &[&Sample]) -> Option<f64> {
    let mut due: Vec<f64> = samples.iter().take(200).map(|sample| sample.scheduled.secs()).collect();
    due.sort_by(f64::total_cmp);
    let mut steps: Vec<f64> = due.windows(2).map(|pair| pair[1] - pair[0]).filter(|step| *step > 0.0).collect();
    steps.sort_by(f64::total_cmp);
    steps.get(steps.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bad_sample_of_many_is_seen() {
        let column = Column { good: 9_999, bad: 1, ..Column::default() };
        let [bad, _, _, good] = column.heights();
        assert!(bad >= LEAST && good > 0.0);
        let [bad, late, none, good] = Column { bad: 1, late: 1, ..Column::default() }.heights();
        assert!((bad + late - HEIGHT).abs() < 1e-9 && none == 0.0 && good == 0.0);
        assert!(Column::default().heights().iter().all(|height| height.abs() < 1e-9));
    }
}
