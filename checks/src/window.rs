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
    /// While a fault is in effect: from its effect to the request of its undo, or, for a fault that needs no undo, to recovery.
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

/// The end of a fault's effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EffectEnd {
    /// The request of its undo, or the observation that someone reverted it; none so far.
    Undo(Option<At>),
    /// Recovery: the fault needs no undo.
    Recovery,
}

/// A time in which a fault was in effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EffectTime {
    /// When it took hold.
    pub from: At,
    /// What ended it.
    pub end: EffectEnd,
}

/// The instants that divide a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
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
    /// The times in which faults were in effect, in order; none in records of older versions, which are judged from the first
    /// request to recovery.
    pub in_effect: Option<Vec<EffectTime>>,
}

impl Marks {
    /// The samples of one part of the run, by when they were due. `outages` are those of the same probe: the part
    /// `recovered` begins after the last of them, or never if that has no end.
    pub fn select<'a>(&self, samples: &[&'a Sample], outages: &[Outage], during: During) -> Vec<&'a Sample> {
        samples.iter().filter(|sample| self.is_inside(sample.scheduled, outages, during)).copied().collect()
    }

    /// Whether an instant lies in one part of the run, of a probe with these outages.
    pub(crate) fn is_inside(&self, at: At, outages: &[Outage], during: During) -> bool {
        let recovered = match outages.last() {
            Some(outage) => outage.end.map(|end| end.max(self.undone.unwrap_or(end))),
            None => self.undone,
        };
        match during {
            During::All => true,
            During::Baseline => self.requested.is_none_or(|requested| at < requested),
            During::Fault => self.is_in_fault(at, recovered),
            During::Recovered => recovered.is_some_and(|recovered| at >= recovered),
        }
    }

    /// Whether an instant lies in the part `fault` of the run.
    fn is_in_fault(&self, at: At, recovered: Option<At>) -> bool {
        let before_recovery = recovered.is_none_or(|recovered| at < recovered);
        match &self.in_effect {
            None => self.requested.is_some_and(|requested| at >= requested) && before_recovery,
            Some(times) => times.iter().any(|time| {
                let ended = match time.end {
                    EffectEnd::Undo(undo) => undo.is_some_and(|undo| at >= undo),
                    EffectEnd::Recovery => !before_recovery,
                };
                at >= time.from && !ended
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Class, Series};

    fn samples(seconds: u64) -> Vec<Sample> {
        let sample = |second| {
            let at = At::ZERO.plus(std::time::Duration::from_secs(second));
            Sample {
                series: Series::New,
                slot: second,
                scheduled: at,
                started: at,
                completed: at,
                class: Class::Good,
                responder: None,
                phases: None,
                message: None,
                seen: None,
            }
        };
        (0..seconds).map(sample).collect()
    }

    #[test]
    fn the_fault_lasts_from_its_effect_to_its_undo() {
        let second = |second: u64| At::ZERO.plus(std::time::Duration::from_secs(second));
        let all = samples(20);
        let all: Vec<&Sample> = all.iter().collect();
        let mut marks = Marks { requested: Some(second(3)), undone: Some(second(12)), ..Marks::default() };
        let during = |marks: &Marks| {
            let chosen = marks.select(&all, &[], During::Fault);
            chosen.iter().map(|sample| sample.scheduled.secs() as u64).collect::<Vec<_>>()
        };
        assert_eq!(during(&marks), (3..12).collect::<Vec<_>>());
        let time = |from, end| EffectTime { from: second(from), end };
        marks.in_effect =
            Some(vec![time(4, EffectEnd::Undo(Some(second(6)))), time(8, EffectEnd::Undo(Some(second(9))))]);
        assert_eq!(during(&marks), [4, 5, 8]);
        marks.in_effect = Some(vec![time(4, EffectEnd::Undo(None))]);
        assert_eq!(during(&marks), (4..20).collect::<Vec<_>>());
        marks.in_effect = Some(vec![time(5, EffectEnd::Recovery)]);
        assert_eq!(during(&marks), (5..12).collect::<Vec<_>>());
        marks.in_effect = Some(Vec::new());
        assert_eq!(during(&marks), [0; 0]);
    }
}
