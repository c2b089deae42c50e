//! Faults in their time: intent written, injected, proven, held, undone, verified.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use meshdrill_checks::record::{At, Event};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::context::{Active, FaultContext};
use super::hold::hold;
use crate::fault::{Effect, Fault, FaultError, FaultOptions, Undo, UndoOutcome};
use crate::notes::Note;
use crate::plan::{Plan, PlannedFault};
use crate::probe::Answer;

/// How long a fault may take to show its effect.
const EFFECT_DEADLINE: Duration = Duration::from_mins(1);
/// How often its effect is looked for, at first.
const EFFECT_PAUSE: Duration = Duration::from_millis(100);
/// How often an effect is looked for that takes long: looking may mean to ask every proxy.
const LONGEST_EFFECT_PAUSE: Duration = Duration::from_secs(1);
/// How often an undo is looked for that takes long: looking may mean to ask every proxy.
const LONGEST_UNDO_PAUSE: Duration = Duration::from_secs(2);
/// How long an undo is waited for that is tried again after all of its time has passed.
const AGAIN: Duration = Duration::from_secs(90);
/// How often replacements are looked for; the resolution of restart times.
const REPLACEMENT_PAUSE: Duration = Duration::from_millis(200);

impl FaultContext {
    /// Finds the targets of a fault and proves that the cluster would accept it.
    pub async fn dry_run(&self, planned: &PlannedFault) -> Result<Box<dyn Fault>, FaultError> {
        let options = self.options(planned, 0).await;
        let id = &planned.id;
        let (fault, partial) = self.heeded(id, planned.kind.as_behavior().resolve(&self.world, options)).await;
        refuse_partial(partial)?;
        let fault = fault?;
        let (accepted, partial) = self.heeded(id, fault.dry_run()).await;
        refuse_partial(partial)?;
        accepted?;
        for remark in fault.remarks() {
            self.recorder.note(remark);
        }
        Ok(fault)
    }

    /// What only a run knows.
    async fn options(&self, planned: &PlannedFault, round: u32) -> FaultOptions {
        let seed = planned.seed.wrapping_add(u64::from(round));
        FaultOptions { seed, run: self.journal.lock().await.run().to_owned() }
    }

    /// Injects, holds and undoes one fault. Ends early, without the undo, when the run is interrupted.
    pub async fn run_fault(
        &self,
        planned: &PlannedFault,
        first: Box<dyn Fault>,
        start: Instant,
        active: Active,
    ) -> bool {
        let mut active = Some(active);
        if self.interrupts.run_until_cancelled(sleep_until(start + planned.after.0)).await.is_err() {
            return true;
        }
        let times = planned.repeat.map_or(1, |repeat| repeat.times);
        let every = planned.repeat.map_or(Duration::ZERO, |repeat| repeat.every.0);
        let begun = Instant::now();
        let mut next = Some(first);
        for round in 0..times {
            if self.interrupts.run_until_cancelled(sleep_until(begun + every * round)).await.is_err() {
                return true;
            }
            let fault = match next.take() {
                Some(fault) => fault,
                None => match self.resolve_again(planned, round).await {
                    Some(fault) => fault,
                    None => return false,
                },
            };
            let fault: Arc<dyn Fault> = Arc::from(fault);
            self.injected.note(&planned.id, &fault);
            let Some(observed) = self.inject(planned, fault.as_ref()).await else { return false };
            if fault.removes() {
                let watch = self.clone();
                let (id, fault) = (planned.id.clone(), Arc::clone(&fault));
                tokio::spawn(async move { watch.await_replacements(&id, fault.as_ref()).await });
            }
            if planned.kind.as_behavior().sustained() {
                let held = hold(self, planned, fault.as_ref(), observed).await;
                if !held || round + 1 == times || self.interrupts.is_set() {
                    active.take();
                }
                // A fault is not injected again over an undo that was not observed.
                if !self.undo(&planned.id).await || !held {
                    return false;
                }
            }
        }
        true
    }

    async fn resolve_again(&self, planned: &PlannedFault, round: u32) -> Option<Box<dyn Fault>> {
        // Objects that were deleted a moment ago may not be replaced yet.
        let deadline = Instant::now() + Duration::from_secs(30);
        let options = self.options(planned, round).await;
        loop {
            let resolved = planned.kind.as_behavior().resolve(&self.world, options.clone());
            let (found, partial) = self.heeded(&planned.id, resolved).await;
            match refuse_partial(partial).and(found) {
                Ok(fault) => return Some(fault),
                Err(error) if Instant::now() >= deadline || self.interrupts.is_set() => {
                    let why = format!("injection {} found nothing to break: {error}", round + 1);
                    self.recorder.event(Event::FaultIneffective { fault: planned.id.clone(), why });
                    return None;
                }
                Err(_) => sleep(Duration::from_millis(500)).await,
            }
        }
    }

    /// Writes down the undo, acts, and looks for the effect. When that was observed; none if it did not take hold.
    async fn inject(&self, planned: &PlannedFault, fault: &dyn Fault) -> Option<At> {
        let id = planned.id.clone();
        let undos: Vec<Undo> = fault.undo().into_iter().map(Undo::from).collect();
        if let Err(error) = self.journal.lock().await.intend(&self.world, &id, &undos).await {
            // Without a durable undo there is no fault.
            let why = format!("not injected, because its undo could not be stored: {error}");
            self.recorder.event(Event::FaultIneffective { fault: id, why: why.clone() });
            self.interrupts.stop(why);
            return None;
        }
        self.undo_times.forget(&id);
        let (targets, uids) = (fault.targets(), fault.uids());
        self.recorder.event(Event::FaultRequested { fault: id.clone(), targets, uids });
        let asked = self.recorder.clock().now();
        let (injected, _) = self.heeded(&id, fault.inject()).await;
        let since = match injected {
            Ok(()) => self.recorder.clock().now(),
            Err(error) => {
                // A call that failed may still have been carried out; the effect shows whether it was.
                self.recorder.note(format!("fault {id}: the request failed: {error}"));
                asked
            }
        };
        match self.await_effect(planned, fault).await {
            Ok(proof) => {
                self.recorder.event(Event::FaultEffective { fault: id, since: Some(since), proof });
                Some(self.recorder.clock().now())
            }
            Err(why) => {
                self.recorder.event(Event::FaultIneffective { fault: id, why });
                None
            }
        }
    }

    async fn await_effect(&self, planned: &PlannedFault, fault: &dyn Fault) -> Result<String, String> {
        let deadline = Instant::now() + EFFECT_DEADLINE;
        let mut pause = EFFECT_PAUSE;
        let mut proof = loop {
            match self.observed(&planned.id, fault.effect()).await {
                Effect::Seen(proof) => break proof,
                Effect::Never(why) => return Err(why),
                Effect::NotYet(why) | Effect::Unknown(why) if Instant::now() >= deadline => {
                    return Err(format!("no effect within {} s: {why}", EFFECT_DEADLINE.as_secs()));
                }
                Effect::NotYet(why) | Effect::Unknown(why) if self.interrupts.is_set() => {
                    return Err(format!("interrupted: {why}"));
                }
                Effect::NotYet(_) | Effect::Unknown(_) => {
                    self.heeded(&planned.id, fault.retry()).await;
                    sleep(pause).await;
                    pause = (pause * 5 / 4).min(LONGEST_EFFECT_PAUSE);
                }
            }
        };
        for runner in self.effect_checks(planned) {
            let check = &runner.check;
            let within = check.within.map_or(Duration::from_secs(10), |within| within.0);
            let asked = runner.poll(deadline.min(Instant::now() + within).into(), &self.interrupts);
            // An interrupted fault is undone at once, whether its effect was observed or not.
            let outcome =
                self.interrupts.run_until_cancelled(asked).await.map_err(|by| format!("interrupted by {by}"))?.outcome;
            if outcome.answer != Answer::Good {
                return Err(format!("{}: {}", check.id, outcome.message));
            }
            proof = format!("{proof}; {}: {}", check.id, outcome.message);
        }
        Ok(proof)
    }

    /// Watches for the replacements of removed targets.
    async fn await_replacements(&self, id: &str, fault: &dyn Fault) {
        let deadline = Instant::now() + self.undo_timeout;
        let mut known = Vec::new();
        let expected = fault.targets().len();
        while known.len() < expected && Instant::now() < deadline {
            if let (Ok(found), None) = self.heeded(id, fault.replacements()).await {
                for replacement in found {
                    if !known.contains(&replacement.target) {
                        known.push(replacement.target.clone());
                        self.recorder.event(Event::TargetReplaced {
                            fault: id.to_owned(),
                            target: replacement.target,
                            by: replacement.by,
                        });
                    }
                }
            }
            sleep(REPLACEMENT_PAUSE).await;
        }
    }

    /// Undoes a fault and waits until the undo is seen. An interruption does not keep it from being sent; after one, it is
    /// waited for as long as for anything else.
    pub async fn undo(&self, id: &str) -> bool {
        let undos = self.journal.lock().await.undos(id);
        if undos.is_empty() {
            return true;
        }
        // Tried again, it is not waited for from the beginning; unless it never got through.
        let waited = self.undo_times.since(id).unwrap_or_default();
        // Side by side: one that cannot be undone keeps no other waiting.
        let deadline = Instant::now() + self.undo_timeout.saturating_sub(waited).max(AGAIN);
        let undone = undos.iter().map(|undo| async move {
            self.recorder.event(Event::UndoRequested { fault: id.to_owned(), undo: undo.to_string() });
            match self.apply(id, undo, deadline).await {
                Ok(proof) => {
                    self.recorder.event(Event::UndoVerified { fault: id.to_owned(), proof });
                    true
                }
                Err(why) => {
                    self.recorder.event(Event::UndoFailed { fault: id.to_owned(), why });
                    false
                }
            }
        });
        let good = futures::future::join_all(undone).await.into_iter().all(|good| good);
        if good && let Err(error) = self.journal.lock().await.done(id) {
            self.recorder.note(error.to_string());
        }
        good
    }

    async fn apply(&self, id: &str, undo: &Undo, deadline: Instant) -> Result<String, String> {
        let mut pause = Duration::from_millis(250);
        let outcome = loop {
            match timeout_at(deadline, async { self.heeded(id, undo.apply(&self.world)).await.0 }).await {
                Ok(Ok(outcome)) => {
                    self.undo_times.note(id);
                    break outcome;
                }
                Ok(Err(error)) if Instant::now() + pause >= deadline => return Err(format!("{undo}: {error}")),
                Err(_) => return Err(format!("{undo}: no answer in time")),
                Ok(Err(_)) => sleep(pause).await,
            }
            pause = (pause * 2).min(Duration::from_secs(5));
        };
        let words = match &outcome {
            UndoOutcome::Restored => format!("{undo}: done"),
            UndoOutcome::AlreadyRight => format!("{undo}: it was so already"),
            UndoOutcome::ChangedByOthers(what) => {
                self.recorder.note(format!("{undo}: left alone, because someone else has changed it since: {what}"));
                return Ok(format!("{undo}: left as others set it ({what})"));
            }
            UndoOutcome::Gone => format!("{undo}: the object is gone"),
        };
        let mut waited_long = pin!(self.interrupts.wait_until(deadline));
        let mut pause = EFFECT_PAUSE;
        loop {
            let Some(missing) = self.still_missing(id, undo.missing(&self.world)).await else { return Ok(words) };
            tokio::select! {
                biased;
                () = &mut waited_long => return Err(missing),
                () = sleep(pause) => {}
            }
            pause = (pause * 5 / 4).min(LONGEST_UNDO_PAUSE);
        }
    }

    /// Undoes every fault that is not undone yet: newest first within a cluster, clusters side by side.
    pub async fn undo_all(&self, plan: &Plan, undone: &[String]) -> bool {
        let left = plan.faults.iter().rev().filter(|fault| !undone.contains(&fault.id));
        let mut by_cluster: BTreeMap<Option<&str>, Vec<&str>> = BTreeMap::new();
        for fault in left {
            by_cluster.entry(fault.kind.cluster()).or_default().push(&fault.id);
        }
        let undone = by_cluster.into_values().map(|ids| async move {
            let mut good = true;
            for id in ids {
                good &= self.undo(id).await;
            }
            good
        });
        futures::future::join_all(undone).await.into_iter().all(|good| good)
    }
}

/// Targets are not taken from an answer that may be incomplete.
fn refuse_partial(partial: Option<Note>) -> Result<(), FaultError> {
    let refused = |partial: Note| FaultError::Refused(format!("its targets are not known for certain: {partial}"));
    partial.map_or(Ok(()), |partial| Err(refused(partial)))
}
