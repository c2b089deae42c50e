//! Observations: what can be asked of a mesh, a file per kind. The same kinds serve as probes (sampled on a schedule)
//! and as checks (asked once or polled); the schedule owns time, a kind makes one observation.

mod admin;
mod command;
mod deployment;
mod envoy_endpoints;
mod envoy_stats;
mod exec;
mod expect;
mod federation;
mod http;
mod kind;
mod mesh_sync;
mod metrics;
mod nodes;
mod outcome;
mod ping;
mod pods;
mod promql;
mod resource;
mod service;
mod tcp;
mod via;

pub use command::Command;
pub use deployment::Deployment;
pub use envoy_endpoints::EnvoyEndpoints;
pub use envoy_stats::EnvoyStats;
pub use exec::Exec;
pub use expect::{JsonExpect, TextExpect};
pub use federation::Federation;
pub use http::{Connection, Http, HttpExpect, Responder, TlsSpec};
pub use kind::{Complaint, Kind, Observer, Permission, ProbeKind, Role, Timing};
pub use mesh_sync::MeshSync;
pub use metrics::Metrics;
pub use nodes::Nodes;
pub use outcome::{Answer, CannotAsk, Outcome};
pub use ping::Ping;
pub use pods::Pods;
pub use promql::Promql;
pub use resource::Resource;
pub use service::Service;
pub use tcp::Tcp;
pub use via::Via;
