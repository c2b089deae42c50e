//! The samples of a probe in one block of a record, by columns: that is what makes them small.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{At, Class, RequestPhases, Sample, Series};

/// A value of every sample: one for all, or one for each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum Column<T> {
    /// One for each.
    Each(Vec<T>),
    /// The same for all.
    All(T),
}

impl<T: PartialEq + Clone> Column<T> {
    fn of(values: Vec<T>) -> Self {
        match values.first() {
            Some(first) if values.iter().all(|value| value == first) => Self::All(first.clone()),
            _ => Self::Each(values),
        }
    }

    fn get(&self, index: usize) -> Option<&T> {
        match self {
            Self::Each(values) => values.get(index),
            Self::All(value) => Some(value),
        }
    }
}

/// Places in a schedule: those from the first on without a gap, or one for each sample.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Slots {
    Each(Vec<u64>),
    From(u64),
}

impl Slots {
    fn of(slots: Vec<u64>) -> Self {
        match slots.first() {
            Some(&first) if slots.iter().zip(first..).all(|(slot, next)| *slot == next) => Self::From(first),
            _ => Self::Each(slots),
        }
    }

    fn get(&self, index: usize) -> Option<u64> {
        match self {
            Self::Each(slots) => slots.get(index).copied(),
            Self::From(first) => first.checked_add(index as u64),
        }
    }
}

/// What few samples have.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
struct Details {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    phases: Option<Box<RequestPhases>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seen: Option<Arc<Value>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message: Option<Arc<str>>,
}

/// Samples of one probe, in the order in which they were due.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Columns {
    /// The probe.
    pub probe: String,
    series: Column<Series>,
    class: Column<Class>,
    #[serde(default = "nobody", skip_serializing_if = "is_nobody")]
    responder: Column<Option<Arc<str>>>,
    /// Places in the schedule.
    slot: Slots,
    /// When each was due, in seconds since the start.
    scheduled: Vec<At>,
    /// Microseconds from due to started.
    lag_micros: Vec<i64>,
    /// Microseconds from due to done.
    latency_micros: Vec<i64>,
    /// What few samples have, by their index.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    details: BTreeMap<usize, Details>,
}

const fn nobody() -> Column<Option<Arc<str>>> {
    Column::All(None)
}

fn is_nobody(column: &Column<Option<Arc<str>>>) -> bool {
    *column == nobody()
}

/// Why columns are no samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the columns of its samples have different lengths, or a time before the start")]
pub struct ColumnError;

impl Columns {
    /// The columns of some samples.
    pub fn of(probe: &str, samples: &[Sample]) -> Self {
        let from_due = |sample: &Sample, at: At| at.micros().cast_signed() - sample.scheduled.micros().cast_signed();
        let detail = |sample: &Sample| {
            let (phases, seen, message) = (sample.phases.clone(), sample.seen.clone(), sample.message.clone());
            Details { phases, seen, message }
        };
        let details = samples.iter().map(detail).enumerate().filter(|(_, details)| *details != Details::default());
        Self {
            probe: probe.to_owned(),
            series: Column::of(samples.iter().map(|sample| sample.series).collect()),
            class: Column::of(samples.iter().map(|sample| sample.class).collect()),
            responder: Column::of(samples.iter().map(|sample| sample.responder.clone()).collect()),
            slot: Slots::of(samples.iter().map(|sample| sample.slot).collect()),
            scheduled: samples.iter().map(|sample| sample.scheduled).collect(),
            lag_micros: samples.iter().map(|sample| from_due(sample, sample.started)).collect(),
            latency_micros: samples.iter().map(|sample| from_due(sample, sample.completed)).collect(),
            details: details.collect(),
        }
    }

    /// The samples.
    pub fn samples(mut self) -> impl Iterator<Item = Result<Sample, ColumnError>> {
        (0..self.scheduled.len()).map(move |index| self.sample(index).ok_or(ColumnError))
    }

    fn sample(&mut self, index: usize) -> Option<Sample> {
        let details = self.details.remove(&index).unwrap_or_default();
        let scheduled = *self.scheduled.get(index)?;
        let after = |micros: &[i64]| {
            let at = scheduled.micros().checked_add_signed(*micros.get(index)?)?;
            Some(At::after_start(Duration::from_micros(at)))
        };
        Some(Sample {
            series: *self.series.get(index)?,
            slot: self.slot.get(index)?,
            scheduled,
            started: after(&self.lag_micros)?,
            completed: after(&self.latency_micros)?,
            class: *self.class.get(index)?,
            responder: self.responder.get(index)?.clone(),
            phases: details.phases,
            seen: details.seen,
            message: details.message,
        })
    }
}
