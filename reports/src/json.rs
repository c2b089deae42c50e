//! `scorecard.json`.

use super::{ReportError, Run, SuiteRun};

pub(super) fn render(run: &Run<'_>) -> Result<Vec<u8>, ReportError> {
    document(run.scorecard)
}

/// An array of scorecards.
pub(super) fn render_all(runs: &[SuiteRun<'_>]) -> Result<Vec<u8>, ReportError> {
    document(&runs.iter().map(|one| one.run.scorecard).collect::<Vec<_>>())
}

fn document<T: serde::Serialize>(content: &T) -> Result<Vec<u8>, ReportError> {
    let mut bytes = serde_json::to_vec_pretty(content)?;
    bytes.push(b'\n');
    Ok(bytes)
}
