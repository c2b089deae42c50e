//! `score` and `report`: recorded runs, offline.

use std::path::Path;

use meshdrill_checks::record::Record;
use meshdrill_checks::score;
use meshdrill_reports::{Format, Report as _, Run, headline};

use super::Failure;
use super::args::{ReportArgs, ReportFormat, RunDirArgs};
use crate::run::write_atomically;

/// Reads the record of a run directory.
fn record(run: &Path) -> Result<Record, Failure> {
    let path = if run.is_dir() { run.join("run.jsonl") } else { run.to_owned() };
    let text =
        std::fs::read_to_string(&path).map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?;
    Record::parse(&text).map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))
}

/// Judges a run again.
pub(super) fn score(args: &RunDirArgs) -> Result<u8, Failure> {
    let record = record(&args.run)?;
    let scorecard = score::score(&record);
    let run = Run { record: &record, scorecard: &scorecard };
    super::say_part!("{}", meshdrill_reports::screen(&run));
    super::say!("{}", headline(&scorecard, &args.run.display().to_string()));
    Ok(scorecard.exit_code)
}

/// Renders a report.
pub(super) fn report(args: &ReportArgs) -> Result<u8, Failure> {
    let record = record(&args.run)?;
    let scorecard = score::score(&record);
    let format = match args.format {
        ReportFormat::Junit => Format::Junit,
        ReportFormat::Json => Format::Json,
        ReportFormat::Text => Format::Text,
    };
    let bytes = format
        .render(&Run { record: &record, scorecard: &scorecard })
        .map_err(|error| Failure::Internal(error.to_string()))?;
    match &args.out {
        Some(path) => {
            write_atomically(path, &bytes).map_err(|error| Failure::Internal(format!("{}: {error}", path.display())))?
        }
        None => {
            use std::io::Write as _;
            std::io::stdout().write_all(&bytes)?;
        }
    }
    Ok(0)
}
