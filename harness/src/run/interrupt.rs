//! What ends a run early: a signal, a halt object, a lost lease. The undo does not listen to it.

use std::sync::Arc;
use std::sync::OnceLock;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// How long after a signal a run still waits: for recovery to be observed, and for writes to be read back.
const AFTER_SIGNAL: Duration = Duration::from_secs(30);

/// Set once for all parts of a run. Later interruptions change nothing, but a signal shortens the waits of a run that was
/// stopped before.
#[derive(Debug, Clone, Default)]
pub struct Interrupts {
    token: CancellationToken,
    by: Arc<OnceLock<String>>,
    hurry: CancellationToken,
    hurried: Arc<OnceLock<Instant>>,
    /// The interrupts that this one is a child of.
    whole: Option<Arc<Interrupts>>,
}

impl Interrupts {
    /// Ends the run early, for someone who waits for its end.
    pub fn interrupt(&self, by: impl Into<String>) {
        self.stop(by);
        let _ = self.hurried.set(Instant::now());
        self.hurry.cancel();
    }

    /// Ends the run early. The undo gets all the time that it needs.
    pub fn stop(&self, by: impl Into<String>) {
        let _ = self.by.set(by.into());
        self.token.cancel();
    }

    /// Waits for it.
    pub async fn wait(&self) -> String {
        self.token.cancelled().await;
        self.by()
    }

    /// Whether it was set.
    pub fn is_set(&self) -> bool {
        self.token.is_cancelled()
    }

    /// By what.
    pub fn by(&self) -> String {
        let whole = || self.whole.as_ref().map(|whole| whole.by());
        self.by.get().cloned().or_else(whole).unwrap_or_default()
    }

    /// Since when someone waits for the end.
    fn hurried(&self) -> Option<Instant> {
        self.hurried.get().copied().or_else(|| self.whole.as_ref()?.hurried())
    }

    /// Waits for a future, or for the interruption.
    pub async fn run_until_cancelled<T>(&self, work: impl Future<Output = T>) -> Result<T, String> {
        tokio::select! {
            biased;
            by = self.wait() => Err(by),
            done = work => Ok(done),
        }
    }

    /// Waits until a deadline; until 30 s after someone began to wait for the end where that is sooner.
    pub async fn wait_until(&self, deadline: Instant) {
        tokio::select! {
            () = sleep_until(deadline) => {}
            () = async {
                self.hurry.cancelled().await;
                if let Some(at) = self.hurried() {
                    sleep_until(at + AFTER_SIGNAL).await;
                }
            } => {}
        }
    }

    /// A child: it ends with this one, and can be stopped on its own.
    #[must_use]
    pub fn child(&self) -> Self {
        Self {
            token: self.token.child_token(),
            hurry: self.hurry.child_token(),
            whole: Some(Arc::new(self.clone())),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_interruption_shortens_what_is_waited_for() {
        let interrupts = Interrupts::default();
        let start = Instant::now();
        let waiting = interrupts.wait_until(start + Duration::from_mins(10));
        let telling = async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            interrupts.interrupt("SIGINT");
        };
        tokio::join!(waiting, telling);
        assert_eq!(start.elapsed().as_secs(), 35);
        interrupts.wait_until(Instant::now() + Duration::from_secs(1)).await;
        assert_eq!(start.elapsed().as_secs(), 35, "what is over is not waited for");
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_waits_for_has_its_time() {
        let interrupts = Interrupts::default();
        let start = Instant::now();
        let part = interrupts.child();
        part.stop("a lease that expired");
        part.wait_until(start + Duration::from_mins(2)).await;
        assert_eq!((start.elapsed().as_secs(), part.by().as_str()), (120, "a lease that expired"));
        interrupts.interrupt("SIGTERM");
        part.wait_until(start + Duration::from_mins(10)).await;
        assert_eq!(start.elapsed().as_secs(), 150, "a signal that comes later counts from when it came");
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_before_it_stands() {
        let interrupts = Interrupts::default();
        let start = Instant::now();
        interrupts.interrupt("SIGINT");
        interrupts.wait_until(start + Duration::from_secs(3)).await;
        assert_eq!(start.elapsed().as_secs(), 3);
    }

    #[test]
    fn a_part_that_was_told_does_not_tell_the_whole() {
        let whole = Interrupts::default();
        let part = whole.child();
        part.interrupt("a breach");
        assert!(!whole.is_set());
        whole.interrupt("SIGTERM");
        assert_eq!((whole.by().as_str(), part.by().as_str()), ("SIGTERM", "a breach"));
        assert_eq!(whole.child().by(), "SIGTERM");
    }
}
