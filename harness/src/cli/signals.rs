//! SIGINT, SIGTERM and SIGHUP end a run early: undo, verify, report. Further ones never stop the undo.

use tokio::signal::unix::{SignalKind, signal};

use super::display::Entry;
use crate::run::Interrupts;

/// Listens for signals for as long as the runtime lives.
pub(super) fn listen(interrupts: &Interrupts, entry: &Entry) -> std::io::Result<()> {
    for (kind, name) in
        [(SignalKind::interrupt(), "SIGINT"), (SignalKind::terminate(), "SIGTERM"), (SignalKind::hangup(), "SIGHUP")]
    {
        let mut stream = signal(kind)?;
        let (interrupts, entry) = (interrupts.clone(), entry.clone());
        tokio::spawn(async move {
            let mut before = false;
            while stream.recv().await.is_some() {
                entry.signal(name, before);
                before = true;
                interrupts.interrupt(name);
            }
        });
    }
    Ok(())
}
