//! Which regressions fail a comparison.

use std::str::FromStr;

use crate::area::Area;

use super::{Comparisons, Regression};

/// A regression that is to fail a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gate {
    /// Every regression.
    Any,
    /// Those of an area.
    Area(Area),
    /// Those of one criterion.
    Criterion(String),
}

/// A text that names no regression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no regression; write any, {areas}, or the id of a criterion such as productpage/latency-p99", areas = Area::ALL.map(Area::name).join(", "))]
pub struct UnknownGate(String);

impl FromStr for Gate {
    type Err = UnknownGate;

    fn from_str(text: &str) -> Result<Self, UnknownGate> {
        let area = Area::ALL.into_iter().find(|area| area.name() == text);
        match (text, area) {
            ("any", _) => Ok(Self::Any),
            (_, Some(area)) => Ok(Self::Area(area)),
            (id, None) if id.contains('/') => Ok(Self::Criterion(id.to_owned())),
            _ => Err(UnknownGate(text.to_owned())),
        }
    }
}

impl Gate {
    /// Whether a regression is one of those.
    pub fn fires(&self, regression: &Regression) -> bool {
        match self {
            Self::Any => true,
            Self::Area(area) => regression.area == *area,
            Self::Criterion(id) => regression.criterion.as_ref() == Some(id),
        }
    }

    /// The criterion that it names and that no run has: such a gate could never fire.
    pub fn unknown<'a>(&'a self, all: &Comparisons) -> Option<&'a str> {
        let Self::Criterion(id) = self else { return None };
        let known = all.comparisons.iter().flat_map(|one| &one.criteria).any(|one| one.id == *id);
        (!known).then_some(id.as_str())
    }
}
