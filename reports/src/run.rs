//! What reports are made of, and why one could not be made.

use meshdrill_checks::findings::Finding;
use meshdrill_checks::record::Record;
use meshdrill_checks::scorecard::Scorecard;

/// A run and its judgement.
#[derive(Debug, Clone, Copy)]
pub struct Run<'a> {
    /// What happened.
    pub record: &'a Record,
    /// How it is judged.
    pub scorecard: &'a Scorecard,
    /// The findings that it opened.
    pub findings: &'a [Finding],
}

impl<'a> Run<'a> {
    /// A run of which no findings are shown.
    pub const fn new(record: &'a Record, scorecard: &'a Scorecard) -> Self {
        Self { record, scorecard, findings: &[] }
    }
}

/// A run among others.
#[derive(Debug, Clone)]
pub struct SuiteRun<'a> {
    /// The run.
    pub run: Run<'a>,
    /// The link to its own page, relative to the page of all; none if it has none.
    pub page: Option<String>,
}

/// Why a report could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// JSON.
    #[error("the report cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// XML.
    #[error("the JUnit report cannot be written: {0}")]
    Junit(#[from] quick_junit::SerializeError),
}
