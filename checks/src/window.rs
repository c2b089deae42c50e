//! Which samples of a run a criterion looks at.

use serde::{Deserialize, Serialize};

use crate::outage::Outage;
use crate::record::{At, Sample};

/// Which part of the run a criterion looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum During {
    /// All samples of the run.
    #[default]
    All,
    /// Before the first fault was requested.
    Baseline,
    /// From the request of the first fault until recovery.
    Fault,
    /// After recovery: the undo is verified and the outage is over.
    Recovered,
}

impl During {
    /// What an id ends with: `-fault`; nothing for all samples.
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::All => "",
            Self::Baseline => "-baseline",
            Self::Fault => "-fault",
            Self::Recovered => "-recovered",
        }
    }
}

/// The instants that divide a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Marks {
    /// When the first fault was asked for.
    pub requested: Option<At>,
    /// When the first fault took hold: t0 of every recovery.
    pub effective: Option<At>,
    /// When the last undo was verified; for faults that need none, when they were seen to have taken hold.
    pub undone: Option<At>,
    /// When the first undo was asked for.
    pub undo_requested: Option<At>,
    /// When the observation after the undo began.
    pub observing: Option<At>,
}

impl Marks {
    /// The samples of one part of the run, by when they were due. `outages` are those of the same probe: the part
    /// `recovered` begins after the last of them, or never if that has no end.
    pub fn select<'a>(&self, samples: &[&'a Sample], outages: &[Outage], during: During) -> Vec<&'a Sample> {
        let recovered = match outages.last() {
            Some(outage) => outage.end.map(|end| end.max(self.undone.unwrap_or(end))),
            None => self.undone,
        };
        let inside = |sample: &&&Sample| match during {
            During::All => true,
            During::Baseline => self.requested.is_none_or(|requested| sample.scheduled < requested),
            During::Fault => {
                self.requested.is_some_and(|requested| sample.scheduled >= requested)
                    && recovered.is_none_or(|recovered| sample.scheduled < recovered)
            }
            During::Recovered => recovered.is_some_and(|recovered| sample.scheduled >= recovered),
        };
        samples.iter().filter(inside).copied().collect()
    }
}
