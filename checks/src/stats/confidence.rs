//! A confidence level, checked once so that no bound has to check it again.

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal};

use super::StatsError;

/// A confidence level strictly between 0 and 1, such as 0.95.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Confidence(f64);

impl Confidence {
    /// 90 %.
    pub const P90: Self = Self(0.90);
    /// 95 %, the default of every criterion.
    pub const P95: Self = Self(0.95);
    /// 99 %.
    pub const P99: Self = Self(0.99);

    /// The level as a fraction of 1; 0, 1 and anything outside are refused.
    pub fn new(level: f64) -> Result<Self, StatsError> {
        if level > 0.0 && level < 1.0 { Ok(Self(level)) } else { Err(StatsError::Confidence(level)) }
    }

    /// The level as a fraction of 1.
    pub fn level(self) -> f64 {
        self.0
    }

    /// The error probability that is left, `1 - level`.
    pub(crate) fn alpha(self) -> f64 {
        1.0 - self.0
    }

    /// The standard normal quantile of a one-sided bound, 1.645 at 95 %.
    pub(crate) fn z_one_sided(self) -> f64 {
        Normal::standard().inverse_cdf(self.0)
    }

    /// The standard normal quantile of a two-sided interval, 1.960 at 95 %.
    pub(crate) fn z_two_sided(self) -> f64 {
        Normal::standard().inverse_cdf(1.0 - self.alpha() / 2.0)
    }
}

impl Default for Confidence {
    fn default() -> Self {
        Self::P95
    }
}

impl TryFrom<f64> for Confidence {
    type Error = StatsError;

    fn try_from(level: f64) -> Result<Self, StatsError> {
        Self::new(level)
    }
}

impl From<Confidence> for f64 {
    fn from(confidence: Confidence) -> f64 {
        confidence.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_levels_strictly_inside_are_taken() {
        for level in [0.0, 1.0, -0.1, 95.0, f64::NAN, f64::INFINITY] {
            assert!(Confidence::new(level).is_err(), "{level}");
        }
        assert!((Confidence::P95.z_one_sided() - 1.644_853_626_951_472_2).abs() < 1e-12);
        assert!((Confidence::P95.z_two_sided() - 1.959_963_984_540_054).abs() < 1e-12);
    }
}
