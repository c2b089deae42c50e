//! A closed interval of figures.

use serde::{Deserialize, Serialize};

/// Lower and upper end of an estimate, both included.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The lower end.
    pub lo: f64,
    /// The upper end.
    pub hi: f64,
}

impl Interval {
    /// Whether the value lies inside, ends included.
    pub fn contains(self, value: f64) -> bool {
        self.lo <= value && value <= self.hi
    }

    /// Upper end minus lower end.
    pub fn width(self) -> f64 {
        self.hi - self.lo
    }
}
