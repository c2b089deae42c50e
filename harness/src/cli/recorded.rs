//! The record of a run directory.

use std::path::{Path, PathBuf};

use meshdrill_checks::record::{RECORD_FILES, Record};

use super::error::{CliError, FileError, UsageError};

/// Reads the record of a run directory, or the file of one.
pub(super) fn record(run: &Path) -> Result<Record, CliError> {
    let path = record_file(run);
    let bytes = std::fs::read(&path).map_err(|error| FileError::unreadable(&path, error))?;
    Record::read(&bytes).map_err(|source| UsageError::Record { path, source }.into())
}

/// Whether a directory has a record.
pub(super) fn has_record(dir: &Path) -> bool {
    RECORD_FILES.iter().any(|name| dir.join(name).exists())
}

/// The file of a run's record: the newest form that is there.
fn record_file(run: &Path) -> PathBuf {
    if !run.is_dir() {
        return run.to_owned();
    }
    let files = RECORD_FILES.map(|name| run.join(name));
    files.iter().find(|file| file.exists()).unwrap_or(&files[0]).clone()
}
