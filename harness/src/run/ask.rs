//! Checks: asked once, or polled until they hold.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use meshdrill_checks::record::{Event, Series};
use meshdrill_checks::units::TimeSpan;
use meshdrill_checks::verdict::Verdict;
use serde_json::json;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::{Interrupts, Recorder};
use crate::cluster::{MOST_AGE, share_since};
use crate::notes::heed;
use crate::plan::PlannedCheck;
use crate::probe::{Answer, Observer, Outcome};

/// The pause between two questions of a polled check, at first.
const PAUSE: Duration = Duration::from_millis(500);
/// The longest pause: polling must not burden the clusters.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The pause before the next question of a check that has been asked for so long: one percent of that, within bounds; shorter
/// where one of the times that are left ends before.
pub(super) fn pause(asked: Duration, left: impl IntoIterator<Item = Duration>) -> Duration {
    let left = left.into_iter().filter(|left| !left.is_zero());
    left.fold((asked / 100).clamp(PAUSE, LONGEST_PAUSE), Duration::min)
}

/// How long the causes of an answer are looked for.
pub(super) const EXPLAINED: Duration = Duration::from_secs(5);
/// How many of them are shown.
const CAUSES: usize = 6;

/// How long a check is polled.
pub(super) struct Until {
    pub deadline: Instant,
    /// An instant at which it is asked in any case.
    pub mark: Option<Instant>,
    /// When not even the answer to the last question is waited for any more.
    pub cut: Option<Instant>,
}

impl From<Instant> for Until {
    fn from(deadline: Instant) -> Self {
        Self { deadline, mark: None, cut: None }
    }
}

/// What came of polling a check.
pub(super) struct Polled {
    /// The last outcome.
    pub outcome: Outcome,
    /// When it last failed.
    pub missed: Option<Instant>,
}

/// Why an outcome is not as expected, from the objects of the clusters.
pub(super) async fn causes(observer: &dyn Observer, outcome: &Outcome) -> Vec<String> {
    let told = AssertUnwindSafe(timeout(EXPLAINED, observer.causes(outcome))).catch_unwind().await;
    let mut causes: Vec<String> = Vec::new();
    for cause in told.ok().and_then(Result::ok).unwrap_or_default() {
        let known = outcome.message.contains(&cause) || causes.contains(&cause);
        if !known && causes.len() < CAUSES {
            causes.push(cause);
        }
    }
    causes
}

/// A check with its observer.
#[derive(Clone)]
pub(super) struct CheckRunner {
    pub check: PlannedCheck,
    pub observer: Arc<dyn Observer>,
    /// Whether it may use what other checks of the suite have read.
    pub shares: bool,
}

impl CheckRunner {
    /// Asks once; once more if the connection failed. A request that timed out is not repeated.
    pub async fn ask(&self) -> Outcome {
        let start = Instant::now();
        let first = self.ask_once().await;
        let connection = matches!(first.answer, Answer::Bad(class) if {
            use meshdrill_checks::record::Class;
            matches!(class, Class::Refused | Class::Reset | Class::ConnectTimeout | Class::Dns | Class::NotSent)
        });
        let unasked =
            first.answer == Answer::Error && start.elapsed() < self.check.kind.as_observation().timing().timeout.0;
        if connection || unasked { self.ask_once().await } else { first }
    }

    /// Asks for the first time, with what others have read lately. Only a good answer can rest on that; for any other the clusters
    /// are read again.
    pub async fn ask_first(&self) -> Outcome {
        if !self.shares {
            return self.ask().await;
        }
        let now = Instant::now();
        let (mut outcome, age) = share_since(now.checked_sub(MOST_AGE).unwrap_or(now), self.ask()).await;
        let Some(age) = age else { return outcome };
        if outcome.answer != Answer::Good {
            return share_since(Instant::now(), self.ask()).await.0;
        }
        if let Some(seen) = outcome.seen.as_object_mut() {
            seen.insert("readBefore".to_owned(), json!(TimeSpan(Duration::from_secs(age.as_secs())).to_string()));
        }
        outcome
    }

    /// Asks again: nothing is used that was read before the last answer.
    async fn ask_again(&self, answered: Instant) -> Outcome {
        if self.shares { share_since(answered, self.ask()).await.0 } else { self.ask().await }
    }

    async fn ask_once(&self) -> Outcome {
        let timing = self.check.kind.as_observation().timing();
        let series = timing.series.first().copied().unwrap_or(Series::New);
        let bound = timing.timeout.0 + Duration::from_secs(1);
        match AssertUnwindSafe(timeout(bound, heed(self.observer.observe(series)))).catch_unwind().await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Outcome::new(Answer::Error, format!("no answer within {}", timing.timeout)),
            Err(_) => Outcome::new(Answer::Error, "the check panicked; this is a bug of meshdrill"),
        }
    }

    /// Asks until it holds; once more when the deadline or the time after a signal has passed.
    pub async fn poll(&self, until: Until, interrupts: &Interrupts) -> Polled {
        let start = Instant::now();
        let waited_long = interrupts.wait_until(until.deadline);
        tokio::pin!(waited_long);
        let mut known: Option<Outcome> = None;
        let mut missed = None;
        let mut last = false;
        let mut answered: Option<Instant> = None;
        loop {
            let asked = Instant::now();
            let ask = async {
                match answered {
                    None => self.ask_first().await,
                    Some(answered) => self.ask_again(answered).await,
                }
            };
            let outcome = match until.cut {
                Some(cut) => timeout_at(cut, ask).await.ok(),
                None => Some(ask.await),
            };
            answered = Some(Instant::now());
            let cut = outcome.is_none();
            let outcome = outcome.or(known).unwrap_or_else(|| Outcome::new(Answer::Error, "no answer in time"));
            if outcome.answer == Answer::Good || last || cut {
                return Polled { outcome, missed };
            }
            missed = Some(asked);
            known = Some(outcome);
            let pause = pause(start.elapsed(), until.mark.map(|mark| mark - Instant::now()));
            tokio::select! {
                biased;
                () = &mut waited_long => last = true,
                () = sleep(pause) => {}
            }
        }
    }

    /// Adds to the message of an answer that is not as expected why it may be so.
    pub async fn explained(&self, mut outcome: Outcome) -> Outcome {
        if !matches!(outcome.answer, Answer::Bad(_)) {
            return outcome;
        }
        let now = Instant::now();
        let looked = causes(self.observer.as_ref(), &outcome);
        let found = if self.shares {
            share_since(now.checked_sub(EXPLAINED).unwrap_or(now), looked).await.0
        } else {
            looked.await
        };
        for cause in found {
            outcome.message.push_str("; ");
            outcome.message.push_str(&cause);
        }
        outcome
    }

    /// Records an outcome.
    pub fn record(&self, recorder: &Recorder, outcome: &Outcome) -> Verdict {
        let verdict = outcome.verdict();
        recorder.event(Event::Check {
            id: self.check.id.clone(),
            stage: self.check.stage,
            verdict,
            message: outcome.message.clone(),
            observed: outcome.seen.clone(),
        });
        verdict
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures::future::BoxFuture;
    use meshdrill_checks::record::Class;
    use serde_json::json;

    use super::*;
    use crate::cluster::Shared;
    use crate::probe::Observer;
    use crate::spec::Stage;

    /// Good from an instant on; remembers when it was asked.
    struct Later {
        whole: Instant,
        asked: Arc<Mutex<Vec<Instant>>>,
    }

    impl Observer for Later {
        fn observe(&self, _: Series) -> BoxFuture<'_, Outcome> {
            Box::pin(async move {
                self.asked.lock().unwrap().push(Instant::now());
                let answer = if Instant::now() >= self.whole { Answer::Good } else { Answer::Bad(Class::Body) };
                Outcome::new(answer, "")
            })
        }
    }

    fn runner(whole: Duration) -> (CheckRunner, Arc<Mutex<Vec<Instant>>>) {
        let asked = Arc::default();
        let kind = serde_json::from_value(json!({ "tcp": { "to": "host:1" } })).unwrap();
        let check = PlannedCheck { id: "c".into(), stage: Stage::Checks, kind, within: None, needs: Vec::new() };
        let observer = Later { whole: Instant::now() + whole, asked: Arc::clone(&asked) };
        (CheckRunner { check, observer: Arc::new(observer), shares: false }, asked)
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_back_just_before_the_deadline_is_seen() {
        for _ in 0..50 {
            let start = Instant::now();
            let (runner, asked) = runner(Duration::from_millis(299_999));
            let polled = runner.poll((start + Duration::from_mins(5)).into(), &Interrupts::default()).await;
            assert_eq!(polled.outcome.answer, Answer::Good);
            assert!(asked.lock().unwrap().len() < 300, "asked less often the longer it takes");
        }
    }

    /// Reads a list that is shared, and is good from the second reading on.
    struct Reader {
        shared: Shared,
        read: Arc<Mutex<u32>>,
    }

    impl Observer for Reader {
        fn observe(&self, _: Series) -> BoxFuture<'_, Outcome> {
            Box::pin(async move {
                let count = async || {
                    let mut read = self.read.lock().unwrap();
                    *read += 1;
                    Ok::<_, ()>(*read)
                };
                let reading = *self.shared.read("list", count).await.unwrap();
                let answer = if reading > 1 { Answer::Good } else { Answer::Bad(Class::Body) };
                Outcome { seen: json!({}), ..Outcome::new(answer, format!("reading {reading}")) }
            })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_good_answer_rests_on_what_others_have_read() {
        let (mut first, _) = runner(Duration::ZERO);
        let shared = Shared::default();
        first.observer = Arc::new(Reader { shared: shared.clone(), read: Arc::default() });
        first.shares = true;
        assert_eq!(first.ask_first().await.message, "reading 1", "what a check reads itself needs no second reading");
        sleep(Duration::from_secs(7)).await;
        assert_eq!(first.ask_first().await.message, "reading 2", "nothing is red by an old list");
        sleep(Duration::from_secs(7)).await;
        let good = first.ask_first().await;
        assert_eq!((good.message.as_str(), &good.seen["readBefore"]), ("reading 2", &json!("7s")));
        first.shares = false;
        assert_eq!(first.ask_first().await.message, "reading 3", "a drill reads now");
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_that_is_asked_again_reads_again() {
        let (mut first, _) = runner(Duration::ZERO);
        first.observer = Arc::new(Reader { shared: Shared::default(), read: Arc::default() });
        first.shares = true;
        let until = Instant::now() + Duration::from_secs(15);
        let polled = first.poll(until.into(), &Interrupts::default()).await;
        assert_eq!((polled.outcome.answer, polled.outcome.message.as_str()), (Answer::Good, "reading 2"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_mark_is_asked_at() {
        let start = Instant::now();
        let (runner, asked) = runner(Duration::from_mins(8));
        let mark = start + Duration::from_millis(200_050);
        let until = Until { mark: Some(mark), ..(start + Duration::from_mins(10)).into() };
        let polled = runner.poll(until, &Interrupts::default()).await;
        assert!(asked.lock().unwrap().contains(&mark));
        let missed = polled.missed.unwrap() - start;
        assert!(missed < Duration::from_mins(8) && missed > Duration::from_secs(470), "{missed:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_waited_for_beyond_the_cut() {
        struct Never;
        impl Observer for Never {
            fn observe(&self, _: Series) -> BoxFuture<'_, Outcome> {
                Box::pin(std::future::pending())
            }
        }
        let start = Instant::now();
        let (mut runner, _) = runner(Duration::ZERO);
        runner.observer = Arc::new(Never);
        let cut = Some(start + Duration::from_secs(2));
        let polled =
            runner.poll(Until { cut, ..(start + Duration::from_secs(1)).into() }, &Interrupts::default()).await;
        assert_eq!((polled.outcome.answer, start.elapsed().as_secs()), (Answer::Error, 2));
    }
}
