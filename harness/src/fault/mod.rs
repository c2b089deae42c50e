//! What can be broken on purpose, a file per kind, and how each is undone. A fault declares its undo, as data, before it
//! acts; when it acts and when it is undone is the runner's business.

mod command;
mod delete_pods;
mod kind;
mod none;
mod scale;
mod undo;

pub use command::CommandFault;
pub use delete_pods::DeletePods;
pub use kind::{Effect, Fault, FaultError, FaultKind, FaultRole, Options, Replacement};
pub use none::NoFault;
pub use scale::Scale;
pub use undo::{Undo, UndoOutcome, WorkloadResource};
