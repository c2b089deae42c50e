//! The files of a run directory that people and scripts read, each written completely or not at all.

use meshdrill_checks::record::Record;
use meshdrill_checks::scorecard::Scorecard;
use meshdrill_reports::{Format, Report as _, Run};

use crate::run::RunDir;

/// The reports every run writes, with their file names.
const REPORTS: [(Format, &str); 2] = [(Format::Json, "scorecard.json"), (Format::Junit, "junit.xml")];

/// Writes all of them.
pub fn write_reports(dir: &RunDir, record: &Record, scorecard: &Scorecard) -> std::io::Result<()> {
    let run = Run { record, scorecard };
    for (format, name) in REPORTS {
        dir.write(name, &format.render(&run).map_err(std::io::Error::other)?)?;
    }
    Ok(())
}
