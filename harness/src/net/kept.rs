//! Connections that are kept from one exchange to the next.

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::connection::{Connection, Living};
use super::failure::HttpFailure;
use super::stream::Dial;

/// How many there may be before pauses are made, where opening one is costly.
const WITHOUT_PAUSE: usize = 4;
/// The least pause between two openings.
const PAUSE: Duration = Duration::from_millis(150);
/// How long an asker then waits for one that is given back before another is opened for it.
const WAIT_FOR_IDLE: Duration = Duration::from_millis(500);
/// How long an opening keeps others from being begun.
const ONE_AT_A_TIME: Duration = Duration::from_secs(1);
/// How long an asker whose opening went to another waits before it has one more opened.
const ANOTHER: Duration = Duration::from_secs(3);

/// The connections of one client that wait for their next exchange.
#[derive(Debug)]
pub(super) struct Kept {
    dial: Arc<dyn Dial>,
    idle: Mutex<Vec<Connection>>,
    given_back: Notify,
    openings: Arc<Semaphore>,
    /// Before when no other is opened, where that is not at once.
    next_opening: Mutex<Option<Instant>>,
    /// Held by every connection that lives or is being opened.
    living: Living,
}

impl Kept {
    /// None yet.
    pub(super) fn new(dial: Arc<dyn Dial>) -> Arc<Self> {
        let at_once = if dial.is_costly() { 1 } else { Semaphore::MAX_PERMITS };
        let openings = Arc::new(Semaphore::new(at_once));
        let (idle, next_opening) = (Mutex::default(), Mutex::default());
        Arc::new(Self { dial, idle, given_back: Notify::new(), openings, next_opening, living: Living::default() })
    }

    /// One that is idle. Without any, whichever comes first: one that is given back, or another that is opened.
    pub(super) async fn take(self: &Arc<Self>) -> Result<Connection, HttpFailure> {
        loop {
            while let Some(idle) = self.pop() {
                if let Some(open) = idle.if_open().await {
                    return Ok(open);
                }
            }
            tokio::select! {
                biased;
                () = self.given_back.notified() => {}
                opened = self.open_another() => opened?,
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
    pub(super) fn is_costly(&self) -> bool {
        self.dial.is_costly()
    }

    /// When another may be opened, where that is not at once.
    fn next_opening(&self) -> Option<Instant> {
        let next = (*self.next_opening.lock().unwrap_or_else(PoisonError::into_inner))?;
        self.is_enough().then_some(next)
    }

    /// Opens no other for a while.
    fn pause(&self, length: Duration) {
        let until = Instant::now() + length;
        let mut next = self.next_opening.lock().unwrap_or_else(PoisonError::into_inner);
        *next = (*next).max(Some(until));
    }

    /// Whether there are as many as may be opened without pauses.
    fn is_enough(&self) -> bool {
        self.is_costly() && Arc::strong_count(&self.living) > WITHOUT_PAUSE
    }

    /// Opens one for whoever is first to take it. It is opened to the end even if the one that asked has no more time:
    /// otherwise, with many that ask, all of them would give up shortly before they have one.
    async fn open_another(self: &Arc<Self>) -> Result<(), HttpFailure> {
        if self.is_enough() {
            sleep(WAIT_FOR_IDLE).await;
        }
        let Ok(leave) = Arc::clone(&self.openings).acquire_owned().await else { return std::future::pending().await };
        if let Some(due) = self.next_opening() {
            sleep_until(due).await;
        }
        let begun = Instant::now();
        self.pause(PAUSE);
        let living = Arc::clone(&self.living);
        let kept = Arc::clone(self);
        let opening = tokio::spawn(async move {
            let mut opening = pin!(open(kept.dial.as_ref()));
            let opened = match timeout(ONE_AT_A_TIME, opening.as_mut()).await {
                Ok(opened) => opened,
                // One that hangs keeps no other from being tried.
                Err(_) => {
                    drop(leave);
                    opening.await
                }
            };
            // Where openings are slow, they are what makes them so.
            kept.pause(begun.elapsed());
            opened.map(|connection| kept.give_back(connection.counted(living)))
        });
        opening.await.unwrap_or(Ok(()))?;
        // One that waits for longer has it. What it gives back comes here, unless its exchange fails.
        sleep(ANOTHER).await;
        Ok(())
    }
}

/// Opens a connection.
pub(super) async fn open(dial: &dyn Dial) -> Result<Connection, HttpFailure> {
    let opened = dial.dial().await.map_err(|error| HttpFailure::of(&error, true))?;
    Connection::over(opened).await.map_err(|error| HttpFailure::of(&error, true))
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures::future::BoxFuture;
    use meshdrill_checks::record::{Class, Series};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

    use super::super::{Exchange, HttpClient, Opened, Phases};
    use super::*;

    /// A forward that takes some time to open, to a service that takes some time to answer; counts what was opened.
    #[derive(Debug, Clone)]
    struct Slow {
        opening: Duration,
        answering: Duration,
        opened: Arc<AtomicU32>,
    }

    impl Slow {
        fn client(opening: u64, answering: u64) -> (Arc<HttpClient>, Arc<AtomicU32>) {
            let opened = Arc::new(AtomicU32::new(0));
            let slow = Self {
                opening: Duration::from_millis(opening),
                answering: Duration::from_millis(answering),
                opened: Arc::clone(&opened),
            };
            (Arc::new(HttpClient::over(Arc::new(slow), Series::Kept)), opened)
        }

        async fn serve(self, mut stream: DuplexStream) {
            let mut buffer = [0; 4096];
            while stream.read(&mut buffer).await.is_ok_and(|count| count > 0) {
                sleep(self.answering).await;
                if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.is_err() {
                    return;
                }
            }
        }
    }

    impl Dial for Slow {
        fn dial(&self) -> BoxFuture<'_, io::Result<Opened>> {
            Box::pin(async move {
                sleep(self.opening).await;
                self.opened.fetch_add(1, Ordering::AcqRel);
                let (ours, theirs) = duplex(1 << 16);
                tokio::spawn(self.clone().serve(theirs));
                Ok(Opened { stream: Box::new(ours), phases: Phases::default() })
            })
        }

        fn is_costly(&self) -> bool {
            true
        }
    }

    fn exchange() -> Exchange {
        Exchange::get("http://pod/".parse().unwrap())
    }

    /// Asks on a schedule; what of each exchange was the service's time, and what the wait for a connection.
    async fn ask(client: &Arc<HttpClient>, count: u32, every: Duration) -> Vec<(Duration, Duration)> {
        let start = Instant::now();
        let asked = (0..count).map(|index| {
            let client = Arc::clone(client);
            tokio::spawn(async move {
                sleep_until(start + every * index).await;
                let sent = Instant::now();
                let answer = client.send(&exchange()).await.unwrap();
                (sent.elapsed().saturating_sub(answer.waited), answer.waited)
            })
        });
        futures::future::join_all(asked).await.into_iter().map(Result::unwrap).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_hiccup_opens_nothing() {
        let (client, opened) = Slow::client(50, 15);
        ask(&client, 100, Duration::from_millis(30)).await;
        let before = opened.load(Ordering::Acquire);
        let burst = ask(&client, 30, Duration::ZERO).await;
        assert!(opened.load(Ordering::Acquire) <= before.max(4), "{before} became {opened:?}");
        assert!(burst.iter().all(|(served, _)| *served == Duration::from_millis(15)), "{burst:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_service_gets_what_it_needs_and_does_not_answer_for_the_wait() {
        let (client, opened) = Slow::client(50, 2_000);
        let asked = ask(&client, 300, Duration::from_millis(100)).await;
        assert!(asked.iter().all(|(served, _)| *served == Duration::from_secs(2)), "{asked:?}");
        let longest = asked.iter().map(|(_, waited)| *waited).max().unwrap();
        assert!(longest < Duration::from_secs(3), "waited {longest:?}");
        assert!(opened.load(Ordering::Acquire) >= 20, "{opened:?}");
        let settled = asked.last().unwrap().1;
        assert!(settled < Duration::from_millis(100), "still waits {settled:?} at the end");
    }

    /// The first stream never opens; the others do at once.
    #[derive(Debug, Default)]
    struct Hangs(AtomicU32);

    impl Dial for Hangs {
        fn dial(&self) -> BoxFuture<'_, io::Result<Opened>> {
            Box::pin(async move {
                if self.0.fetch_add(1, Ordering::AcqRel) == 0 {
                    return std::future::pending().await;
                }
                Slow { opening: Duration::ZERO, answering: Duration::ZERO, opened: Arc::default() }.dial().await
            })
        }

        fn is_costly(&self) -> bool {
            true
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_opening_that_hangs_keeps_no_other_waiting_and_is_no_fault_of_the_service() {
        let client = HttpClient::over(Arc::new(Hangs::default()), Series::Kept);
        let short = Exchange { timeout: Duration::from_millis(500), ..exchange() };
        assert_eq!(client.send(&short).await.unwrap_err().class, Class::NotSent);
        let answer = client.send(&exchange()).await.unwrap();
        assert!(answer.waited <= ONE_AT_A_TIME, "{:?}", answer.waited);
    }

    #[tokio::test(start_paused = true)]
    async fn what_its_asker_gave_up_is_opened_for_the_next() {
        let (client, opened) = Slow::client(300, 1);
        let hasty = Exchange { timeout: Duration::from_millis(200), ..exchange() };
        assert!(client.send(&hasty).await.is_err());
        assert!(client.send(&hasty).await.is_ok(), "the first opening was given up too");
        assert_eq!(opened.load(Ordering::Acquire), 1);
    }
}
