//! What every kind of fault can do: describe itself, find its targets, declare its undo, act, and prove its effect.

use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;
use meshdrill_checks::units::{Ratio, TimeSpan};
use serde_json::Value;

use crate::cluster::{AccessError, Permission, World};
use crate::format::MeshSpec;
use crate::probe::{ProbeError, SpecError};

/// Why a fault could not be resolved or injected.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FaultError {
    /// Nothing to break.
    #[error("no target: {0}")]
    NoTarget(String),
    /// The target is already as the fault would make it.
    #[error("nothing to change: {0}")]
    NothingToChange(String),
    /// The cluster could not be asked.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// It must not be done.
    #[error("refused: {0}")]
    Refused(String),
    /// Something else.
    #[error("{0}")]
    Other(String),
}

impl FaultError {
    /// The target could not be read: there is none, or the cluster could not be asked.
    pub(super) fn missing(error: AccessError) -> Self {
        if error.is_not_found() { Self::NoTarget(error.to_string()) } else { Self::Access(error) }
    }
}

/// The namespace of the cluster itself.
pub(super) const SYSTEM: &str = "kube-system";

/// The error about a target in the namespace of the cluster itself.
pub(super) fn system_namespace_error(
    key: &'static str,
    namespace: Option<&str>,
    help: &'static str,
) -> Option<SpecError> {
    (namespace == Some(SYSTEM)).then(|| SpecError::new(key, format!("{SYSTEM} is never broken"), help))
}

/// Whether a fault was seen to take hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// It did; what proves it.
    Seen(String),
    /// Not yet; what is looked for.
    NotYet(String),
    /// It cannot; why.
    Never(String),
}

/// A removed target whose replacement is ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replacement {
    /// The object removed.
    pub target: String,
    /// The object that took its place.
    pub by: String,
}

/// The blast radius, where it stands beside a kind in the file instead of in it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct BlastRadius {
    /// The grace period of deletions.
    pub grace: Option<TimeSpan>,
    /// This many of the matching objects.
    pub count: Option<usize>,
    /// This share of the matching objects, at least one.
    pub percent: Option<Ratio>,
}

impl BlastRadius {
    /// A error about every key that is given.
    fn misplaced(&self) -> Vec<SpecError> {
        let given =
            [("grace", self.grace.is_some()), ("count", self.count.is_some()), ("percent", self.percent.is_some())];
        let given = given.into_iter().filter(|(_, given)| *given);
        given
            .map(|(key, _)| SpecError::new(key, format!("`{key}` applies to faults that select pods"), "remove it"))
            .collect()
    }
}

/// What only a run knows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FaultOptions {
    /// Picks objects where not all of them are meant.
    pub seed: u64,
    /// The run's id, for the labels of what a fault makes.
    pub run: String,
}

/// What a kind of fault can tell about itself before anything is contacted.
pub trait FaultBehavior {
    /// What it breaks, in words.
    fn describe(&self) -> String;
    /// Whether it lasts until it is undone.
    fn sustained(&self) -> bool;
    /// Whether it removes pods that something may replace.
    fn selects_pods(&self) -> bool {
        false
    }
    /// Takes the blast radius that stands beside it. What cannot be taken is wrong.
    fn apply_blast_radius(&mut self, radius: BlastRadius) -> Vec<SpecError> {
        radius.misplaced()
    }
    /// Whether its effect cannot be seen without a declared `effect:` check.
    fn needs_effect_check(&self) -> bool {
        false
    }
    /// Whether it looks at every cluster of the mesh, not only at those it names.
    fn needs_all_clusters(&self) -> bool {
        false
    }
    /// What is wrong with its keys.
    fn spec_errors(&self) -> Vec<SpecError>;
    /// What it must be permitted, for the act and for the undo.
    fn permissions(&self, _: &MeshSpec) -> Vec<Permission>;
    /// Finds its targets in the live cluster. No target is an error.
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
    /// How it is undone: data, known before the act.
    fn undo(&self) -> Vec<UndoData>;
    /// Things about the target that a reader should know, such as who else scales it.
    fn remarks(&self) -> Vec<String> {
        Vec::new()
    }
    /// Proves that the cluster would accept it, without doing it.
    fn dry_run(&self) -> BoxFuture<'_, Result<(), FaultError>> {
        Box::pin(async { Ok(()) })
    }
    /// Does it. An attempt that timed out counts as done.
    fn inject(&self) -> BoxFuture<'_, Result<(), FaultError>>;
    /// Goes on with what could not be done at once; called until the effect is seen.
    fn retry(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
    /// Looks once whether it took hold.
    fn effect(&self) -> BoxFuture<'_, Effect>;
    /// The targets that are replaced so far. Empty for faults that remove nothing.
    fn replacements(&self) -> BoxFuture<'_, Result<Vec<Replacement>, FaultError>> {
        Box::pin(async { Ok(Vec::new()) })
    }
    /// Whether replacements are to be waited for.
    fn removes(&self) -> bool {
        false
    }
}

/// The undo of one act: data that is written before the act and replayed as often as need be, from any machine. "Make it
/// so", and never overwrite what someone else has set since.
pub trait UndoAction: fmt::Display + fmt::Debug + Send + Sync {
    /// Its name in journals.
    fn kind(&self) -> &'static str;
    /// Its fields in journals.
    fn fields(&self) -> Value;
    /// The cluster it acts on; none outside of clusters.
    fn cluster(&self) -> Option<&str>;
    /// Replays it.
    fn apply<'a>(&'a self, world: &'a World) -> BoxFuture<'a, Result<UndoOutcome, ProbeError>>;
    /// Looks whether what it restores is there and working: none if so, otherwise what is missing.
    fn missing<'a>(&'a self, world: &'a World) -> BoxFuture<'a, Result<Option<String>, ProbeError>>;
}

/// An undo, as a fault declares it.
pub type UndoData = Arc<dyn UndoAction>;

/// What an undo found and did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UndoOutcome {
    /// It restored what was there before.
    Restored,
    /// It was already as before.
    AlreadyRight,
    /// Someone else has changed it since; it was left as they set it.
    ChangedByOthers(String),
    /// The object is gone, or another one has its name.
    Gone,
}
