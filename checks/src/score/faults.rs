//! What each fault did.

use crate::record::{At, FaultHeader, FaultHistory, FaultWindow, History, Lapse, Record};
use crate::scorecard::{FaultFlaw, FaultResult, HeldResult, UndoState};

/// The faults of a run, in file order.
pub(super) fn judge(record: &Record, history: &History<'_>) -> Vec<FaultResult> {
    let none = FaultHistory::default();
    let of_one = |header: &FaultHeader| {
        let fault = history.faults.get(header.id.as_str()).unwrap_or(&none);
        let failed = fault.undo_failures.last();
        let not_injected =
            if history.finished { "not injected" } else { "the record does not say that it was injected" };
        let took_effect = fault.effective.is_some() && !fault.ineffective;
        let message = failed
            .map_or_else(|| fault.message.unwrap_or(not_injected).to_owned(), |why| format!("undo failed: {why}"));
        // Records of older versions do not say how a fault was held.
        let unobserved = record.header.fault_window == FaultWindow::Effect && header.sustained && fault.held.is_none();
        FaultResult {
            id: header.id.clone(),
            kind: header.kind.clone(),
            clusters: header.clusters.clone(),
            targets: fault.targets.iter().map(|&target| target.to_owned()).collect(),
            requested: fault.first_requested.map(At::secs),
            effective: fault.effective.map(At::secs),
            seen: fault.observed.map(At::secs),
            took_effect,
            held: fault.held.map(|held| HeldResult {
                seconds: held.length.as_secs_f64(),
                observations: held.observations,
                gap: held.gap.as_secs_f64(),
            }),
            flaw: if let Some(lapse) = &fault.lapsed {
                Some(FaultFlaw { what: lasted(lapse), why: lapse.why.to_owned() })
            } else if fault.first_requested.is_some() && !took_effect {
                Some(FaultFlaw { what: "took no effect".to_owned(), why: message.clone() })
            } else if took_effect && unobserved {
                let why = "the record has no observation of its effect after the first".to_owned();
                Some(FaultFlaw { what: "was not observed while it was held".to_owned(), why })
            } else {
                None
            },
            undo: if failed.is_some() {
                UndoState::Failed
            } else if fault.undo_verified {
                UndoState::Verified
            } else if fault.effective.is_some() && !header.sustained {
                UndoState::NotNeeded
            } else {
                UndoState::NotRun
            },
            message,
        }
    };
    record.header.faults.iter().map(of_one).collect()
}

/// How long a fault was in effect that ended before its time, from the last observation of its effect to the first without.
fn lasted(lapse: &Lapse<'_>) -> String {
    let (low, high) = (lapse.seen.as_secs_f64(), lapse.length.as_secs_f64());
    let length = if high - low < 0.05 { format!("{high:.1}") } else { format!("{low:.1} to {high:.1}") };
    let hold = lapse.hold.as_secs_f64();
    format!("was in effect for {length} of {hold} s")
}
