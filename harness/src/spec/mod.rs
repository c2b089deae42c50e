//! The file format: what a scenario and a mesh file say, as written. Decides nothing and contacts nothing.

mod choice;
mod comparison;
mod explain;
mod load;
mod mesh;
mod names;
mod scenario;
mod schema;
mod selector;
mod sla;

pub use choice::ClusterChoice;
pub use comparison::Comparison;
pub use explain::{explain, kinds};
pub use load::{Loaded, ScenarioSource, load_mesh, load_scenario, parse_mesh, read_scenario};
pub use mesh::{
    ClusterExpect, ClusterSpec, FaultPermission, MeshExpect, MeshFile, MeshMetadata, MeshSpec, OciResources, Scalar,
    Waiver, guide_sla,
};
pub use names::{Binding, DEFAULT_VARS, names};
pub use scenario::{
    API_VERSION, CheckSpec, FaultSpec, ForEach, Metadata, ProbeSpec, Repeat, ScenarioFile, ScenarioSpec, Stage,
};
pub use schema::{mesh_schema, scenario_schema};
pub use selector::{Selector, SelectorError};
pub use sla::SlaRow;
