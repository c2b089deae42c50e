//! A drill's phases after preflight: baseline, inject, hold, undo, observe, verify.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use meshdrill_checks::outage::{self, SUSTAINED};
use meshdrill_checks::record::{At, Class, Event, Phase, Record};
use meshdrill_checks::score::breached;
use meshdrill_checks::units::{TimeSpan, counted};
use tokio::time::{Instant, sleep, sleep_until};

use super::ask::{CheckRunner, Until, pause};
use super::context::{Active, FaultContext};
use super::preflight::Findings;
use super::sampler::{Sampler, sample};
use super::unsteady::{Unsteady, unsteady};
use super::{Interrupts, Recorder, decide};
use crate::fault::Fault;
use crate::plan::{Plan, PlannedFault};
use crate::probe::Answer;
use crate::spec::Stage;

/// The part of the baseline that must be without a bad sample.
const STEADY: Duration = Duration::from_secs(10);
/// The longest baseline.
const LONGEST_BASELINE: Duration = Duration::from_mins(1);
/// How long beyond the target recovery is observed, so that a missed target is seen to be missed.
const BEYOND_TARGET: Duration = Duration::from_secs(2);
/// How long recovery is observed where the undo took all of its time.
const LEAST: Duration = Duration::from_mins(1);
/// How often the record is looked at while something is waited for.
const LOOK: Duration = Duration::from_millis(500);

/// A drill that has gone through preflight.
pub(super) struct Drill<'a> {
    pub plan: &'a Plan,
    pub context: FaultContext,
    pub recorder: Recorder,
    pub interrupts: Interrupts,
}

impl Drill<'_> {
    /// Goes through all phases. Whatever happens, everything that was injected is undone before it returns.
    pub async fn run(&self, ready: &Findings) {
        self.phase(Phase::Baseline);
        let samplers: Vec<Sampler> =
            ready.probes.iter().map(|(probe, observer)| sample(probe, observer, &self.recorder)).collect();
        if let Some(faults) = self.baseline(&samplers, ready).await {
            let recovered = Recovered::of(&ready.check_runners);
            tokio::select! {
                () = self.break_and_undo(faults) => {}
                () = self.watch_undo(&recovered) => {}
            }
            self.watch_recovery(&ready.check_runners, &recovered).await;
        }
        join_all(samplers.into_iter().map(|sampler| sampler.stop(&self.interrupts))).await;
    }

    fn phase(&self, phase: Phase) {
        self.recorder.event(Event::Phase { phase });
    }

    /// Waits for the steady state and resolves the faults. None: nothing may be injected, and the record says why.
    async fn baseline(&self, samplers: &[Sampler], ready: &Findings) -> Option<Vec<(PlannedFault, Box<dyn Fault>)>> {
        match self.interrupts.run_until_cancelled(self.steady(samplers, ready)).await {
            Err(by) => {
                self.recorder.event(Event::Interrupted { by, injected: false });
                return None;
            }
            Ok(false) => return None,
            Ok(true) => {}
        }
        let mut faults = Vec::new();
        for planned in &self.plan.faults {
            match self.context.dry_run(planned).await {
                Ok(fault) => faults.push((planned.clone(), fault)),
                Err(error) => {
                    self.recorder.event(Event::Refused { why: format!("fault {}: {error}", planned.id) });
                    return None;
                }
            }
        }
        if self.interrupts.is_set() {
            self.recorder.event(Event::Interrupted { by: self.interrupts.by(), injected: false });
            return None;
        }
        Some(faults)
    }

    async fn steady(&self, samplers: &[Sampler], ready: &Findings) -> bool {
        let start = Instant::now();
        join_all(samplers.iter().map(Sampler::ready)).await;
        if let Some(why) = self.recorder.ask(dead_probe).await.flatten() {
            self.recorder.event(Event::Refused { why });
            return false;
        }
        sleep_until(start + self.plan.phases.baseline.0).await;
        let deadline = start + LONGEST_BASELINE.max(self.plan.phases.baseline.0);
        let checks: Vec<&CheckRunner> =
            ready.check_runners.iter().filter(|runner| runner.check.stage == Stage::SteadyState).collect();
        let clock = self.recorder.clock();
        loop {
            let now = clock.now();
            let length = STEADY.min(self.plan.phases.baseline.0.max(Duration::from_secs(1)));
            let unsteady = self
                .recorder
                .ask(move |record| unsteady(record, now, length).next())
                .await
                .unwrap_or_else(|| Some(Unsteady::silent("the recorder has ended".to_owned())));
            let last = Instant::now() >= deadline;
            let mut missed = match unsteady {
                Some(unsteady) if last => Some(unsteady.explained(&ready.probes).await),
                unsteady => unsteady.map(Unsteady::why),
            };
            for runner in &checks {
                let mut outcome = runner.ask().await;
                if last {
                    outcome = runner.explained(outcome).await;
                }
                runner.record(&self.recorder, &outcome);
                if outcome.answer != Answer::Good {
                    missed = missed.or_else(|| Some(format!("{}: {}", runner.check.id, outcome.message)));
                }
            }
            let waited = start.elapsed();
            match missed {
                None => {
                    let longer = waited.saturating_sub(self.plan.phases.baseline.0);
                    let message = if longer < Duration::from_secs(1) {
                        format!("no bad sample in the last {} s of the baseline", length.as_secs())
                    } else {
                        let message = format!("held; baseline extended by {} s", longer.as_secs());
                        self.recorder.note(format!("the steady state {message}"));
                        message
                    };
                    self.recorder.event(Event::SteadyState { met: true, message });
                    return true;
                }
                Some(why) if last => {
                    self.recorder.event(Event::SteadyState {
                        met: false,
                        message: format!("{why} (waited {} s)", waited.as_secs()),
                    });
                    return false;
                }
                Some(_) => sleep(LOOK).await,
            }
        }
    }

    /// Injects, holds and undoes all faults in their time, and undoes what is left when the run is interrupted.
    async fn break_and_undo(&self, faults: Vec<(PlannedFault, Box<dyn Fault>)>) {
        self.phase(Phase::Inject);
        let start = Instant::now();
        let guard = self.interrupts.child();
        let active = Active::of(faults.len(), &self.recorder);
        let runs = faults.into_iter().zip(active).map(|((planned, fault), active)| {
            let context = FaultContext { interrupts: guard.clone(), ..self.context.clone() };
            async move { context.run_fault(&planned, fault, start, active).await }
        });
        let all = join_all(runs);
        let sustained = self.plan.faults.iter().any(|fault| fault.kind.as_behavior().sustained());
        if sustained {
            self.phase(Phase::Hold);
        }
        tokio::pin!(all);
        tokio::select! {
            _ = &mut all => {}
            why = self.breach() => {
                self.recorder.event(Event::Aborted { why: why.clone() });
                guard.stop(why);
                all.await;
            }
        }
        self.context.undo_all(self.plan, &self.undone().await).await;
        if self.interrupts.is_set() {
            let injected = self.recorder.ask(|record| record.history().is_injected()).await;
            self.recorder.event(Event::Interrupted { by: self.interrupts.by(), injected: injected.unwrap_or(true) });
        }
    }

    /// Waits for a breach of `abortWhen`; for ever without one.
    async fn breach(&self) -> String {
        if self.plan.abort_when.is_empty() {
            return std::future::pending().await;
        }
        loop {
            sleep(LOOK).await;
            let criteria = self.plan.abort_when.clone();
            if let Some(why) = self.recorder.ask(move |record| breached(record, &criteria)).await.flatten() {
                return why;
            }
        }
    }

    /// The faults whose undo was seen after they were last injected: a repeated one may be open again.
    async fn undone(&self) -> Vec<String> {
        let verified = |record: &Record| {
            let faults = record.history().faults.into_iter();
            faults.filter(|(_, fault)| fault.is_undone()).map(|(id, _)| id.to_owned()).collect()
        };
        self.recorder.ask(verified).await.unwrap_or_default()
    }

    /// Polls the recovered checks from the start of the last undo: objects may recover long before all undos are observed.
    /// Never ends.
    async fn watch_undo(&self, recovered: &Recovered<'_>) {
        let mut known = None;
        loop {
            let begun = self.last_undo().await;
            if begun != known {
                recovered.forget();
                known = begun;
            }
            let mut since = Duration::ZERO;
            if let Some(begun) = begun {
                recovered.ask(&self.recorder).await;
                since = self.recorder.clock().now().since(begun);
            }
            // A check is also asked at its deadline.
            let left = recovered.checks.iter().map(|(runner, _)| self.limit(runner).0.saturating_sub(since));
            sleep(pause(since, left)).await;
        }
    }

    /// How long a recovered check may take from the start of the undo.
    fn limit(&self, runner: &CheckRunner) -> TimeSpan {
        runner.check.within.unwrap_or(self.plan.phases.recovery)
    }

    /// When the last undo was begun, or a fault that needs none came after it; none where something is yet to be undone, or
    /// nothing had to be.
    async fn last_undo(&self) -> Option<At> {
        let plan = self.plan.faults.iter();
        let faults: Vec<(String, bool)> =
            plan.map(|fault| (fault.id.clone(), fault.kind.as_behavior().sustained())).collect();
        let begun = move |record: &Record| {
            let history = record.history();
            let of = |(id, sustained): &(String, bool)| Some((history.faults.get(id.as_str())?, *sustained));
            let (mut undone, mut last) = (false, At::ZERO);
            for (fault, sustained) in faults.iter().filter_map(of) {
                let Some(requested) = fault.requested else { continue };
                undone |= sustained;
                last = last.max(if sustained { fault.undo_begun? } else { requested });
            }
            undone.then_some(last)
        };
        self.recorder.ask(begun).await.flatten()
    }

    /// Observes until recovery is sustained, polls the recovered checks beside it, and verifies at the end.
    async fn watch_recovery(&self, check_runners: &[CheckRunner], recovered: &Recovered<'_>) {
        let stage = |stage: Stage| check_runners.iter().filter(move |runner| runner.check.stage == stage);
        let interrupted = self.interrupts.is_set();
        let start = Instant::now();
        // What the undo took once it was accepted has been waited for already.
        let clock = self.recorder.clock();
        let begun = self.last_undo().await;
        let since = begun.map_or(Duration::ZERO, |begun| clock.now().since(begun));
        let waited = self.context.undo_times.since_last().unwrap_or_default().min(since);
        let left = |whole: Duration| start + whole.saturating_sub(waited).max(LEAST.min(whole));
        let deadline = left(self.plan.phases.recovery.0 + BEYOND_TARGET);
        if !interrupted {
            self.phase(Phase::Observe);
        }
        let checks = recovered.checks.iter().map(|(runner, watched)| {
            let watched = *watched.lock().unwrap_or_else(PoisonError::into_inner);
            let until = left(self.limit(runner).0.max(self.plan.phases.undo.0)).into();
            self.recovered(runner, watched, begun, until)
        });
        let recovered = join_all(checks);
        let replaced = self.missing(left(self.plan.phases.recovery.0.max(self.plan.phases.undo.0)));
        let (recovered, missing, ()) = tokio::join!(recovered, replaced, async {
            if !interrupted {
                let _ = self.interrupts.run_until_cancelled(self.observe(deadline)).await;
            }
        });
        self.phase(Phase::Verify);
        for runner in stage(Stage::Verify) {
            let outcome = match runner.check.within {
                Some(within) => runner.poll((Instant::now() + within.0).into(), &self.interrupts).await.outcome,
                None => runner.ask().await,
            };
            runner.record(&self.recorder, &runner.explained(outcome).await);
        }
        if !interrupted && self.interrupts.is_set() {
            self.recorder.event(Event::Interrupted { by: self.interrupts.by(), injected: true });
        }
        self.verify(&recovered, missing).await;
    }

    /// What of the targets of the faults is not as before at the deadline; returns as soon as all is.
    async fn missing(&self, deadline: Instant) -> Vec<String> {
        let waits = self.context.injected.all().into_iter().map(|(id, fault)| async move {
            let start = Instant::now();
            let waited_long = self.interrupts.wait_until(deadline);
            tokio::pin!(waited_long);
            loop {
                let missing = self.context.still_missing(&id, fault.missing()).await?;
                tokio::select! {
                    biased;
                    () = &mut waited_long => return Some(format!("{id}: {missing}")),
                    () = sleep(pause(start.elapsed(), [])) => {}
                }
            }
        });
        join_all(waits).await.into_iter().flatten().collect()
    }

    async fn observe(&self, deadline: Instant) {
        let start = Instant::now();
        sleep_until(start + self.plan.phases.observe.0).await;
        if self.plan.phases.conclusive {
            decide(&self.recorder).await;
        }
        loop {
            let clock = self.recorder.clock();
            let settled = self.recorder.ask(move |record| settled(record, clock.now())).await.unwrap_or(true);
            if settled || Instant::now() >= deadline {
                return;
            }
            sleep(LOOK).await;
        }
    }

    /// Polls a recovered check; what it still misses when nothing more is waited for. It is asked on beyond the time it has:
    /// what comes back late has missed its target, and is no damage.
    async fn recovered(
        &self,
        runner: &CheckRunner,
        watched: Watched,
        begun: Option<At>,
        until: Until,
    ) -> Option<String> {
        let clock = self.recorder.clock();
        let start = begun.unwrap_or_else(|| clock.now());
        let limit = self.limit(runner);
        let still = match watched.whole {
            Some(whole) => Some((runner.ask().await, watched.missed, whole)),
            None => None,
        };
        let (mut outcome, missed, whole) = match still.filter(|(outcome, ..)| outcome.answer == Answer::Good) {
            Some(still) => still,
            None => {
                let over = limit.0.checked_sub(clock.now().since(start)).map(|left| Instant::now() + left);
                let polled = runner.poll(Until { mark: over, ..until }, &self.interrupts).await;
                (polled.outcome, polled.missed.map(|at| clock.at(at)).or(watched.missed), clock.now())
            }
        };
        let met = outcome.answer == Answer::Good;
        // Between the last failure and the first success.
        let low = missed.map_or(Duration::ZERO, |missed| missed.since(start));
        let high = whole.since(start);
        let took = match missed {
            Some(_) if met && high > low + Duration::from_secs(1) => {
                format!("{:.1} to {:.1} s", low.as_secs_f64(), high.as_secs_f64())
            }
            _ => format!("{:.1} s", high.as_secs_f64()),
        };
        outcome.message = match begun {
            Some(_) => format!("{} ({took} after the undo began)", outcome.message),
            None => format!("{} (after {took})", outcome.message),
        };
        outcome = runner.explained(outcome).await;
        if met && low >= limit.0 {
            outcome.answer = Answer::Bad(Class::Timeout);
            outcome.message = format!("later than {limit}: {}", outcome.message);
        }
        runner.record(&self.recorder, &outcome);
        (!met).then(|| format!("{}: {}", runner.check.id, outcome.message))
    }

    /// Records whether everything is as before: all undos observed, all targets replaced, all recovered checks met.
    async fn verify(&self, recovered: &[Option<String>], missing: Vec<String>) {
        let mut leftovers = self.recorder.ask(Record::failed_undos).await.unwrap_or_default();
        let undone = leftovers.is_empty();
        leftovers.extend(missing);
        leftovers.extend(recovered.iter().flatten().cloned());
        let verified = leftovers.is_empty();
        if undone && let Err(error) = self.context.journal.lock().await.clear(&self.context.world).await {
            self.recorder.note(format!("the run's record could not be removed from the cluster: {error}"));
        }
        let message = if verified {
            format!("all undos verified, {} met", counted(recovered.len(), "recovery check"))
        } else {
            let next = if undone {
                "all faults are undone, but the mesh has not recovered"
            } else {
                "damage may remain: `meshdrill recover` undoes what is recorded"
            };
            format!("{}; {next}", leftovers.join("; "))
        };
        self.recorder.event(Event::Recovery { verified, leftovers, message });
    }
}

/// What was observed of a recovered check during the undo.
#[derive(Clone, Copy, Default)]
struct Watched {
    /// When it last failed.
    missed: Option<At>,
    /// Since when it passes without a break.
    whole: Option<At>,
}

/// The recovered checks of a drill.
struct Recovered<'a> {
    checks: Vec<(&'a CheckRunner, Mutex<Watched>)>,
}

impl<'a> Recovered<'a> {
    fn of(check_runners: &'a [CheckRunner]) -> Self {
        let checks = check_runners.iter().filter(|runner| runner.check.stage == Stage::Recovered);
        Self { checks: checks.map(|runner| (runner, Mutex::default())).collect() }
    }

    async fn ask(&self, recorder: &Recorder) {
        let clock = recorder.clock();
        let asked = self.checks.iter().map(|(runner, watched)| async move {
            let asked = clock.now();
            let good = runner.ask().await.answer == Answer::Good;
            let mut watched = watched.lock().unwrap_or_else(PoisonError::into_inner);
            if good {
                watched.whole = watched.whole.or(Some(clock.now()));
            } else {
                *watched = Watched { missed: Some(asked), whole: None };
            }
        });
        join_all(asked).await;
    }

    fn forget(&self) {
        for (_, watched) in &self.checks {
            *watched.lock().unwrap_or_else(PoisonError::into_inner) = Watched::default();
        }
    }
}

/// A probe that died or cannot ask before anything was injected.
fn dead_probe(record: &Record) -> Option<String> {
    record.history().failed_probes.first().map(|(probe, why)| format!("probe {probe} cannot start: {why}"))
}

/// Whether no probe is in an outage, nor was for as long as recovery must be sustained.
fn settled(record: &Record, now: At) -> bool {
    record.header.probes.iter().all(|probe| {
        let samples = record.samples(&probe.name);
        // A fast answer for the common case: an hour has too many samples to scan twice a second.
        let mut lately = samples.iter().rev().take_while(|sample| now.since(sample.scheduled) < SUSTAINED);
        if lately.any(|sample| sample.class.is_bad()) {
            return false;
        }
        match outage::find(&samples.iter().collect::<Vec<_>>()).last() {
            Some(outage) => outage.end.is_some_and(|end| now.since(end) >= SUSTAINED),
            None => true,
        }
    })
}
