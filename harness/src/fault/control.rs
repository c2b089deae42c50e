//! The control request of a fault in the data plane: it passes before the fault and fails or slows down during it. That
//! the API server has stored an object does not prove that the object has an effect.

use std::time::Duration;

use meshdrill_checks::record::Series;
use tokio::time::{Instant, timeout};

use super::FaultError;
use crate::cluster::World;
use crate::notes::heed;
use crate::probe::{Answer, Observer, Outcome, ProbeKind, Role, SpecError, prepare};

/// How many attempts it has to pass before the fault.
const TRIES: usize = 5;

/// What is wrong with the keys of a control request.
pub(super) fn spec_errors(kind: &ProbeKind) -> impl Iterator<Item = SpecError> {
    let inside = |error: SpecError| SpecError { key: format!("control.{}.{}", kind.name(), error.key).into(), ..error };
    kind.as_observation().spec_errors().into_iter().map(inside)
}

/// A control request.
pub(super) struct Control {
    observer: Box<dyn Observer>,
    series: Series,
    bound: Duration,
}

impl Control {
    /// Prepares the request, and checks that it passes, and takes less than `within`, before the fault.
    pub async fn prepare(kind: &ProbeKind, world: &World, within: Option<Duration>) -> Result<Self, FaultError> {
        let timing = kind.as_observation().timing();
        let observer = prepare(kind, world, Role::Check).await;
        let control = Self {
            observer: observer.map_err(|error| FaultError::Refused(format!("the control request: {error}")))?,
            series: timing.series.first().copied().unwrap_or(Series::New),
            bound: timing.timeout.0 + Duration::from_secs(1),
        };
        let mut last = String::new();
        for _ in 0..TRIES {
            let (outcome, took) = control.ask().await;
            if outcome.answer == Answer::Good && within.is_none_or(|within| took < within) {
                return Ok(control);
            }
            last = format!("{} after {} ms", outcome.message, took.as_millis());
        }
        Err(FaultError::Refused(format!(
            "the control request {} does not pass before the fault, so it cannot show the effect: {last}",
            kind.as_observation().describe()
        )))
    }

    /// Sends it once; the outcome and its duration.
    pub async fn ask(&self) -> (Outcome, Duration) {
        let start = Instant::now();
        let outcome = timeout(self.bound, heed(self.observer.observe(self.series))).await;
        let outcome = outcome.unwrap_or_else(|_| Outcome::new(Answer::Error, "the request timed out"));
        (outcome, start.elapsed())
    }
}
