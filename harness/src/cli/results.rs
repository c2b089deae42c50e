//! `score` and `report`: recorded runs, offline.

use std::io::Write as _;

use meshdrill_checks::exit_code::ExitCode;
use meshdrill_checks::record::{Record, RecordError};
use meshdrill_checks::score;
use meshdrill_checks::scorecard::Scorecard;
use meshdrill_reports::{Run, headline};

use super::args::{ReportArgs, RunDirArgs};
use super::error::{CliError, FileError};
use super::recorded::{finding_owners, record};
use crate::reporting::{Judged, render_runs};
use crate::run::write_atomically;

/// Judges a run again.
pub(super) fn score(args: &RunDirArgs) -> Result<ExitCode, CliError> {
    let record = record(&args.run)?;
    let scorecard = score::score(&record);
    let run = Run::new(&record, &scorecard);
    super::say_part!("{}", meshdrill_reports::screen(&run));
    super::say!("{}", headline(&scorecard, &args.run.display().to_string()));
    Ok(scorecard.exit_code)
}

/// Prints a record.
pub(super) fn print_record(args: &RunDirArgs) -> Result<ExitCode, CliError> {
    let record = record(&args.run)?;
    let mut stdout = std::io::BufWriter::new(std::io::stdout().lock());
    let written = record.write_lines(&mut stdout).and_then(|()| Ok(stdout.flush().map_err(serde_json::Error::io)?));
    match written {
        // A reader such as `head` that has seen enough.
        Err(RecordError::Format(error)) if error.io_error_kind() == Some(std::io::ErrorKind::BrokenPipe) => {}
        written => written.map_err(std::io::Error::other)?,
    }
    Ok(ExitCode::Pass)
}

/// Renders a report.
pub(super) fn report(args: &ReportArgs) -> Result<ExitCode, CliError> {
    let owners = finding_owners(args.findings.as_deref())?;
    let records = args.runs.iter().map(|run| record(run)).collect::<Result<Vec<Record>, CliError>>()?;
    let cards: Vec<Scorecard> = records.iter().map(score::score).collect();
    let judged = args.runs.iter().zip(&records).zip(&cards);
    let judged: Vec<Judged<'_>> = judged.map(|((run, record), card)| (run.as_path(), record, card)).collect();
    let bytes = render_runs(args.format, &judged, args.out.as_deref(), &owners)?;
    match &args.out {
        Some(path) => {
            write_atomically(path, &bytes).map_err(|error| FileError::unwritable(path, error))?;
        }
        None => {
            std::io::stdout().write_all(&bytes)?;
        }
    }
    Ok(ExitCode::Pass)
}
