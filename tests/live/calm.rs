//! Waiting for a machine that has cores to spare.

use std::time::{Duration, Instant};

/// How much of all cores has to be idle, and for how long it is measured.
const IDLE: f64 = 0.25;
const LOOK: Duration = Duration::from_secs(5);
/// A machine that is never calm is used as it is.
const DEADLINE: Duration = Duration::from_mins(2);

/// Returns once a quarter of the cores is idle, or after two minutes.
pub fn wait() {
    let start = Instant::now();
    let mut before = ticks();
    while start.elapsed() < DEADLINE {
        std::thread::sleep(LOOK);
        let now = ticks();
        if let (Some((idle, all)), Some((idle_now, all_now))) = (before, now)
            && all_now > all
            && idle_now.saturating_sub(idle) as f64 >= IDLE * (all_now - all) as f64
        {
            return;
        }
        before = now;
    }
}

/// Idle and all ticks of all cores since the machine started (proc(5), first line of /proc/stat).
fn ticks() -> Option<(u64, u64)> {
    let text = std::fs::read_to_string("/proc/stat").ok()?;
    let fields: Vec<u64> =
        text.lines().next()?.split_whitespace().skip(1).map(str::parse).collect::<Result<_, _>>().ok()?;
    // user, nice, system, idle, iowait, irq, softirq, steal; guest time stands in user time as well.
    Some((*fields.get(3)?, fields.iter().take(8).sum()))
}
