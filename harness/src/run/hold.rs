//! A sustained fault while it is held: its effect is observed all the time, because `GitOps`, an autoscaler or a colleague may
//! revert it.

use std::time::Duration;

use futures::future::join_all;
use meshdrill_checks::record::{At, Event};
use meshdrill_checks::units::TimeSpan;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::context::FaultContext;
use crate::fault::{Effect, Fault};
use crate::plan::PlannedFault;
use crate::probe::Answer;

/// How often the effect is observed.
const PAUSE: Duration = Duration::from_secs(1);
/// How long the last observation may take beyond the hold.
const OVERTIME: Duration = Duration::from_secs(2);
/// How long before the end of the hold the effect must have been observed.
const BLIND: Duration = Duration::from_secs(10);
/// How many times in a row a declared check may fail: a single answer may be chance.
const TOLERATED: u32 = 1;

/// The observations of one fault.
struct Observations {
    seen: At,
    count: u32,
    gap: Duration,
    /// How many times in a row the declared checks failed.
    failed: u32,
    /// Why the last observation could not be made.
    unknown: Option<String>,
}

impl Observations {
    fn see(&mut self, at: At) {
        self.gap = self.gap.max(at.since(self.seen));
        self.seen = at;
        self.count += 1;
        self.failed = 0;
        self.unknown = None;
    }
}

/// What one observation found.
enum Finding {
    InEffect,
    /// The declared check failed.
    CheckFailed(String),
    Reverted(String),
    Unknown(String),
}

/// Waits until the hold is over, the fault is reverted or the run is interrupted, and records how the effect was observed
/// meanwhile. False if the fault was not in effect until the end; then the run's other faults end too.
pub(super) async fn hold(context: &FaultContext, planned: &PlannedFault, fault: &dyn Fault, observed: At) -> bool {
    let clock = context.recorder.clock();
    let end = Instant::now() + planned.hold.0;
    let mut observations = Observations { seen: observed, count: 1, gap: Duration::ZERO, failed: 0, unknown: None };
    loop {
        let next = Instant::now() + PAUSE;
        if context.interrupts.run_until_cancelled(sleep_until(next.min(end))).await.is_err() {
            break;
        }
        if next > end {
            break;
        }
        let asked = clock.now();
        let looked = timeout_at(end + OVERTIME, look(context, planned, fault));
        let finding = match context.interrupts.run_until_cancelled(looked).await {
            Err(_) => break,
            Ok(Err(_)) => Finding::Unknown("no answer in time".to_owned()),
            Ok(Ok(finding)) => finding,
        };
        match finding {
            Finding::InEffect => observations.see(asked),
            Finding::Unknown(why) => observations.unknown = Some(why),
            Finding::Reverted(why) => return lapse(context, planned, observations.seen, &why),
            Finding::CheckFailed(why) => {
                observations.failed += 1;
                if observations.failed > TOLERATED {
                    return lapse(context, planned, observations.seen, &why);
                }
            }
        }
    }
    let blind = clock.now().since(observations.seen);
    if let Some(why) = observations.unknown.filter(|_| blind > BLIND && !context.interrupts.is_set()) {
        return lapse(
            context,
            planned,
            observations.seen,
            &format!("its effect could not be observed any more: {why}"),
        );
    }
    context.recorder.event(Event::FaultHeld {
        fault: planned.id.clone(),
        seen: observations.seen,
        observations: observations.count,
        gap: TimeSpan(observations.gap.max(blind)),
    });
    true
}

/// Observes once: the fault itself, and the checks that its author declared.
async fn look(context: &FaultContext, planned: &PlannedFault, fault: &dyn Fault) -> Finding {
    let checks = join_all(context.effect_checks(planned).map(|runner| async move { (runner, runner.ask().await) }));
    let (effect, checks) = tokio::join!(context.observed(&planned.id, fault.held()), checks);
    match effect {
        Effect::Seen(_) => {}
        Effect::Unknown(why) => return Finding::Unknown(why),
        Effect::NotYet(why) | Effect::Never(why) => return Finding::Reverted(why),
    }
    for (runner, outcome) in checks {
        let why = format!("{}: {}", runner.check.id, outcome.message);
        match outcome.answer {
            Answer::Good => {}
            Answer::Bad(_) => return Finding::CheckFailed(why),
            Answer::NoData | Answer::Error => return Finding::Unknown(why),
        }
    }
    Finding::InEffect
}

/// Records that the fault ended before its time, and ends the others of the run: the drill is not valid any more.
fn lapse(context: &FaultContext, planned: &PlannedFault, seen: At, why: &str) -> bool {
    context.recorder.event(Event::FaultLapsed {
        fault: planned.id.clone(),
        seen,
        hold: planned.hold,
        why: why.to_owned(),
    });
    context.interrupts.stop(format!("fault {}: {why}", planned.id));
    false
}
