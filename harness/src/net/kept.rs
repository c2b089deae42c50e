//! Connections that are kept from one exchange to the next.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use tokio::time::{Instant, sleep, sleep_until};

use super::connection::Connection;
use super::{Dial, Failure};

/// How many are opened one after the other before pauses are made, where they are to be opened sparingly.
const WITHOUT_PAUSE: u32 = 4;
/// The pause between two openings.
const PAUSE: Duration = Duration::from_millis(150);
/// How long an asker then waits for one that is given back before another is opened for it.
const PATIENCE: Duration = Duration::from_millis(500);

/// The connections of one client that wait for their next exchange.
#[derive(Debug)]
pub(super) struct Kept {
    dial: Arc<dyn Dial>,
    idle: Mutex<Vec<Connection>>,
    given_back: Notify,
    openings: Arc<Semaphore>,
    opened: Mutex<Opened>,
}

/// The openings so far.
#[derive(Debug, Default)]
struct Opened {
    count: u32,
    last: Option<Instant>,
}

impl Kept {
    /// None yet.
    pub(super) fn new(dial: Arc<dyn Dial>) -> Arc<Self> {
        let at_once = if dial.sparingly() { 1 } else { Semaphore::MAX_PERMITS };
        let openings = Arc::new(Semaphore::new(at_once));
        let (idle, opened) = (Mutex::default(), Mutex::default());
        Arc::new(Self { dial, idle, given_back: Notify::new(), openings, opened })
    }

    /// One that is idle. Without any, whichever comes first: one that is given back, or another that is opened.
    pub(super) async fn take(self: &Arc<Self>) -> Result<Connection, Failure> {
        loop {
            while let Some(idle) = self.pop() {
                if let Some(open) = idle.if_open().await {
                    return Ok(open);
                }
            }
            tokio::select! {
                biased;
                () = self.given_back.notified() => {}
                failed = self.open_another() => return Err(failed),
            }
        }
    }

    /// Keeps a connection whose exchange is over, or is yet to come.
    pub(super) fn give_back(&self, connection: Connection) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        self.given_back.notify_one();
    }

    fn pop(&self) -> Option<Connection> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// Whether they are opened with pauses.
    pub(super) fn sparingly(&self) -> bool {
        self.dial.sparingly()
    }

    /// When another may be opened, where that is not at once.
    fn next_opening(&self) -> Option<Instant> {
        let last = self.opened.lock().unwrap_or_else(PoisonError::into_inner).last?;
        self.is_enough().then(|| last + PAUSE)
    }

    /// Whether as many were opened as may be without pauses.
    fn is_enough(&self) -> bool {
        self.sparingly() && self.opened.lock().unwrap_or_else(PoisonError::into_inner).count >= WITHOUT_PAUSE
    }

    /// Opens one for whoever is first to take it, and ends only if that fails. It is opened to the end even if the one that
    /// asked has no more time: otherwise, with many that ask, all of them would give up shortly before they have one.
    async fn open_another(self: &Arc<Self>) -> Failure {
        if self.is_enough() {
            sleep(PATIENCE).await;
        }
        let Ok(leave) = Arc::clone(&self.openings).acquire_owned().await else { return std::future::pending().await };
        if let Some(due) = self.next_opening() {
            sleep_until(due).await;
        }
        {
            let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
            opened.count += 1;
            opened.last = Some(Instant::now());
        }
        let kept = Arc::clone(self);
        let opening = tokio::spawn(async move {
            let opened = open(kept.dial.as_ref()).await;
            drop(leave);
            opened.map(|connection| kept.give_back(connection))
        });
        match opening.await {
            Ok(Err(failed)) => failed,
            Ok(Ok(())) | Err(_) => std::future::pending().await,
        }
    }
}

/// Opens a connection.
pub(super) async fn open(dial: &dyn Dial) -> Result<Connection, Failure> {
    let stream = dial.dial().await.map_err(|error| Failure::of(&error, true))?;
    Connection::over(stream).await.map_err(|error| Failure::of(&error, true))
}
