//! Where things lie in a drawing.

use std::fmt::Write as _;

/// The width of a plot, in its own units: it is stretched to the width of the page.
pub(super) const WIDTH: f64 = 1000.0;

/// Places instants of a run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    /// When the run ends, in seconds; never 0.
    pub end: f64,
}

impl Scale {
    /// The whole length of a run.
    pub fn new(end: f64) -> Self {
        Self { end: end.max(0.001) }
    }

    /// In units of a plot.
    pub fn x(self, at: f64) -> f64 {
        (at / self.end).clamp(0.0, 1.0) * WIDTH
    }

    /// As a percentage of the width, for what is not stretched.
    pub fn percent(self, at: f64) -> String {
        format!("{}%", short(self.x(at) / WIDTH * 100.0))
    }

    /// Round instants for the marks of the time axis, with their unit.
    pub fn ticks(self) -> Vec<(f64, String)> {
        const STEPS: [f64; 16] =
            [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 14400.0];
        let step = STEPS.into_iter().find(|step| self.end / step <= 7.0).unwrap_or(self.end / 6.0);
        let count = (self.end / step).floor() as usize;
        (0..=count).map(|index| step * index as f64).map(|at| (at, instant(at, step))).collect()
    }
}

/// An instant on an axis.
fn instant(at: f64, step: f64) -> String {
    match step {
        _ if at == 0.0 => "0".to_owned(),
        step if step < 1.0 => format!("{at:.1} s"),
        step if step < 60.0 => format!("{at:.0} s"),
        step if step < 3600.0 => format!("{:.0} min", at / 60.0),
        _ => format!("{:.0} h", at / 3600.0),
    }
}

/// A logarithmic scale of times, from top (long) to bottom (short).
#[derive(Debug, Clone, Copy)]
pub(super) struct LogScale {
    low: f64,
    high: f64,
    height: f64,
}

impl LogScale {
    /// Whole decades around what is to be shown. Seconds.
    pub fn around(shortest: f64, longest: f64, height: f64) -> Self {
        let low = shortest.clamp(1e-5, 1e4).log10().floor();
        let high = longest.clamp(1e-5, 1e5).log10().ceil().max(low + 1.0);
        Self { low, high, height }
    }

    /// From the top.
    pub fn y(self, value: f64) -> f64 {
        let place = value.max(1e-6).log10().clamp(self.low, self.high);
        self.height * (self.high - place) / (self.high - self.low)
    }

    /// The decades strictly inside, with their unit.
    pub(crate) fn decades(self) -> impl Iterator<Item = (f64, String)> {
        (self.low as i32 + 1..self.high as i32).map(|power| {
            let value = 10_f64.powi(power);
            let text = match power {
                ..-3 => format!("{:.0} us", value * 1e6),
                -3..0 => format!("{:.0} ms", value * 1e3),
                0.. => format!("{value:.0} s"),
            };
            (value, text)
        })
    }
}

/// A cell of a row that is as long as it has to be.
pub(super) fn cell<T: Clone + Default>(cells: &mut Vec<T>, index: usize) -> &mut T {
    if cells.len() <= index {
        cells.resize(index + 1, T::default());
    }
    &mut cells[index]
}

/// A number with at most two decimals and no zeros at the end.
pub(super) fn short(number: f64) -> String {
    let text = format!("{number:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Adds a rectangle to a path.
pub(super) fn rectangle(path: &mut String, x: f64, y: f64, width: f64, height: f64) {
    let (x, y, width, height) = (short(x), short(y), short(width), short(height));
    let _ = write!(path, "M{x} {y}h{width}v{height}h-{width}z");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_has_a_few_round_marks() {
        for end in [0.4, 3.0, 63.9, 169.0, 3600.0, 14_400.0, 90_000.0] {
            let ticks = Scale::new(end).ticks();
            assert!((3..=8).contains(&ticks.len()), "{end}: {ticks:?}");
        }
        assert_eq!(Scale::new(63.9).ticks().last().unwrap().1, "60 s");
        assert_eq!(Scale::new(0.0).ticks().len(), 1);
    }

    #[test]
    fn long_times_lie_at_the_top() {
        let scale = LogScale::around(0.002, 3.0, 60.0);
        assert!(scale.y(3.0) < scale.y(0.5) && scale.y(0.5) < scale.y(0.002));
        let marks: Vec<String> = scale.decades().map(|(_, text)| text).collect();
        assert_eq!(marks, ["10 ms", "100 ms", "1 s"]);
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!([1.0, 12.5, 0.126, 100.0].map(short), ["1", "12.5", "0.13", "100"]);
    }
}
