//! What each fault did, as the record tells it.

use crate::record::{Event, FaultHeader, Record};
use crate::scorecard::FaultResult;

/// The faults of a run, in file order.
pub(super) fn judge(record: &Record) -> Vec<FaultResult> {
    record.header.faults.iter().map(|fault| of_one(record, fault)).collect()
}

fn of_one(record: &Record, header: &FaultHeader) -> FaultResult {
    let mut result = FaultResult {
        id: header.id.clone(),
        kind: header.kind.clone(),
        clusters: header.clusters.clone(),
        targets: Vec::new(),
        requested: None,
        effective: None,
        seen: None,
        took_effect: false,
        undo: "not-run".into(),
        message: if record.is_complete() { "not injected" } else { "the record does not say that it was injected" }
            .to_owned(),
    };
    let mut ineffective = false;
    for line in &record.events {
        match &line.event {
            Event::FaultRequested { fault, targets } if *fault == header.id => {
                result.requested.get_or_insert(line.at.secs());
                result.targets.extend(
                    targets.iter().filter(|target| !result.targets.contains(target)).cloned().collect::<Vec<_>>(),
                );
            }
            Event::FaultEffective { fault, proof, .. } if *fault == header.id => {
                result.effective = result.effective.or(line.took_hold().map(|(_, at)| at.secs()));
                result.seen.get_or_insert(line.at.secs());
                result.message.clone_from(proof);
                if !header.sustained {
                    result.undo = "not-needed".into();
                }
            }
            Event::FaultIneffective { fault, why } if *fault == header.id => {
                ineffective = true;
                result.message.clone_from(why);
            }
            Event::UndoVerified { fault, .. } if *fault == header.id => result.undo = "verified".into(),
            _ => {}
        }
    }
    result.took_effect = result.effective.is_some() && !ineffective;
    if let Some(why) = record.undo_failures(&header.id).last() {
        result.undo = "failed".into();
        result.message = format!("undo failed: {why}");
    }
    result
}
