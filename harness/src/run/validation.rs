//! A validation: checks asked once, probes sampled for a while, nothing broken.

use std::time::Duration;

use futures::future::join_all;
use meshdrill_checks::record::{Event, Phase};
use tokio::time::{Instant, sleep, timeout_at};

use super::ask::{EXPLAINED, Until};
use super::preflight::Findings;
use super::sampler::{Sampler, sample};
use super::unsteady::{reasons, unhealthy};
use super::{Interrupts, Recorder, decide};
use crate::plan::Plan;
use crate::probe::{Answer, Outcome};

/// How far back bad samples are looked for whose reasons may still be seen.
const LATELY: Duration = Duration::from_secs(10);

/// Asks and samples everything.
pub(super) async fn validate(plan: &Plan, ready: &Findings, recorder: &Recorder, interrupts: &Interrupts) {
    let start = Instant::now();
    recorder.event(Event::Phase { phase: Phase::Verify });
    let deadline = start + plan.phases.timeout.0;
    let samplers: Vec<Sampler> =
        ready.probes.iter().map(|(probe, observer)| sample(probe, observer, recorder)).collect();
    let checks = join_all(ready.check_runners.iter().map(|runner| async move {
        let cut = Some(deadline);
        let outcome = match runner.check.within {
            Some(within) => {
                let until = Until { cut, ..deadline.min(Instant::now() + within.0).into() };
                runner.poll(until, interrupts).await.outcome
            }
            None => timeout_at(deadline, runner.ask_first()).await.unwrap_or_else(|_| {
                let message = format!("no answer within the {} of the validation", plan.phases.timeout);
                Outcome::new(Answer::Error, message)
            }),
        };
        // What is known already is not lost to an interruption.
        let explained = interrupts.run_until_cancelled(runner.explained(outcome.clone())).await.unwrap_or(outcome);
        runner.record(recorder, &explained);
    }));
    let conclusive = plan.phases.conclusive && !samplers.is_empty();
    let observed = if samplers.is_empty() { Duration::ZERO } else { plan.phases.observe.0 };
    let work = async {
        tokio::join!(checks, async {
            sleep(observed).await;
            if conclusive {
                decide(recorder).await;
            }
        });
    };
    let ended = tokio::select! {
        biased;
        () = work => true,
        by = interrupts.wait() => {
            recorder.event(Event::Interrupted { by, injected: false });
            false
        }
        () = tokio::time::sleep_until(deadline + Duration::from_secs(1) + EXPLAINED) => {
            recorder.note(format!("timed out after {}; unanswered checks count as errors", plan.phases.timeout));
            false
        }
    };
    let now = recorder.clock().now();
    join_all(samplers.into_iter().map(|sampler| sampler.stop(interrupts))).await;
    if ended {
        let unhealthy = recorder.ask(move |record| unhealthy(record, now, LATELY)).await.unwrap_or_default();
        let reasons = interrupts.run_until_cancelled(reasons(&unhealthy, &ready.probes)).await;
        reasons.unwrap_or_default().into_iter().for_each(|reason| recorder.note(reason));
    }
}
