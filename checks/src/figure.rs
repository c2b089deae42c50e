//! The unit of a measured value, and the limit that it is compared with.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The unit of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unit {
    /// Seconds.
    #[serde(rename = "s")]
    Seconds,
    /// A share of 1.
    #[serde(rename = "ratio")]
    Ratio,
    /// A number of things.
    #[serde(rename = "count")]
    Count,
    /// A probability under the hypothesis that nothing differs.
    #[serde(rename = "p-value")]
    PValue,
    /// Nothing was measured.
    #[serde(rename = "")]
    None,
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Seconds => "s",
            Self::Ratio => "ratio",
            Self::Count => "count",
            Self::PValue => "p-value",
            Self::None => "",
        })
    }
}

/// The limit that a measured value is compared with, in the unit of the value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Limit {
    /// The value must not be below it.
    AtLeast(f64),
    /// The value must not be above it.
    AtMost(f64),
    /// The value must be below it.
    Below(f64),
}

impl Limit {
    /// The number.
    pub const fn value(self) -> f64 {
        match self {
            Self::AtLeast(value) | Self::AtMost(value) | Self::Below(value) => value,
        }
    }
}
