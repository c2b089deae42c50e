//! What ends a run early: a signal, a halt object, a lost lease. The undo does not listen to it.

use std::sync::Arc;
use std::sync::OnceLock;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// How long after it a run still waits for anything: for recovery to be seen, and for what was written to be read back.
const PATIENCE: Duration = Duration::from_secs(30);

/// Told once, heard by everyone; later tellings change nothing.
#[derive(Debug, Clone, Default)]
pub struct Interrupts {
    token: CancellationToken,
    told: Arc<OnceLock<(Instant, String)>>,
    /// Of the whole that this is a part of.
    whole: Option<Arc<Interrupts>>,
}

impl Interrupts {
    /// Ends the run early.
    pub fn interrupt(&self, by: impl Into<String>) {
        let _ = self.told.set((Instant::now(), by.into()));
        self.token.cancel();
    }

    /// Waits for it.
    pub async fn wait(&self) -> String {
        self.token.cancelled().await;
        self.by()
    }

    /// Whether it was told.
    pub fn is_set(&self) -> bool {
        self.token.is_cancelled()
    }

    /// When, and by what.
    fn told(&self) -> Option<&(Instant, String)> {
        self.told.get().or_else(|| self.whole.as_ref()?.told())
    }

    /// By what.
    pub fn by(&self) -> String {
        self.told().map(|(_, by)| by.clone()).unwrap_or_default()
    }

    /// Waits for a future, or for the interruption.
    pub async fn or<T>(&self, work: impl Future<Output = T>) -> Result<T, String> {
        tokio::select! {
            biased;
            by = self.wait() => Err(by),
            done = work => Ok(done),
        }
    }

    /// Waits until a deadline; until 30 s after the interruption where that is sooner.
    pub async fn patience(&self, deadline: Instant) {
        tokio::select! {
            () = sleep_until(deadline) => {}
            () = async {
                self.token.cancelled().await;
                if let Some((at, _)) = self.told() {
                    sleep_until(*at + PATIENCE).await;
                }
            } => {}
        }
    }

    /// An interruption of a part: it hears this one, and can be told on its own.
    #[must_use]
    pub fn child(&self) -> Self {
        Self { token: self.token.child_token(), told: Arc::default(), whole: Some(Arc::new(self.clone())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_interruption_shortens_what_is_waited_for() {
        let interrupts = Interrupts::default();
        let start = Instant::now();
        let waiting = interrupts.patience(start + Duration::from_mins(10));
        let telling = async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            interrupts.interrupt("SIGINT");
        };
        tokio::join!(waiting, telling);
        assert_eq!(start.elapsed().as_secs(), 35);
        interrupts.patience(Instant::now() + Duration::from_secs(1)).await;
        assert_eq!(start.elapsed().as_secs(), 35, "what is over is not waited for");
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_before_it_stands() {
        let interrupts = Interrupts::default();
        let start = Instant::now();
        interrupts.interrupt("SIGINT");
        interrupts.patience(start + Duration::from_secs(3)).await;
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
