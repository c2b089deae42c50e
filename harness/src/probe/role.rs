//! What every kind of observation can do: describe itself, list its permissions, and make an observer.

use std::borrow::Cow;
use std::time::Duration;

use futures::future::BoxFuture;
use meshdrill_checks::record::{ReadBack, Series};
use meshdrill_checks::units::TimeSpan;

use super::{Outcome, ProbeError};
use crate::cluster::{Permission, World};
use crate::format::{ClusterChoice, MeshSpec};

/// Where an observation stands: sampled, or asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Sampled on a schedule.
    Probe,
    /// Asked once or polled.
    Check,
}

/// How an observation spends time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timing {
    /// The longest one may take.
    pub timeout: TimeSpan,
    /// The bound beyond which a right answer is late.
    pub slow: TimeSpan,
    /// The period where neither the author nor a criterion asks for one.
    pub every: TimeSpan,
    /// The connections it samples with.
    pub series: Vec<Series>,
    /// Observations made in one go, where a single one would be dearer than what it measures.
    pub batch: Option<TimeSpan>,
}

impl Timing {
    /// Of an observation that asks an API: once in two seconds, ten seconds at most, never late.
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

/// Something wrong with a kind's keys that its types cannot tell.
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
    /// A error about a key.
    pub fn new(key: impl Into<Cow<'static, str>>, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { key: key.into(), message: message.into(), help: help.into() }
    }
}

/// What every kind can tell about itself, and how an observer of it is made.
pub trait Observation {
    /// What it observes, in words.
    fn describe(&self) -> String;
    /// What its check ids are made of.
    fn subject(&self) -> String;
    /// The cluster choices in it.
    fn choices(&mut self) -> Vec<&mut ClusterChoice>;
    /// How it spends time.
    fn timing(&self) -> Timing {
        Timing::api()
    }
    /// What is wrong with its keys.
    fn spec_errors(&self) -> Vec<SpecError> {
        Vec::new()
    }
    /// Whether it compares with how things were when the run began, and so must be prepared then.
    fn has_baseline(&self) -> bool {
        false
    }
    /// Why it cannot be asked as a check, if it only makes sense as a sampled probe.
    fn only_sampled(&self) -> Option<SpecError> {
        None
    }
    /// Whether it says nothing once its clusters were expanded, as of a cluster beside itself.
    fn is_vacuous(&self) -> bool {
        false
    }
    /// What it must be permitted.
    fn permissions(&self, _: &MeshSpec) -> Vec<Permission> {
        Vec::new()
    }
    /// Finds what it observes. An error means that it cannot start.
    fn prepare<'a>(&'a self, world: &'a World, role: Role) -> BoxFuture<'a, Result<Box<dyn Observer>, ProbeError>>;
}

/// Makes observations of one thing.
pub trait Observer: Send + Sync {
    /// Makes one.
    fn observe(&self, series: Series) -> BoxFuture<'_, Outcome>;
    /// Makes several, `every` apart; for kinds whose timing has a batch.
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
    /// Why an answer was not as expected, as far as the clusters' objects tell. Asked once it has been judged for good.
    fn causes<'a>(&'a self, _: &'a Outcome) -> BoxFuture<'a, Vec<String>> {
        Box::pin(async { Vec::new() })
    }
    /// Reads back what it wrote; none for kinds that write nothing. Called once, after the last observation.
    fn read_back(&self) -> BoxFuture<'_, Option<ReadBack>> {
        Box::pin(async { None })
    }
    /// The shortest time in which what it watches can be detected at all; none for kinds that detect nothing.
    fn min_detection_time(&self) -> BoxFuture<'_, Result<Option<MinDetectionTime>, ProbeError>> {
        Box::pin(async { Ok(None) })
    }
}

/// The shortest time in which an alert can reach somebody, by the live configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MinDetectionTime {
    /// The sum.
    pub total: Duration,
    /// What it consists of, in words.
    pub parts: String,
}

impl MinDetectionTime {
    /// Adds up: a scrape, an evaluation, `for` rounded up to whole evaluations, and the wait before a notification.
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
