//! What ends a run early: a signal, a halt object, a lost lease. The undo does not listen to it.

use std::sync::Arc;
use std::sync::OnceLock;

use tokio_util::sync::CancellationToken;

/// Told once, heard by everyone; later tellings change nothing.
#[derive(Debug, Clone, Default)]
pub struct Interrupts {
    token: CancellationToken,
    by: Arc<OnceLock<String>>,
}

impl Interrupts {
    /// Ends the run early.
    pub fn interrupt(&self, by: impl Into<String>) {
        let _ = self.by.set(by.into());
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

    /// By what.
    pub fn by(&self) -> String {
        self.by.get().cloned().unwrap_or_default()
    }

    /// Waits for a future, or for the interruption.
    pub async fn or<T>(&self, work: impl Future<Output = T>) -> Result<T, String> {
        tokio::select! {
            biased;
            by = self.wait() => Err(by),
            done = work => Ok(done),
        }
    }

    /// An interruption of a part: it hears this one, and can be told on its own.
    #[must_use]
    pub fn child(&self) -> Self {
        Self { token: self.token.child_token(), by: Arc::clone(&self.by) }
    }
}
