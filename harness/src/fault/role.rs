//! The behavior common to all faults: describe it, find its targets, declare its undo, inject it, and verify its effect.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use futures::future::BoxFuture;
use meshdrill_checks::units::{Ratio, TimeSpan};
use serde::Serialize;
use serde_json::{Value, json};

use crate::cluster::{AccessError, Permission, World};
use crate::format::MeshSpec;
use crate::probe::{ProbeError, SpecError};

/// Why a fault could not be resolved or injected.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FaultError {
    /// Nothing matches.
    #[error("no target: {0}")]
    NoTarget(String),
    /// The target already is as the fault would make it.
    #[error("nothing to change: {0}")]
    NothingToChange(String),
    /// The cluster could not be reached or refused access.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The fault would do harm that cannot be undone, or that cannot be observed.
    #[error("refused: {0}")]
    Refused(String),
    /// An answer of the cluster that could not be read.
    #[error(transparent)]
    Unreadable(#[from] ProbeError),
    /// Another error.
    #[error("{0}")]
    Other(String),
}

impl FaultError {
    /// A fault on what serves nobody. `which` says that none of something is meant, `deed` what was to be done to it.
    pub(super) fn none_ready(which: &str, deed: &str) -> Self {
        Self::Refused(format!("{which} is Ready, so {deed} would prove nothing; wait until they are Ready"))
    }

    /// The target could not be read: it does not exist, or there is an access problem.
    pub(super) fn missing(error: AccessError) -> Self {
        match error {
            // The API server names the object itself: `deployments.apps "web" not found`.
            AccessError::NotFound { cluster, why } => Self::NoTarget(format!("{why} ({cluster})")),
            error => Self::Access(error),
        }
    }
}

/// The namespace of the cluster's own components, which no fault may change.
pub(super) const SYSTEM: &str = "kube-system";

/// The error about a target in kube-system.
pub(super) fn system_namespace_error(
    key: &'static str,
    namespace: Option<&str>,
    help: &'static str,
) -> Option<SpecError> {
    (namespace == Some(SYSTEM)).then(|| SpecError::new(key, format!("faults never change {SYSTEM}"), help))
}

/// Whether a fault is in effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// It is; the evidence.
    Seen(String),
    /// It is not, or not yet; what is missing.
    NotYet(String),
    /// It could not be observed; why.
    Unknown(String),
    /// It never will be; why.
    Never(String),
}

/// A removed pod whose replacement is ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replacement {
    /// The pod that was removed.
    pub target: String,
    /// The pod that replaced it.
    pub by: String,
}

/// The blast radius, where the file has it next to the kind instead of inside it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct BlastRadius {
    /// The grace period of deletions.
    pub grace: Option<TimeSpan>,
    /// The number of matching pods.
    pub count: Option<usize>,
    /// The share of the matching pods, at least one.
    pub percent: Option<Ratio>,
}

impl BlastRadius {
    /// An error for every key that is set.
    fn misplaced(&self) -> Vec<SpecError> {
        let given =
            [("grace", self.grace.is_some()), ("count", self.count.is_some()), ("percent", self.percent.is_some())];
        let given = given.into_iter().filter(|(_, given)| *given);
        given
            .map(|(key, _)| {
                SpecError::new(key, format!("`{key}` applies only to faults that select pods"), "remove it")
            })
            .collect()
    }
}

/// What a fault needs to know of the run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FaultOptions {
    /// The seed of random choices.
    pub seed: u64,
    /// The run's id, for the labels of objects that a fault creates.
    pub run: String,
}

/// What every kind of fault defines. Nothing but `resolve` contacts a cluster.
pub trait FaultBehavior {
    /// What it breaks, as text.
    fn describe(&self) -> String;
    /// Whether it lasts until it is undone.
    fn sustained(&self) -> bool;
    /// Whether it removes pods that something may replace.
    fn selects_pods(&self) -> bool {
        false
    }
    /// Applies a blast radius that stands next to the kind. Keys that do not fit are errors.
    fn apply_blast_radius(&mut self, radius: BlastRadius) -> Vec<SpecError> {
        radius.misplaced()
    }
    /// Reads the files that it names, relative to the folder of the scenario.
    fn load(&mut self, _: &Path) -> Result<(), SpecError> {
        Ok(())
    }
    /// Whether its effect is visible only to a declared `effect:` check.
    fn needs_effect_check(&self) -> bool {
        false
    }
    /// Whether it contacts every cluster of the mesh, not only the ones that it names.
    fn needs_all_clusters(&self) -> bool {
        false
    }
    /// What is wrong with its keys.
    fn spec_errors(&self) -> Vec<SpecError>;
    /// The permissions to inject and to undo it.
    fn permissions(&self, _: &MeshSpec) -> Vec<Permission>;
    /// Finds its targets in the live cluster. An error if there are none.
    fn resolve<'a>(
        &'a self,
        world: &'a World,
        options: FaultOptions,
    ) -> BoxFuture<'a, Result<Box<dyn Fault>, FaultError>>;
}

/// A fault with its targets.
pub trait Fault: Send + Sync {
    /// The objects it targets, as namespace/name.
    fn targets(&self) -> Vec<String>;
    /// The UIDs of its targets, in their order; empty for a target that has none, such as an object that it creates.
    fn uids(&self) -> Vec<String>;
    /// How much of what matches it targets, such as `1 of 3 pods`, where that is a choice.
    fn scope(&self) -> Option<String> {
        None
    }
    /// Its undo, known before it is injected.
    fn undo(&self) -> Vec<UndoData>;
    /// Warnings about the targets, such as who else scales them.
    fn remarks(&self) -> Vec<String> {
        Vec::new()
    }
    /// Validates the requests with the API server without effect (`dryRun=All`).
    fn dry_run(&self) -> BoxFuture<'_, Result<(), FaultError>> {
        Box::pin(async { Ok(()) })
    }
    /// Injects it. A request that timed out counts as sent.
    fn inject(&self) -> BoxFuture<'_, Result<(), FaultError>>;
    /// Retries what could not be done yet; called until the effect is seen.
    fn retry(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
    /// Checks once whether it is in effect.
    fn effect(&self) -> BoxFuture<'_, Effect>;
    /// Checks once, while a sustained fault is held, whether it still is in effect. `NotYet` means that someone reverted it; who,
    /// where that is known.
    fn held(&self) -> BoxFuture<'_, Effect> {
        self.effect()
    }
    /// The targets that have a replacement so far. Empty for faults that remove nothing.
    fn replacements(&self) -> BoxFuture<'_, Result<Vec<Replacement>, FaultError>> {
        Box::pin(async { Ok(Vec::new()) })
    }
    /// What is not as before yet, beyond what its undo restores; none if all is.
    fn missing(&self) -> BoxFuture<'_, Result<Option<String>, FaultError>> {
        Box::pin(async { Ok(None) })
    }
    /// Whether recovery waits for replacements.
    fn removes(&self) -> bool {
        false
    }
}

/// The name of an undo in journals.
pub trait UndoKind: Serialize {
    /// The value of `kind`.
    const KIND: &'static str;
}

/// What journals store of an undo.
pub trait JournalEntry {
    /// Its kind.
    fn kind(&self) -> &'static str;
    /// Its fields.
    fn fields(&self) -> Value;
}

impl<T: UndoKind> JournalEntry for T {
    fn kind(&self) -> &'static str {
        T::KIND
    }

    fn fields(&self) -> Value {
        json!(self)
    }
}

/// The undo of one fault: data that is stored before the fault is injected, and that can be applied repeatedly and from
/// any machine. It never overwrites what someone else has changed since.
pub trait UndoAction: JournalEntry + fmt::Display + fmt::Debug + Send + Sync {
    /// The cluster it changes; none outside of clusters.
    fn cluster(&self) -> Option<&str>;
    /// Applies it.
    fn apply<'a>(&'a self, world: &'a World) -> BoxFuture<'a, Result<UndoOutcome, ProbeError>>;
    /// What is not restored and healthy yet; none if all is.
    fn missing<'a>(&'a self, world: &'a World) -> BoxFuture<'a, Result<Option<String>, ProbeError>>;
}

/// An undo, as a fault declares it.
pub type UndoData = Arc<dyn UndoAction>;

/// The result of an undo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UndoOutcome {
    /// The state of before is restored.
    Restored,
    /// The state was already as before.
    AlreadyRight,
    /// Someone else has changed it since the fault; their change was kept.
    ChangedByOthers(String),
    /// The object is gone, or was replaced by a new one of the same name.
    Gone,
}
