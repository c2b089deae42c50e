//! Scenario files as written. Decides nothing and contacts nothing.

mod aliases;
mod bindings;
mod explain;
mod load;
mod names;
mod placeholders;
mod references;
mod scenario;
mod schema;
mod signing;
mod sla;

pub use aliases::alias_clashes;
pub use bindings::{Binding, bindings};
pub use explain::{explain, kinds};
pub use load::{Loaded, ScenarioSource, load_mesh, load_mesh_to_update, load_scenario, parse_mesh, read_scenario};
pub use names::names;
pub use references::remove_unknown;
pub use scenario::{API_VERSION, CheckSpec, FaultSpec, Repeat, ScenarioFile, Stage};
pub use schema::{attestations_schema, findings_schema, mesh_schema, scenario_schema, sign_off_schema};
pub use signing::{
    AttestationsFile, FindingSpec, FindingsFile, RequireRow, SignOffFile, check_signing, load_attestations,
    load_findings, load_sign_off,
};
pub use sla::SlaRow;
