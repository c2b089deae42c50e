//! Renders judged runs for people and machines. Pure: what it needs is handed in, what it makes is handed back.

mod json;
mod junit;
mod markdown;
mod openmetrics;
mod page;
mod run;
mod screen;
mod story;
mod text;
mod windows;

use meshdrill_checks::findings::Finding;

pub use markdown::message as markdown_text;
pub use page::{field, findings, pill, still_document};
pub use run::{ReportError, Run, SuiteRun};
pub use screen::{LONGEST, ScreenOptions, headline, reason, screen, screen_with, title, verdict_word};
pub use text::{LAB, bounds, cut, figure, inert, interval};
pub use windows::{FaultWindow, fault_windows};

/// The kinds of reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `scorecard.json`.
    Json,
    /// `junit.xml`.
    Junit,
    /// `report.html`.
    Html,
    /// `report.md`.
    Markdown,
    /// Gauges of Prometheus.
    OpenMetrics,
    /// The final screen of a terminal, without colour.
    Text,
}

/// A text that names no kind of report.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a report format")]
pub struct UnknownFormat(String);

impl Format {
    /// All kinds.
    pub const ALL: [Self; 6] = [Self::Json, Self::Junit, Self::Html, Self::Markdown, Self::OpenMetrics, Self::Text];

    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Junit => "junit",
            Self::Html => "html",
            Self::Markdown => "md",
            Self::OpenMetrics => "openmetrics",
            Self::Text => "text",
        }
    }

    /// What it is.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Json => "the scorecard, for scripts",
            Self::Junit => "JUnit XML, for CI",
            Self::Html => "a page with the timeline of every probe, for people",
            Self::Markdown => "for a job summary or a merge request",
            Self::OpenMetrics => "gauges for the textfile collector or a Pushgateway",
            Self::Text => "the final screen, for a ticket",
        }
    }

    /// The report of one run.
    pub fn render(self, run: &Run<'_>) -> Result<Vec<u8>, ReportError> {
        match self {
            Self::Json => json::render(run),
            Self::Junit => junit::render(&[*run]),
            Self::Html => page::render(run),
            Self::Markdown => Ok(markdown::render(run).into_bytes()),
            Self::OpenMetrics => Ok(openmetrics::render(run).into_bytes()),
            Self::Text => Ok(screen(run).into_bytes()),
        }
    }

    /// One report of several runs, with the findings that they opened and closed.
    pub fn render_all(self, runs: &[SuiteRun<'_>], findings: &[Finding]) -> Result<Vec<u8>, ReportError> {
        match self {
            Self::Json => json::render_all(runs),
            Self::Junit => junit::render(&runs.iter().map(|one| one.run).collect::<Vec<_>>()),
            Self::Html => Ok(page::render_all(runs, findings)),
            Self::Markdown => Ok(markdown::render_all(runs).into_bytes()),
            Self::OpenMetrics => Ok(openmetrics::render_all(runs).into_bytes()),
            Self::Text => Ok(runs.iter().map(|one| screen(&one.run)).collect::<Vec<_>>().join("\n").into_bytes()),
        }
    }
}

impl std::str::FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        Self::ALL.into_iter().find(|format| format.name() == text).ok_or_else(|| UnknownFormat(text.to_owned()))
    }
}
