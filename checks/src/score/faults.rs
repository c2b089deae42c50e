//! What each fault did.

use crate::record::{At, FaultHeader, FaultHistory, History, Record};
use crate::scorecard::{FaultResult, UndoState};

/// The faults of a run, in file order.
pub(super) fn judge(record: &Record, history: &History<'_>) -> Vec<FaultResult> {
    let none = FaultHistory::default();
    let of_one = |header: &FaultHeader| {
        let fault = history.faults.get(header.id.as_str()).unwrap_or(&none);
        let failed = fault.undo_failures.last();
        let not_injected =
            if history.finished { "not injected" } else { "the record does not say that it was injected" };
        FaultResult {
            id: header.id.clone(),
            kind: header.kind.clone(),
            clusters: header.clusters.clone(),
            targets: fault.targets.iter().map(|&target| target.to_owned()).collect(),
            requested: fault.first_requested.map(At::secs),
            effective: fault.effective.map(At::secs),
            seen: fault.observed.map(At::secs),
            took_effect: fault.effective.is_some() && !fault.ineffective,
            undo: if failed.is_some() {
                UndoState::Failed
            } else if fault.undo_verified {
                UndoState::Verified
            } else if fault.effective.is_some() && !header.sustained {
                UndoState::NotNeeded
            } else {
                UndoState::NotRun
            },
            message: failed
                .map_or_else(|| fault.message.unwrap_or(not_injected).to_owned(), |why| format!("undo failed: {why}")),
        }
    };
    record.header.faults.iter().map(of_one).collect()
}
