//! SIGINT, SIGTERM and SIGHUP end a run early: undo, verify, report. Further ones never stop the undo.

use tokio::signal::unix::{SignalKind, signal};

use crate::run::Interrupts;

/// Listens for signals for as long as the runtime lives.
pub(super) fn listen(interrupts: &Interrupts) -> std::io::Result<()> {
    for (kind, name) in
        [(SignalKind::interrupt(), "SIGINT"), (SignalKind::terminate(), "SIGTERM"), (SignalKind::hangup(), "SIGHUP")]
    {
        let mut stream = signal(kind)?;
        let interrupts = interrupts.clone();
        tokio::spawn(async move {
            let mut before = false;
            while stream.recv().await.is_some() {
                if before {
                    eprintln!("{name} again: the undo goes on");
                } else {
                    eprintln!("{name}: undoing what was injected");
                }
                before = true;
                interrupts.interrupt(name);
            }
        });
    }
    Ok(())
}
