//! Scenario files as written. Decides nothing and contacts nothing.

mod explain;
mod load;
mod names;
mod placeholders;
mod scenario;
mod schema;
mod sla;

pub use explain::{explain, kinds};
pub use load::{Loaded, ScenarioSource, load_mesh, load_scenario, parse_mesh, read_scenario};
pub use names::{Binding, DEFAULT_VARS, names};
pub use scenario::{API_VERSION, CheckSpec, FaultSpec, Repeat, ScenarioFile, Stage};
pub use schema::{mesh_schema, scenario_schema};
pub use sla::SlaRow;
