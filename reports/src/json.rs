//! `scorecard.json`.

use super::{ReportError, Run};

pub(super) fn render(run: &Run<'_>) -> Result<Vec<u8>, ReportError> {
    let mut bytes = serde_json::to_vec_pretty(run.scorecard)?;
    bytes.push(b'\n');
    Ok(bytes)
}
