//! Renders a judged run for people and machines. Pure: what it needs is handed in, what it makes is handed back.

mod json;
mod junit;
mod screen;
mod text;

use meshdrill_checks::record::Record;
use meshdrill_checks::scorecard::Scorecard;

pub use screen::{LONGEST, ScreenOptions, headline, reason, screen, screen_with, title, verdict_word};
pub use text::cut;

/// A run and its judgement.
#[derive(Debug, Clone, Copy)]
pub struct Run<'a> {
    /// What happened.
    pub record: &'a Record,
    /// How it is judged.
    pub scorecard: &'a Scorecard,
}

/// Why a report could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// JSON.
    #[error("the scorecard cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// XML.
    #[error("the JUnit report cannot be written: {0}")]
    Junit(#[from] quick_junit::SerializeError),
}

/// Makes one kind of report.
pub trait Report {
    /// The bytes of its file.
    fn render(&self, run: &Run<'_>) -> Result<Vec<u8>, ReportError>;
}

/// The kinds of reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `scorecard.json`.
    Json,
    /// `junit.xml`.
    Junit,
    /// The final screen of a terminal, without colour.
    Text,
}

/// A text that names no kind of report.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a report format")]
pub struct UnknownFormat(String);

impl Format {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Json, Self::Junit, Self::Text];

    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Junit => "junit",
            Self::Text => "text",
        }
    }

    /// What it is.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Json => "the scorecard, for scripts",
            Self::Junit => "JUnit XML, for CI",
            Self::Text => "the final screen, for a ticket",
        }
    }
}

impl std::str::FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        Self::ALL.into_iter().find(|format| format.name() == text).ok_or_else(|| UnknownFormat(text.to_owned()))
    }
}

impl Report for Format {
    fn render(&self, run: &Run<'_>) -> Result<Vec<u8>, ReportError> {
        match self {
            Self::Json => json::render(run),
            Self::Junit => junit::render(&[*run]),
            Self::Text => Ok(screen(run).into_bytes()),
        }
    }
}

/// One `JUnit` file for several runs.
pub fn junit_of_all(runs: &[Run<'_>]) -> Result<Vec<u8>, ReportError> {
    junit::render(runs)
}
