//! The behavior common to all kinds of observations: describe it, list its permissions, make an observer.

use std::borrow::Cow;
use std::time::Duration;

use futures::future::BoxFuture;
use meshdrill_checks::record::{ReadBack, Series};
use meshdrill_checks::units::TimeSpan;

use super::{Outcome, ProbeError};
use crate::cluster::{Permission, World};
use crate::format::{ClusterChoice, MeshSpec};

/// How an observation is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Sampled on a schedule.
    Probe,
    /// Run once or polled.
    Check,
    /// Polled after the undo: compares with what was there before the fault.
    Recovered,
}

impl Role {
    /// The time above which a good result is late, of what is written as `slow`. None for probes: their samples are late by their
    /// schedule.
    pub fn late_after(self, slow: Option<TimeSpan>) -> Option<Duration> {
        match self {
            Self::Probe => None,
            Self::Check | Self::Recovered => slow.map(|slow| slow.0),
        }
    }
}

/// The timing of an observation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timing {
    /// The timeout.
    pub timeout: TimeSpan,
    /// The duration above which a good result is late.
    pub slow: TimeSpan,
    /// The period where neither the scenario nor a criterion sets one.
    pub every: TimeSpan,
    /// The connections to sample with.
    pub series: Vec<Series>,
    /// The span of observations that are made together, where a single one would cost more than what it measures.
    pub batch: Option<TimeSpan>,
}

impl Timing {
    /// The default for an API: every two seconds, with a timeout of ten seconds, never late.
    pub fn api() -> Self {
        Self {
            timeout: TimeSpan::secs(10),
            slow: TimeSpan::secs(10),
            every: TimeSpan::secs(2),
            series: vec![Series::New],
            batch: None,
        }
    }
}

/// An error in a kind's keys that the schema cannot express.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecError {
    /// The key inside the kind's mapping.
    pub key: Cow<'static, str>,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: String,
}

impl SpecError {
    /// An error at a key.
    pub fn new(key: impl Into<Cow<'static, str>>, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { key: key.into(), message: message.into(), help: help.into() }
    }
}

/// The error of a `slow` above the timeout: a request ends before it is late.
pub(super) fn slow_error(slow: Option<TimeSpan>, timeout: TimeSpan) -> Option<SpecError> {
    let slow = slow.filter(|slow| *slow > timeout)?;
    let message = format!("`slow` ({slow}) is above the timeout ({timeout}): a request ends before it is late");
    Some(SpecError::new(
        "slow",
        message,
        format!("write a longer `timeout`, or `slow: {timeout}`, so that only the timeout counts"),
    ))
}

/// What every kind of observation defines. Nothing but `prepare` contacts a cluster.
pub trait Observation {
    /// What it observes, as text.
    fn describe(&self) -> String;
    /// The name in its check ids.
    fn subject(&self) -> String;
    /// The cluster choices in it.
    fn choices(&mut self) -> Vec<&mut ClusterChoice>;
    /// The clusters that `all` and `!KEY` stand for.
    fn clusters(&self, mesh: &MeshSpec) -> Vec<String> {
        mesh.keys()
    }
    /// Other clusters that it names: they are not expanded, but the mesh file must have them.
    fn mentioned(&self) -> Vec<ClusterChoice> {
        Vec::new()
    }
    /// Its timing.
    fn timing(&self) -> Timing {
        Timing::api()
    }
    /// What is wrong with its keys.
    fn spec_errors(&self) -> Vec<SpecError> {
        Vec::new()
    }
    /// Whether it compares with the state at the start of the run, so that it must be prepared then.
    fn has_baseline(&self, _: Role) -> bool {
        false
    }
    /// The error if it cannot be a check, because a single observation shows nothing.
    fn only_sampled(&self) -> Option<SpecError> {
        None
    }
    /// The error about a key that has an effect only where more than one observation is made, so not in a check.
    fn only_once(&self) -> Option<SpecError> {
        None
    }
    /// Whether it has nothing left to compare after its clusters were expanded, such as a hub with itself.
    fn is_vacuous(&self) -> bool {
        false
    }
    /// Whether it contacts every cluster of the mesh, not only the ones that it names.
    fn needs_all_clusters(&self) -> bool {
        false
    }
    /// The permissions that it needs.
    fn permissions(&self, _: &MeshSpec) -> Vec<Permission> {
        Vec::new()
    }
    /// Finds what it observes. On an error, it cannot start.
    fn prepare<'a>(&'a self, world: &'a World, role: Role) -> BoxFuture<'a, Result<Box<dyn Observer>, ProbeError>>;
}

/// Makes observations.
pub trait Observer: Send + Sync {
    /// Makes one observation.
    fn observe(&self, series: Series) -> BoxFuture<'_, Outcome>;
    /// Makes several observations, `every` apart; for kinds with a batch in their timing.
    fn observe_batch(&self, count: usize, every: Duration) -> BoxFuture<'_, Vec<Outcome>> {
        Box::pin(async move {
            let mut outcomes = Vec::with_capacity(count);
            for _ in 0..count {
                outcomes.push(self.observe(Series::New).await);
                tokio::time::sleep(every).await;
            }
            outcomes
        })
    }
    /// Why an outcome is not as expected, from the objects of the clusters. Called once the verdict of the outcome is final.
    fn causes<'a>(&'a self, _: &'a Outcome) -> BoxFuture<'a, Vec<String>> {
        Box::pin(async { Vec::new() })
    }
    /// Reads back what it wrote; none for kinds that write nothing. Called once, after the last observation.
    fn read_back(&self) -> BoxFuture<'_, Option<ReadBack>> {
        Box::pin(async { None })
    }
    /// The minimum time to detect what it follows; none for kinds that detect nothing.
    fn min_detection_time(&self) -> BoxFuture<'_, Result<Option<MinDetectionTime>, ProbeError>> {
        Box::pin(async { Ok(None) })
    }
}

/// The minimum time in which an alert can reach a receiver, by the live configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MinDetectionTime {
    /// The sum.
    pub total: Duration,
    /// Its parts, as text.
    pub parts: String,
}

impl MinDetectionTime {
    /// Sum of a scrape, an evaluation, `for` rounded up to whole evaluations, and the wait before a notification.
    pub fn new(scrape: Duration, evaluation: Duration, hold: Duration, wait: Duration) -> Self {
        let rounds = if evaluation.is_zero() { 0.0 } else { (hold.as_secs_f64() / evaluation.as_secs_f64()).ceil() };
        let held = hold.max(evaluation.mul_f64(rounds));
        let words = |span: Duration| TimeSpan(span).to_string();
        Self {
            total: scrape + evaluation + held + wait,
            parts: format!(
                "scrape {} + evaluation {} + for {} + group_wait {}",
                words(scrape),
                words(evaluation),
                words(held),
                words(wait)
            ),
        }
    }
}
