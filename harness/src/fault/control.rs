//! The control of a fault in the data plane: a request that is answered as expected while nothing is broken, and shows
//! it while something is. An object that is merely stored proves nothing.

use std::time::Duration;

use meshdrill_checks::record::Series;
use tokio::time::{Instant, timeout};

use super::FaultError;
use crate::cluster::World;
use crate::probe::{Answer, Observer, Outcome, ProbeKind, Role, SpecError};

/// How often it is asked before the fault until it is answered well.
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
    /// Finds what it asks, and that it is answered as expected and sooner than `within` while nothing is broken.
    pub async fn prepare(kind: &ProbeKind, world: &World, within: Option<Duration>) -> Result<Self, FaultError> {
        let timing = kind.as_observation().timing();
        let observer = kind.as_observation().prepare(world, Role::Check).await;
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
            "the control request {} does not hold before the fault, so it could not show the effect: {last}",
            kind.as_observation().describe()
        )))
    }

    /// Asks once; the outcome, and how long it took.
    pub async fn ask(&self) -> (Outcome, Duration) {
        let start = Instant::now();
        let outcome = timeout(self.bound, self.observer.observe(self.series)).await;
        let outcome = outcome.unwrap_or_else(|_| Outcome::new(Answer::Error, "no answer in time"));
        (outcome, start.elapsed())
    }
}
