//! Parses large answers beside the thread on which probes are sampled.

use tokio::sync::Semaphore;
use tokio::task::JoinError;

/// One at a time: a second core is left to what is measured, and the memory of one answer is enough.
static TURN: Semaphore = Semaphore::const_new(1);

/// Parses on a thread of its own, after those that came before. An error is a panic of the parser.
pub(crate) async fn parse_apart<T: Send + 'static>(parse: impl FnOnce() -> T + Send + 'static) -> Result<T, JoinError> {
    // The semaphore is never closed.
    let _turn = TURN.acquire().await.ok();
    tokio::task::spawn_blocking(parse).await
}
