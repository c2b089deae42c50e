//! Checks: asked once, or polled until they hold.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use meshdrill_checks::record::{Event, Series};
use meshdrill_checks::verdict::Verdict;
use tokio::time::{Instant, sleep, timeout};

use super::{Interrupts, Recorder};
use crate::plan::PlannedCheck;
use crate::probe::{Answer, Observer, Outcome};

/// The pause between two questions of a polled check, at first.
const PAUSE: Duration = Duration::from_millis(500);
/// The pause when much time has passed already: the clusters that are asked have other work.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The pause before the next question of a check that has been asked for so long: one percent of that, within bounds.
pub(super) fn pause(asked: Duration) -> Duration {
    (asked / 100).clamp(PAUSE, LONGEST_PAUSE)
}

/// A check with its observer.
#[derive(Clone)]
pub(super) struct Asker {
    pub check: PlannedCheck,
    pub observer: Arc<dyn Observer>,
}

impl Asker {
    /// Asks once; once more if the connection failed.
    pub async fn ask(&self) -> Outcome {
        let first = self.ask_once().await;
        let connection = matches!(first.answer, Answer::Bad(class) if {
            use meshdrill_checks::record::Class;
            matches!(class, Class::Refused | Class::Reset | Class::ConnectTimeout | Class::Dns | Class::NotSent)
        });
        if connection || first.answer == Answer::Unasked { self.ask_once().await } else { first }
    }

    async fn ask_once(&self) -> Outcome {
        let timing = self.check.kind.as_kind().timing();
        let series = timing.series.first().copied().unwrap_or(Series::New);
        let bound = timing.timeout.0 + Duration::from_secs(1);
        match AssertUnwindSafe(timeout(bound, self.observer.observe(series))).catch_unwind().await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Outcome::new(Answer::Unasked, format!("no answer within {}", timing.timeout)),
            Err(_) => Outcome::new(Answer::Unasked, "the check panicked; this is a bug of meshdrill"),
        }
    }

    /// Asks until it holds, or until the deadline or the patience after an interruption has passed; the last outcome,
    /// and how long that took.
    pub async fn poll(&self, deadline: Instant, interrupts: &Interrupts) -> (Outcome, Duration) {
        let start = Instant::now();
        let patience = interrupts.patience(deadline);
        tokio::pin!(patience);
        loop {
            let outcome = self.ask().await;
            let pause = pause(start.elapsed());
            if outcome.answer == Answer::Good || Instant::now() + pause.min(PAUSE) >= deadline {
                return (outcome, start.elapsed());
            }
            tokio::select! {
                () = &mut patience => return (outcome, start.elapsed()),
                () = sleep(pause.min(deadline - Instant::now())) => {}
            }
        }
    }

    /// Records an outcome.
    pub fn record(&self, recorder: &Recorder, outcome: &Outcome) -> Verdict {
        let verdict = outcome.verdict();
        recorder.event(Event::Check {
            id: self.check.id.clone(),
            stage: self.check.stage.key().to_owned(),
            verdict,
            message: outcome.message.clone(),
            observed: outcome.seen.clone(),
        });
        verdict
    }
}
