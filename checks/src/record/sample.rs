//! One observation of a probe.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::RequestPhases;
use crate::units::seconds;

/// A point in time: microseconds since t = 0 of the run, on the monotonic clock. Written as seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct At(u64);

impl At {
    /// The start of the run.
    pub const ZERO: Self = Self(0);

    /// The point a length of time after the start, to the microsecond.
    pub fn after_start(elapsed: Duration) -> Self {
        Self(u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX))
    }

    /// Seconds since the start.
    pub fn secs(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// Microseconds since the start.
    pub const fn micros(self) -> u64 {
        self.0
    }

    /// The time from an earlier point to this one; zero if it is not earlier.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }

    /// A later point.
    #[must_use]
    pub fn plus(self, length: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(length.as_micros()).unwrap_or(u64::MAX)))
    }
}

impl JsonSchema for At {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Seconds".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "type": "number", "minimum": 0, "description": "Seconds since the start of the run, to the microsecond" })
    }
}

impl Serialize for At {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_f64(self.secs())
    }
}

impl<'de> Deserialize<'de> for At {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let seconds = f64::deserialize(from)?;
        if !(0.0..1e12).contains(&seconds) {
            return Err(serde::de::Error::custom("a time in a record is a number of seconds since the start"));
        }
        Ok(Self((seconds * 1e6).round() as u64))
    }
}

/// Which connection an observation used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Series {
    /// A connection of its own.
    #[default]
    New,
    /// A connection kept alive from one observation to the next.
    Kept,
}

/// How one observation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// As expected, in time.
    Good,
    /// The name did not resolve.
    Dns,
    /// The connection was refused or the host was unreachable.
    Refused,
    /// No connection within the timeout.
    ConnectTimeout,
    /// The TLS handshake failed.
    Tls,
    /// The connection broke before the answer was complete.
    Reset,
    /// HTTP status 500 to 599 where another was expected.
    #[serde(rename = "http-5xx")]
    Http5xx,
    /// Another unexpected HTTP status.
    HttpOther,
    /// No complete answer within the timeout.
    Timeout,
    /// A right answer that came after the bound.
    Late,
    /// The right status with the wrong body or headers.
    Body,
    /// The answer is not what is expected of it (checks sampled as probes).
    Unexpected,
    /// Nothing could be learned: no data, or the question could not be asked. Neither good nor bad.
    NoData,
    /// The runner could not start the observation in time. Neither good nor bad.
    NotSent,
}

impl Class {
    /// Whether the observation was made and met its expectation.
    pub const fn is_good(self) -> bool {
        matches!(self, Self::Good)
    }

    /// Whether there was a right answer, in time or late.
    pub const fn is_answered(self) -> bool {
        matches!(self, Self::Good | Self::Late)
    }

    /// Whether the observation was made at all; the others lower coverage.
    pub const fn is_valid(self) -> bool {
        !matches!(self, Self::NoData | Self::NotSent)
    }

    /// Whether the observation was made and did not meet its expectation.
    pub const fn is_bad(self) -> bool {
        self.is_valid() && !self.is_good()
    }

    /// The word used in files and on the screen.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Dns => "dns",
            Self::Refused => "refused",
            Self::ConnectTimeout => "connect-timeout",
            Self::Tls => "tls",
            Self::Reset => "reset",
            Self::Http5xx => "http-5xx",
            Self::HttpOther => "http-other",
            Self::Timeout => "timeout",
            Self::Late => "late",
            Self::Body => "body",
            Self::Unexpected => "unexpected",
            Self::NoData => "no-data",
            Self::NotSent => "not-sent",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// One observation on the fixed schedule of a probe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Sample {
    /// Which connection it used.
    pub series: Series,
    /// Its place in the schedule, from 0; `scheduled` = start of the probe + slot x period.
    pub slot: u64,
    /// When it was due. Latency counts from here.
    pub scheduled: At,
    /// When it was really started; for `not-sent`, when that was given up.
    pub started: At,
    /// When its outcome was known.
    pub completed: At,
    /// How it ended.
    pub class: Class,
    /// Who answered, as the probe extracts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub responder: Option<Arc<str>>,
    /// How long its phases took, of a request over HTTP. Those of good samples are kept as [`Timings`](super::Timings).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phases: Option<Box<RequestPhases>>,
    /// What was seen, for the first bad samples of a stretch and for probes that observe more than good or bad.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Arc<Value>>,
    /// What a bad sample shows, as a sentence. Records of older versions have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Arc<str>>,
}

impl Sample {
    /// From due to started: what the runner added. It is part of the latency.
    pub const fn lag(&self) -> Duration {
        self.started.since(self.scheduled)
    }

    /// From due to done: what a client on the schedule waited.
    pub const fn latency(&self) -> Duration {
        self.completed.since(self.scheduled)
    }

    /// What it shows, in words: how late it was, the sentence of the probe, or its details.
    pub fn observed(&self) -> Option<String> {
        let details = || match self.seen.as_deref()? {
            Value::String(text) => Some(text.clone()),
            details => Some(details.to_string()),
        };
        let late = || (self.class == Class::Late).then(|| format!("took {}", seconds(self.latency().as_secs_f64())));
        self.message.as_deref().map(str::to_owned).or_else(late).or_else(details)
    }
}
