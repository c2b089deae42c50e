//! What keeps a figure from being computed.

/// A figure that cannot be computed from what was given. Fits "failed to compute …: ".
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum StatsError {
    /// A confidence level outside of (0, 1).
    #[error("confidence {0} is not between 0 and 1")]
    Confidence(f64),
    /// A share, target or availability outside of its range.
    #[error("{what} {value} is not between 0 and 1")]
    Share {
        /// What the number was meant to be.
        what: &'static str,
        /// The number.
        value: f64,
    },
    /// A quantile that is not a fraction between 0 and 1.
    #[error("quantile {numerator}/{denominator} is not between 0 and 1")]
    Quantile {
        /// Upper part of the fraction.
        numerator: u32,
        /// Lower part of the fraction.
        denominator: u32,
    },
    /// More events than trials.
    #[error("{hits} of {trials} is more than all of them")]
    MoreThanAll {
        /// Events counted.
        hits: u64,
        /// Trials made.
        trials: u64,
    },
    /// An error budget over no time at all.
    #[error("an error budget needs a window longer than zero")]
    NoWindow,
    /// Declared weights that describe no split.
    #[error("declared weights describe no split: {0}")]
    Weights(String),
    /// A series with a value that has no rank, or too short to say anything.
    #[error("series cannot be ranked: {0}")]
    Series(&'static str),
    /// Histograms that cannot be merged, or a value they cannot hold.
    #[error("histogram refused: {0}")]
    Histogram(String),
}
