//! Waking at an instant. The timers of the runtime have steps of a millisecond, which would be charged to the service that is
//! measured; a timer of the kernel wakes within some 0.1 ms.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::clock::Clock;

/// The shortest time between two wake-ups: at more than 4,000 slots a second, several start together.
const FINEST: Duration = Duration::from_micros(250);

/// The timer of one schedule.
pub(super) struct Timer {
    /// None in virtual time, where the runtime moves the clock, and where the kernel has none to give.
    kernel: Option<kernel::Timer>,
    woken: Option<Instant>,
}

impl Timer {
    /// A timer for a schedule on this clock.
    pub fn new(clock: &Clock) -> Self {
        Self { kernel: if clock.is_virtual() { None } else { kernel::Timer::new() }, woken: None }
    }

    /// Waits until a slot is due, or a little longer where the last one was a moment ago. Never wakes early.
    pub async fn wait_until(&mut self, due: Instant) {
        match &self.kernel {
            None => sleep_until(due).await,
            Some(kernel) => {
                let next = self.woken.map_or(due, |woken| due.max(woken + FINEST));
                if next > Instant::now() {
                    kernel.wait_until(next).await;
                    self.woken = Some(next);
                }
            }
        }
    }
}

#[cfg(target_os = "linux")]
mod kernel {
    use std::os::fd::OwnedFd;

    use rustix::io::read;
    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
    };
    use tokio::io::unix::AsyncFd;
    use tokio::time::{Instant, sleep_until};

    /// A `timerfd`.
    pub(super) struct Timer(AsyncFd<OwnedFd>);

    impl Timer {
        /// None if the process has no descriptor left.
        #[expect(
            deprecated,
            reason = "an `OwnedFd` is safe here; the other constructor is `unsafe`, which is forbidden"
        )]
        pub fn new() -> Option<Self> {
            let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
            let fd = timerfd_create(TimerfdClockId::Monotonic, flags).ok()?;
            Some(Self(AsyncFd::new(fd).ok()?))
        }

        pub async fn wait_until(&self, due: Instant) {
            if self.try_wait_until(due).await.is_err() {
                sleep_until(due).await;
            }
        }

        async fn try_wait_until(&self, due: Instant) -> std::io::Result<()> {
            loop {
                let left = due.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Ok(());
                }
                let once = Itimerspec {
                    it_interval: Timespec { tv_sec: 0, tv_nsec: 0 },
                    it_value: Timespec {
                        tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                        tv_nsec: i64::from(left.subsec_nanos()),
                    },
                };
                timerfd_settime(&self.0, TimerfdTimerFlags::empty(), &once)?;
                let mut expired = self.0.readable().await?;
                let mut count = [0; 8];
                // A wake-up that was left over from before reads nothing.
                let _ = expired.try_io(|fd| Ok(read(fd.get_ref(), &mut count)?));
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod kernel {
    use tokio::time::Instant;

    /// There is none.
    pub(super) struct Timer;

    impl Timer {
        pub fn new() -> Option<Self> {
            None
        }

        pub async fn wait_until(&self, due: Instant) {
            tokio::time::sleep_until(due).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Net;

    #[tokio::test]
    async fn a_schedule_is_never_early_and_keeps_its_pace() {
        let mut timer = Timer::new(&Clock::start(&Net::Machine));
        let start = Instant::now();
        for slot in 1..=200 {
            let due = start + Duration::from_millis(slot);
            timer.wait_until(due).await;
            assert!(Instant::now() >= due, "slot {slot} was early");
        }
        // A slot that is over is not waited for.
        timer.wait_until(start).await;
        let begun = Instant::now();
        timer.wait_until(begun + Duration::from_micros(1)).await;
        timer.wait_until(begun + Duration::from_micros(2)).await;
        assert!(begun.elapsed() >= FINEST, "two wake-ups followed each other at once");
    }

    #[tokio::test(start_paused = true)]
    async fn virtual_time_is_moved_by_the_runtime() {
        let mut timer = Timer { kernel: None, woken: None };
        let start = Instant::now();
        timer.wait_until(start + Duration::from_hours(1)).await;
        assert_eq!(start.elapsed(), Duration::from_hours(1));
    }
}
