//! SIGINT, SIGTERM, SIGQUIT, SIGHUP and the hang-up of the terminal end a run early: undo, verify, report. Further ones never stop the
//! undo.

use std::io::IsTerminal as _;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::signal::unix::{SignalKind, signal};

use super::display::Entry;
use crate::run::Interrupts;

/// How often it is looked whether the terminal is still there.
const LOOK: Duration = Duration::from_millis(500);
/// The number of SIGHUP.
const SIGHUP: u32 = 1;

/// Listens for signals for as long as the runtime lives.
pub(super) fn listen(interrupts: &Interrupts, entry: &Entry) -> std::io::Result<()> {
    let ends =
        [(SignalKind::interrupt(), "SIGINT"), (SignalKind::terminate(), "SIGTERM"), (SignalKind::quit(), "SIGQUIT")];
    let mut kinds = Vec::from(ends);
    // Under `nohup` a hang-up is no reason to stop.
    if !ignores_hangup() {
        kinds.push((SignalKind::hangup(), "SIGHUP"));
    }
    for (kind, name) in kinds {
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

/// The kernel sends SIGHUP to the session of a terminal only; a run in another session notices its hang-up by itself. Of a run
/// that began without a terminal there is nothing to notice.
pub(super) fn watch_terminal(interrupts: &Interrupts, entry: &Entry) {
    let attended = std::io::stdin().is_terminal() || std::io::stderr().is_terminal();
    if !attended || ignores_hangup() {
        return;
    }
    let (interrupts, entry) = (interrupts.clone(), entry.clone());
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(LOOK).await;
            if has_hung_up() {
                entry.signal("hang-up of the terminal", false);
                return interrupts.interrupt("the hang-up of the terminal");
            }
        }
    });
}

fn has_hung_up() -> bool {
    let (stdin, stderr) = (std::io::stdin(), std::io::stderr());
    let mut fds = Vec::new();
    if is_character_device(&stdin) {
        fds.push(PollFd::new(&stdin, PollFlags::empty()));
    }
    if is_character_device(&stderr) {
        fds.push(PollFd::new(&stderr, PollFlags::empty()));
    }
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut fds, Some(&now)).is_ok_and(|ready| ready > 0)
        && fds.iter().any(|fd| fd.revents().contains(PollFlags::HUP))
}

/// Whether a stream is a character device: a terminal that has hung up is no longer seen as a terminal, and a pipe is neither.
fn is_character_device(stream: &impl std::os::fd::AsFd) -> bool {
    let stat = rustix::fs::fstat(stream);
    stat.is_ok_and(|stat| rustix::fs::FileType::from_raw_mode(stat.st_mode).is_char_device())
}

/// Whether the process was started with SIGHUP ignored.
fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (SIGHUP - 1) & 1 == 1
}
