//! Files of recorded runs and of what people decide about them.

use std::path::{Path, PathBuf};

use meshdrill_checks::findings::{FindingOwner, FindingOwners};
use meshdrill_checks::record::{RECORD_FILES, Record};
use meshdrill_document::Problems;

use super::error::{CliError, FileError, UsageError};
use crate::spec::{FindingSpec, load_findings};

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

/// Who takes care of findings, by a file of `--findings`.
pub(super) fn finding_owners(path: Option<&Path>) -> Result<FindingOwners, CliError> {
    let Some(path) = path else { return Ok(FindingOwners::new()) };
    let file = load_findings(path).map_err(|problems| shown(&problems))?;
    let owner = |(id, one): (String, FindingSpec)| {
        let due = one.due.and_then(|due| due.parse().ok());
        (id, FindingOwner { owner: one.owner, due, note: one.note })
    };
    Ok(file.spec.into_iter().map(owner).collect())
}

/// Shows what is wrong with a file.
pub(super) fn shown(problems: &Problems) -> UsageError {
    eprint!("{}", problems.render(super::colour()));
    UsageError::InvalidSigning
}
