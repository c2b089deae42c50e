//! What the faults of one run share: where they act, what they write down, and what they know of each other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use meshdrill_checks::record::{Event, Phase};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::ask::CheckRunner;
use super::{Interrupts, Journal, Recorder};
use crate::cluster::World;
use crate::fault::{Effect, Fault};
use crate::notes::{Note, collect, incomplete};
use crate::plan::PlannedFault;

/// What the faults of one run share.
#[derive(Clone)]
pub(super) struct FaultContext {
    pub world: World,
    pub recorder: Recorder,
    pub journal: Arc<Mutex<Journal>>,
    pub interrupts: Interrupts,
    pub effects: Vec<CheckRunner>,
    /// How long to wait for an undo, and for the replacement of removed objects.
    pub undo_timeout: Duration,
    pub undo_times: UndoTimes,
    pub injected: Injected,
    pub noted: Noted,
}

/// What APIs reported about their answers, as far as it is recorded: what every poll reports again is recorded once.
#[derive(Clone, Default)]
pub(super) struct Noted(Arc<std::sync::Mutex<BTreeSet<String>>>);

impl Noted {
    fn is_new(&self, text: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(text.to_owned())
    }
}

/// The faults that were injected, each time.
#[derive(Clone, Default)]
pub(super) struct Injected(Arc<std::sync::Mutex<Vec<NamedFault>>>);

/// A fault and its id.
type NamedFault = (String, Arc<dyn Fault>);

impl Injected {
    pub fn note(&self, id: &str, fault: &Arc<dyn Fault>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((id.to_owned(), Arc::clone(fault)));
    }

    /// All of them so far, with their ids.
    pub fn all(&self) -> Vec<NamedFault> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// When the undo of a fault was first accepted, by any that it goes to: from then on the mesh can recover.
#[derive(Clone, Default)]
pub(super) struct UndoTimes(Arc<std::sync::Mutex<BTreeMap<String, Instant>>>);

impl UndoTimes {
    fn open(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn note(&self, fault: &str) {
        self.open().entry(fault.to_owned()).or_insert_with(Instant::now);
    }

    pub fn forget(&self, fault: &str) {
        self.open().remove(fault);
    }

    pub fn since(&self, fault: &str) -> Option<Duration> {
        self.open().get(fault).map(Instant::elapsed)
    }

    /// How long ago the newest of all was accepted.
    pub fn since_last(&self) -> Option<Duration> {
        self.open().values().map(Instant::elapsed).min()
    }
}

/// A fault that has not been held to its end yet. The last one of a run that ends begins the phase of the undo.
pub(super) struct Active(Arc<AtomicUsize>, Recorder);

impl Active {
    /// One for each of so many faults.
    pub fn of(count: usize, recorder: &Recorder) -> Vec<Self> {
        let open = Arc::new(AtomicUsize::new(count));
        (0..count).map(|_| Self(Arc::clone(&open), recorder.clone())).collect()
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        if self.0.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.1.event(Event::Phase { phase: Phase::Undo });
        }
    }
}

impl FaultContext {
    /// Does some work for a fault and records what APIs report about their answers. With its result, the first note by which
    /// they may be incomplete.
    pub async fn heeded<T>(&self, fault: &str, work: impl Future<Output = T>) -> (T, Option<Note>) {
        let (done, notes) = collect(work).await;
        for note in &notes {
            let text = format!("fault {fault}: {note}");
            if self.noted.is_new(&text) {
                self.recorder.note(text);
            }
        }
        (done, incomplete(&notes).cloned())
    }

    /// Looks whether a fault is in effect. An answer that may be incomplete shows neither that it is nor that it is not.
    pub async fn observed(&self, fault: &str, effect: impl Future<Output = Effect>) -> Effect {
        match self.heeded(fault, effect).await {
            (effect, None) => effect,
            (
                Effect::Seen(what) | Effect::NotYet(what) | Effect::Unknown(what) | Effect::Never(what),
                Some(partial),
            ) => Effect::Unknown(format!("{partial}; it was: {what}")),
        }
    }

    /// What is missing until something is as before, as some work finds. By an answer that may be incomplete nothing is proven.
    pub async fn still_missing<E: std::fmt::Display>(
        &self,
        fault: &str,
        missing: impl Future<Output = Result<Option<String>, E>>,
    ) -> Option<String> {
        match self.heeded(fault, missing).await {
            (Ok(None), Some(partial)) => Some(partial.to_string()),
            (Ok(missing), _) => missing,
            (Err(error), _) => Some(error.to_string()),
        }
    }

    /// The declared checks of a fault's effect.
    pub fn effect_checks(&self, planned: &PlannedFault) -> impl Iterator<Item = &CheckRunner> {
        let ids: Vec<&str> = planned.effect.iter().map(|check| check.id.as_str()).collect();
        self.effects.iter().filter(move |runner| ids.contains(&runner.check.id.as_str()))
    }
}
