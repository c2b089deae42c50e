//! What can be broken on purpose, a file per kind, and how each is undone. A fault declares its undo, as data, before it
//! acts; when it acts and when it is undone is the runner's business.

mod command;
mod cordon;
mod delete_pods;
mod evict_pods;
mod fields;
mod kind;
mod none;
mod patch;
mod pod_targets;
mod rollout_restart;
mod scale;
mod undo;

pub use command::CommandFault;
pub use cordon::Cordon;
pub use delete_pods::DeletePods;
pub use evict_pods::EvictPods;
pub use kind::{Effect, Fault, FaultError, FaultKind, FaultRole, Options, Replacement};
pub use none::NoFault;
pub use patch::Patch;
pub use rollout_restart::RolloutRestart;
pub use scale::Scale;
pub use undo::{Undo, UndoOutcome, WorkloadResource};
