//! What one observation found.

use std::time::Duration;

use meshdrill_checks::record::Class;
use meshdrill_checks::verdict::Verdict;
use serde_json::Value;

use crate::cluster::AccessError;
use crate::net::{HttpFailure, Phases};

/// How an observation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// As expected.
    Good,
    /// Otherwise than expected.
    Bad(Class),
    /// The question was answered, and the answer holds no data: neither good nor bad.
    NoData,
    /// The question could not be asked.
    Error,
}

/// One observation.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// How it ended.
    pub answer: Answer,
    /// The measured value first, then what was expected.
    pub message: String,
    /// The facts; null if there are none beyond good or bad.
    pub seen: Value,
    /// Who answered.
    pub responder: Option<String>,
    /// How long it took by the instrument's own clock, where that is better than the runner's.
    pub took: Option<Duration>,
    /// How long the instrument kept the question back, through no fault of whom it asks.
    pub waited: Duration,
    /// How long the phases of an HTTP exchange took.
    pub phases: Phases,
}

impl Outcome {
    /// An observation without further facts.
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

    /// As expected, or not, with the facts.
    pub fn judged(good: bool, message: impl Into<String>, seen: Value) -> Self {
        let answer = if good { Answer::Good } else { Answer::Bad(Class::Unexpected) };
        Self { seen, ..Self::new(answer, message) }
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

/// The question could not be asked; for a probe that is about to start, it cannot start.
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

/// An observation that may fail to be made.
pub(super) fn settle(observed: Result<Outcome, ProbeError>) -> Outcome {
    observed.unwrap_or_else(Outcome::from)
}
