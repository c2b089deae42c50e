//! What observations of one suite share: lists of objects and views of proxies, each read once while it is fresh enough.
//!
//! Sharing is chosen by who observes, with [`share_since`]; without it everything is read from the clusters. Faults, their effects,
//! probes and recovery never choose it, so that they see the clusters as they are.

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::notes::{Note, collect, note};

/// How old something shared may be when a check begins: about the time that all validations of a suite take.
pub(crate) const MOST_AGE: Duration = Duration::from_mins(1);

tokio::task_local! {
    /// What this task may take from others.
    static SHARING: Option<Sharing>;
}

/// What a task may take from others, and what it took.
struct Sharing {
    /// Nothing that was read before.
    since: Instant,
    begun: Instant,
    /// When the oldest of what was taken was read.
    oldest: Mutex<Option<Instant>>,
}

/// Lets some work use what others read from `since` on. Returns also how old the oldest was of what it took, as of the beginning
/// of the work; none where it read everything itself.
pub(crate) async fn share_since<T>(since: Instant, work: impl Future<Output = T>) -> (T, Option<Duration>) {
    let begun = Instant::now();
    let sharing = Sharing { since, begun, oldest: Mutex::default() };
    let scope = async {
        let done = work.await;
        let oldest = with(|sharing| *sharing.oldest.lock().unwrap_or_else(PoisonError::into_inner)).flatten();
        (done, oldest.map(|oldest| begun.saturating_duration_since(oldest)))
    };
    SHARING.scope(Some(sharing), scope).await
}

/// Lets some work use what others have read lately.
pub(crate) async fn share_lately<T>(work: impl Future<Output = T>) -> T {
    let now = Instant::now();
    share_since(now.checked_sub(MOST_AGE).unwrap_or(now), work).await.0
}

/// Does some work of a task that shares with what is read now.
pub(crate) async fn read_now<T>(work: impl Future<Output = T>) -> T {
    SHARING.scope(None, work).await
}

/// Whether this task shares what it reads.
pub(super) fn is_shared() -> bool {
    with(|_| ()).is_some()
}

fn with<T>(look: impl FnOnce(&Sharing) -> T) -> Option<T> {
    SHARING.try_with(|sharing| sharing.as_ref().map(look)).ok().flatten()
}

/// A value of any type, when it was asked for, and what APIs reported about it.
struct Known {
    asked: Instant,
    value: Arc<dyn Any + Send + Sync>,
    notes: Vec<Note>,
}

/// One value; locked while it is read, so that all who want it wait for one reader.
type Slot = Arc<tokio::sync::Mutex<Option<Known>>>;

/// What was read of one cluster, by what it is.
#[derive(Clone, Default)]
pub(crate) struct Shared(Arc<Mutex<HashMap<String, Slot>>>);

impl Shared {
    /// A value that a task of the scope reads at most once while it is fresh enough; outside of one it is read now. An error is not
    /// kept: the next one reads again.
    pub(crate) async fn read<T, E>(&self, what: &str, read: impl AsyncFnOnce() -> Result<T, E>) -> Result<Arc<T>, E>
    where
        T: Send + Sync + 'static,
    {
        let Some(since) = with(|sharing| sharing.since) else { return read().await.map(Arc::new) };
        let slot = {
            let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(slots.entry(what.to_owned()).or_default())
        };
        let mut known = slot.lock().await;
        if let Some(Known { asked, value, notes }) = known.as_ref().filter(|known| known.asked >= since)
            && let Ok(value) = Arc::clone(value).downcast::<T>()
        {
            notes.iter().cloned().for_each(note);
            with(|sharing| took(sharing, *asked));
            return Ok(value);
        }
        // The old value goes before the new one comes: a list of a large cluster is there once.
        *known = None;
        let begun = Instant::now();
        let ((value, notes), age) = Box::pin(share_since(since, collect(read()))).await;
        notes.iter().cloned().for_each(note);
        let value = Arc::new(value?);
        // What it is made of may be older than itself.
        let asked = age.and_then(|age| begun.checked_sub(age)).unwrap_or(begun);
        with(|sharing| took(sharing, asked));
        *known = Some(Known { asked, value: Arc::clone(&value) as Arc<dyn Any + Send + Sync>, notes });
        Ok(value)
    }

    /// Forgets everything: nobody shares any more.
    pub(super) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Notes when something was read that a task took. What was read after the task began is its own.
fn took(sharing: &Sharing, asked: Instant) {
    if asked < sharing.begun {
        let mut oldest = sharing.oldest.lock().unwrap_or_else(PoisonError::into_inner);
        *oldest = Some(oldest.map_or(asked, |oldest| oldest.min(asked)));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures::future::join_all;
    use tokio::time::sleep;

    use super::*;

    /// Counts its reads; each takes a second.
    async fn counted(shared: &Shared, reads: &AtomicU32) -> u32 {
        let read = async || {
            sleep(Duration::from_secs(1)).await;
            Ok::<_, ()>(reads.fetch_add(1, Ordering::Relaxed) + 1)
        };
        *shared.read("pods", read).await.unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn who_shares_reads_once_and_who_does_not_reads_now() {
        let (shared, reads) = (Shared::default(), AtomicU32::new(0));
        let all = join_all((0..9).map(|_| share_lately(counted(&shared, &reads)))).await;
        assert_eq!(all, [1; 9], "they wait for the one who reads");
        assert_eq!(counted(&shared, &reads).await, 2, "a fault, a probe or a recovery reads now");
        assert_eq!(share_lately(counted(&shared, &reads)).await, 1, "and shares nothing with checks");
        assert_eq!(share_lately(read_now(counted(&shared, &reads))).await, 3, "a probe of a suite reads now");
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_older_than_is_tolerated_is_used() {
        let (shared, reads) = (Shared::default(), AtomicU32::new(0));
        share_lately(counted(&shared, &reads)).await;
        // Its age counts from when it was asked for, a second ago.
        sleep(MOST_AGE.checked_sub(Duration::from_secs(2)).unwrap()).await;
        let now = Instant::now();
        let (value, age) = share_since(now.checked_sub(MOST_AGE).unwrap(), counted(&shared, &reads)).await;
        assert_eq!((value, age), (1, Some(MOST_AGE.checked_sub(Duration::from_secs(1)).unwrap())));
        sleep(Duration::from_secs(2)).await;
        assert_eq!(share_lately(counted(&shared, &reads)).await, 2);
        let (value, age) = share_since(Instant::now(), counted(&shared, &reads)).await;
        assert_eq!((value, age), (3, None), "since now: it is read again");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_made_of_something_old_is_as_old() {
        let (shared, reads) = (Shared::default(), AtomicU32::new(0));
        let view = async || shared.read("view", async || Ok::<_, ()>(counted(&shared, &reads).await)).await;
        share_lately(counted(&shared, &reads)).await;
        sleep(Duration::from_secs(40)).await;
        assert_eq!(share_lately(view()).await.as_deref(), Ok(&1));
        sleep(Duration::from_secs(25)).await;
        assert_eq!(share_lately(view()).await.as_deref(), Ok(&2), "its list is 66 s old, and the view itself 25 s");
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_or_a_reader_that_gave_up_leaves_nothing_behind() {
        let shared = Shared::default();
        share_lately(async {
            assert_eq!(shared.read("pods", async || Err::<u32, _>("refused")).await, Err("refused"));
            let never = async || std::future::pending::<Result<u32, ()>>().await;
            assert!(tokio::time::timeout(Duration::from_secs(1), shared.read("pods", never)).await.is_err());
            assert_eq!(shared.read("pods", async || Ok::<_, ()>(7)).await.as_deref(), Ok(&7));
        })
        .await;
    }
}
