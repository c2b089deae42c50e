//! Open-loop sampling: every slot of a fixed schedule is an observation, or a record of why there is none. Slow answers
//! never slow the schedule down.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures::FutureExt as _;
use meshdrill_checks::record::{Class, Event, RequestPhases, Sample, Series};
use meshdrill_checks::units::{TimeSpan, seconds};
use serde_json::Value;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::timer::Timer;
use super::{Interrupts, Recorder};
use crate::net::Phases;
use crate::notes::{heed, heed_batch};
use crate::plan::PlannedProbe;
use crate::probe::{Answer, Observer, Outcome};

/// How late a slot may start. Beyond it the runner is to blame, and the sample is not made. Latency counts from when it
/// was due, so what is allowed here only makes the target look slower.
const LATE: Duration = Duration::from_millis(100);
/// How long a request may be queued by the runner and still count for its slot.
const LONGEST_QUEUED: Duration = Duration::from_secs(2);
/// The longest that a probe may take to read back what it wrote.
const READ_BACK: Duration = Duration::from_mins(2);
/// In-flight observations that are always allowed.
const LEAST_IN_FLIGHT: usize = 256;

/// How many observations of a series may be under way at once.
pub(super) fn most_in_flight(probe: &PlannedProbe) -> usize {
    LEAST_IN_FLIGHT.max((2.0 * probe.timeout.as_secs_f64() / probe.every.as_secs_f64()) as usize)
}

/// The running sampler of one probe.
pub struct Sampler {
    probe: String,
    stop: CancellationToken,
    tasks: TaskTracker,
    shared: Arc<Shared>,
    observer: Arc<dyn Observer>,
    recorder: Recorder,
}

impl std::fmt::Debug for Sampler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sampler").field("probe", &self.probe).finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct Shared {
    planned: AtomicUsize,
    in_flight: AtomicUsize,
    ready: AtomicBool,
    became_ready: Notify,
}

/// What one series of a sampler needs.
struct Lane {
    probe: PlannedProbe,
    series: Series,
    observer: Arc<dyn Observer>,
    recorder: Recorder,
    shared: Arc<Shared>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// Starts sampling now.
pub fn sample(probe: &PlannedProbe, observer: &Arc<dyn Observer>, recorder: &Recorder) -> Sampler {
    let sampler = Sampler {
        probe: probe.name.clone(),
        stop: CancellationToken::new(),
        tasks: TaskTracker::new(),
        shared: Arc::new(Shared::default()),
        observer: Arc::clone(observer),
        recorder: recorder.clone(),
    };
    let start = Instant::now();
    let count = u32::try_from(probe.series.len()).unwrap_or(1).max(1);
    for (index, series) in probe.series.iter().enumerate() {
        let lane = Lane {
            probe: probe.clone(),
            series: *series,
            observer: Arc::clone(observer),
            recorder: recorder.clone(),
            shared: Arc::clone(&sampler.shared),
            stop: sampler.stop.clone(),
            tasks: sampler.tasks.clone(),
        };
        // Several series take turns instead of starting together.
        let offset = probe.every.0 / count * u32::try_from(index).unwrap_or(0);
        sampler.tasks.spawn(lane.run(start + offset));
    }
    sampler
}

impl Sampler {
    /// Waits until the first observation was made.
    pub async fn ready(&self) {
        loop {
            let notified = self.shared.became_ready.notified();
            if self.shared.ready.load(Ordering::Acquire) {
                return;
            }
            notified.await;
        }
    }

    /// Ends the schedule, waits for the observations under way and reads back what was written.
    pub async fn stop(self, interrupts: &Interrupts) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        let read_back = tokio::select! {
            found = AssertUnwindSafe(self.observer.read_back()).catch_unwind() => found.unwrap_or_default(),
            () = interrupts.wait_until(Instant::now() + READ_BACK) => None,
        };
        if let Some(found) = read_back {
            self.recorder.event(Event::ReadBack { probe: self.probe.clone(), found });
        }
        let planned = self.shared.planned.load(Ordering::Acquire) as u64;
        self.recorder.event(Event::ProbeStopped { probe: self.probe, planned });
    }
}

impl Lane {
    async fn run(self, start: Instant) {
        match self.probe.batch {
            Some(length) => self.run_batches(start, length.0).await,
            None => self.run_slots(start).await,
        }
    }

    async fn run_slots(self, start: Instant) {
        let every = self.probe.every.0;
        let most = most_in_flight(&self.probe);
        let lane = Arc::new(self);
        let mut timer = Timer::new(&lane.recorder.clock());
        let mut due = start;
        let mut slot = 0;
        loop {
            if !lane.wait_until(&mut timer, due).await {
                return;
            }
            lane.shared.planned.fetch_add(1, Ordering::AcqRel);
            let now = Instant::now();
            if now.duration_since(due) > LATE {
                lane.record(slot, due, now, now, &Outcome::new(Answer::NoData, "the runner was late"), Class::NotSent);
            } else if lane.shared.in_flight.load(Ordering::Acquire) >= most {
                let outcome =
                    Outcome::new(Answer::Bad(Class::Timeout), format!("{most} observations are still unanswered"));
                lane.record(slot, due, now, now + lane.probe.timeout.0, &outcome, Class::Timeout);
            } else {
                lane.shared.in_flight.fetch_add(1, Ordering::AcqRel);
                lane.tasks.spawn(Arc::clone(&lane).observe(slot, due));
            }
            slot += 1;
            due += every;
        }
    }

    async fn observe(self: Arc<Self>, slot: u64, due: Instant) {
        let started = Instant::now();
        // The kind keeps to its timeout itself; this one is for a kind that does not.
        let bound = self.probe.timeout.0 + Duration::from_millis(250);
        let observed = AssertUnwindSafe(timeout(bound, heed(self.observer.observe(self.series)))).catch_unwind().await;
        let completed = Instant::now();
        self.shared.in_flight.fetch_sub(1, Ordering::AcqRel);
        match observed {
            Ok(Ok(outcome)) => self.record_outcome(slot, due, started, completed, &outcome),
            Ok(Err(_)) => {
                let outcome =
                    Outcome::new(Answer::Bad(Class::Timeout), format!("no outcome within {}", self.probe.timeout));
                self.record_outcome(slot, due, started, completed, &outcome);
            }
            Err(_) => {
                let why = "the probe panicked; this is a bug of meshdrill".to_owned();
                self.recorder.event(Event::ProbeFailed { probe: self.probe.name.clone(), why });
                self.mark_ready();
            }
        }
    }

    async fn run_batches(self, start: Instant, length: Duration) {
        let every = self.probe.every.0;
        let count = ((length.as_secs_f64() / every.as_secs_f64()).round() as usize).max(1);
        let lane = Arc::new(self);
        let mut timer = Timer::new(&lane.recorder.clock());
        let mut due = start;
        let mut slot = 0;
        loop {
            if !lane.wait_until(&mut timer, due).await {
                return;
            }
            lane.shared.planned.fetch_add(count, Ordering::AcqRel);
            lane.tasks.spawn(Arc::clone(&lane).observe_batch(slot, due, count));
            slot += count as u64;
            due += every * u32::try_from(count).unwrap_or(u32::MAX);
        }
    }

    async fn observe_batch(self: Arc<Self>, first: u64, due: Instant, count: usize) {
        let every = self.probe.every.0;
        let outcomes = AssertUnwindSafe(heed_batch(self.observer.observe_batch(count, every))).catch_unwind().await;
        let Ok(mut outcomes) = outcomes else {
            let why = "the probe panicked; this is a bug of meshdrill".to_owned();
            self.recorder.event(Event::ProbeFailed { probe: self.probe.name.clone(), why });
            self.mark_ready();
            return;
        };
        outcomes.resize_with(count, || Outcome::new(Answer::NoData, "no observation came back"));
        for (index, outcome) in outcomes.iter().enumerate() {
            let offset = u32::try_from(index).unwrap_or(u32::MAX);
            let due = due + every * offset;
            let took = outcome.took.unwrap_or(self.probe.timeout.0);
            let completed = if matches!(outcome.answer, Answer::NoData | Answer::Error) { due } else { due + took };
            self.record_outcome(first + u64::from(offset), due, due, completed, outcome);
        }
    }

    /// False when the schedule ends first.
    async fn wait_until(&self, timer: &mut Timer, due: Instant) -> bool {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => false,
            () = timer.wait_until(due) => true,
        }
    }

    fn record_outcome(&self, slot: u64, due: Instant, started: Instant, completed: Instant, outcome: &Outcome) {
        let (class, asked) = (outcome.class(), started + outcome.waited);
        let completed = outcome.took.map_or(completed, |took| asked + took);
        let in_time = |since: Instant| completed.duration_since(since) <= self.probe.slow.0;
        // A request that was queued for long says nothing about its slot, nor does one that had no time left for an answer.
        let unanswered = class == Class::Timeout && outcome.waited > LATE && in_time(asked);
        if unanswered || (class.is_good() && outcome.waited > LONGEST_QUEUED) {
            let why = format!("queued by the runner for {}: no connection was free", TimeSpan(outcome.waited));
            return self.record(slot, due, asked, asked, &Outcome::new(Answer::NoData, why), Class::NotSent);
        }
        // A queued request was sent later than planned; the service is charged for its own time only.
        let due = due + outcome.waited;
        let class = if class.is_good() && !in_time(due) { Class::Late } else { class };
        self.record(slot, due, asked, completed, outcome, class);
    }

    fn record(&self, slot: u64, due: Instant, started: Instant, completed: Instant, outcome: &Outcome, class: Class) {
        let clock = self.recorder.clock();
        let seen = match (&outcome.seen, class.is_good()) {
            (Value::Null, true) => None,
            (Value::Null, false) => Some(Value::from(outcome.message.clone())),
            (Value::Object(seen), _) if matches!(class, Class::NoData | Class::NotSent) => {
                let mut seen = seen.clone();
                seen.insert("message".to_owned(), Value::from(outcome.message.clone()));
                Some(Value::Object(seen))
            }
            (seen, _) => Some(seen.clone()),
        };
        let message = match class {
            Class::Late => {
                let took = completed.duration_since(due);
                Some(format!("took {}, limit {}", seconds(took.as_secs_f64()), seconds(self.probe.slow.as_secs_f64())))
            }
            class if class.is_bad() && !outcome.seen.is_null() => Some(outcome.message.clone()),
            _ => None,
        };
        let sample = Sample {
            series: self.series,
            slot,
            scheduled: clock.at(due),
            started: clock.at(started),
            completed: clock.at(completed),
            class,
            responder: outcome.responder.as_deref().map(Into::into),
            phases: phases(&outcome.phases).map(Box::new),
            seen: seen.map(Arc::new),
            message: message.map(Arc::from),
        };
        let at = clock.now();
        self.recorder.event_at(at, Event::Sample { probe: self.probe.name.clone(), sample });
        self.mark_ready();
    }

    fn mark_ready(&self) {
        if !self.shared.ready.swap(true, Ordering::AcqRel) {
            self.recorder.event(Event::ProbeReady { probe: self.probe.name.clone() });
            self.shared.became_ready.notify_waiters();
        }
    }
}

/// The phases of a request for the record, to the microsecond; none if it had none.
fn phases(phases: &Phases) -> Option<RequestPhases> {
    let seconds = |phase: Option<Duration>| phase.map(|phase| (phase.as_secs_f64() * 1e6).round() / 1e6);
    let Phases { dns, connect, tls, first_byte } = *phases;
    let any = dns.or(connect).or(tls).or(first_byte).is_some();
    any.then(|| RequestPhases {
        dns: seconds(dns),
        connect: seconds(connect),
        tls: seconds(tls),
        first_byte: seconds(first_byte),
    })
}
