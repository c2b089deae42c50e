//! The times in which the faults of a run were in effect.

use meshdrill_checks::record::{At, FaultHeader, Record};

/// One time in which a fault was in effect. Seconds since the start of the run.
#[derive(Debug, Clone, PartialEq)]
pub struct FaultWindow<'a> {
    /// The fault.
    pub fault: &'a FaultHeader,
    /// When it took hold.
    pub from: f64,
    /// When its undo was requested; none for a fault that ends by itself, or if nothing was undone.
    pub to: Option<f64>,
}

/// All of them, in order.
pub fn fault_windows(record: &Record) -> Vec<FaultWindow<'_>> {
    let history = record.history();
    let of = |id: &str| record.header.faults.iter().find(|fault| fault.id == id);
    let effects = &history.effects;
    let windows = effects.iter().enumerate().filter_map(|(index, (id, from))| {
        let again = effects[index + 1..].iter().find(|(other, _)| other == id).map(|(_, at)| *at);
        let mut undos = history.undo_requests.iter().filter(|(other, _)| other == id).map(|(_, at)| *at);
        let undo = undos.find(|at| at >= from && again.is_none_or(|again| *at < again));
        Some(FaultWindow { fault: of(id)?, from: from.secs(), to: undo.map(At::secs) })
    });
    windows.collect()
}
