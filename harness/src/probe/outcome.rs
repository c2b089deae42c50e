//! The result of one observation.

use std::time::Duration;

use meshdrill_checks::record::Class;
use meshdrill_checks::units::TimeSpan;
use meshdrill_checks::verdict::Verdict;
use serde_json::Value;

use crate::cluster::AccessError;
use crate::net::{HttpFailure, Phases};

/// The kind of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// As expected.
    Good,
    /// Not as expected.
    Bad(Class),
    /// The request succeeded, but the response contains no data: neither good nor bad.
    NoData,
    /// Measurement error: the observation could not be made.
    Error,
}

/// The result of one observation.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The kind of the result.
    pub answer: Answer,
    /// The measured value first, then the expected one.
    pub message: String,
    /// The details; null if there are none.
    pub seen: Value,
    /// The responder.
    pub responder: Option<String>,
    /// The duration by the instrument's own clock, where that is more precise than the runner's.
    pub took: Option<Duration>,
    /// How long the instrument delayed the request, without fault of the target.
    pub waited: Duration,
    /// The durations of the phases of an HTTP request.
    pub phases: Phases,
}

impl Outcome {
    /// A result without details.
    pub fn new(answer: Answer, message: impl Into<String>) -> Self {
        Self {
            answer,
            message: message.into(),
            seen: Value::Null,
            responder: None,
            took: None,
            waited: Duration::ZERO,
            phases: Phases::default(),
        }
    }

    /// Good or bad, with details.
    pub fn judged(good: bool, message: impl Into<String>, seen: Value) -> Self {
        let answer = if good { Answer::Good } else { Answer::Bad(Class::Unexpected) };
        Self { seen, ..Self::new(answer, message) }
    }

    /// A good result that took longer than a limit is late. For checks: a probe's samples are late by their schedule.
    #[must_use]
    pub fn within(mut self, took: Duration, limit: Option<Duration>) -> Self {
        if let Some(limit) = limit.filter(|limit| self.answer == Answer::Good && took > *limit) {
            self.message =
                format!("{}: took {:.0} ms, limit {}", self.message, took.as_secs_f64() * 1000.0, TimeSpan(limit));
            self.answer = Answer::Bad(Class::Late);
        }
        self
    }

    /// The class of a sample.
    pub const fn class(&self) -> Class {
        match self.answer {
            Answer::Good => Class::Good,
            Answer::Bad(class) => class,
            Answer::NoData | Answer::Error => Class::NoData,
        }
    }

    /// The verdict of a check.
    pub const fn verdict(&self) -> Verdict {
        match self.answer {
            Answer::Good => Verdict::Pass,
            Answer::Bad(class) if !class.is_valid() => Verdict::Error,
            Answer::Bad(_) => Verdict::Fail,
            Answer::NoData => Verdict::Inconclusive,
            Answer::Error => Verdict::Error,
        }
    }
}

/// An observation could not be made; for a probe that is about to start: it cannot start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ProbeError(pub String);

impl From<AccessError> for ProbeError {
    fn from(error: AccessError) -> Self {
        Self(error.to_string())
    }
}

impl From<HttpFailure> for ProbeError {
    fn from(failure: HttpFailure) -> Self {
        Self(failure.to_string())
    }
}

impl From<ProbeError> for Outcome {
    fn from(error: ProbeError) -> Self {
        Self::new(Answer::Error, error.0)
    }
}

/// Turns an error into an outcome.
pub(super) fn settle(observed: Result<Outcome, ProbeError>) -> Outcome {
    observed.unwrap_or_else(Outcome::from)
}
