//! Faults, one file per kind, with their undo. A fault declares its undo as data before it is injected; the runner decides
//! when to inject and when to undo.

mod absence;
mod apply;
mod cluster_outage;
mod command;
mod control;
mod cordon;
mod create;
mod delete_pods;
mod drain;
mod evict_pods;
mod fields;
mod http_fault;
mod http_fault_undo;
mod isolate;
mod kind;
#[cfg(test)]
mod lab_tests;
mod none;
mod patch;
mod pod_targets;
mod population;
mod proxies;
mod role;
mod rollout_restart;
mod routes;
mod scale;
mod text_fields;
mod undo;
mod workload;

pub use apply::Apply;
pub use cluster_outage::ClusterOutage;
pub use command::CommandFault;
pub use cordon::Cordon;
pub use delete_pods::DeletePods;
pub use drain::Drain;
pub use evict_pods::EvictPods;
pub use fields::RUN_LABEL;
pub use http_fault::HttpFault;
pub use isolate::Isolate;
pub use kind::FaultKind;
pub use none::NoFault;
pub use patch::Patch;
pub use role::{
    BlastRadius, Effect, Fault, FaultBehavior, FaultError, FaultOptions, Replacement, UndoAction, UndoData, UndoKind,
    UndoOutcome,
};
use role::{SYSTEM, system_namespace_error};
pub use rollout_restart::RolloutRestart;
pub use scale::Scale;
pub use undo::Undo;
pub use workload::WorkloadResource;
