//! What can be wrong with the mesh. A defect changes the model or its objects while the lab starts; the consequences follow from
//! the model. One file per group, by what the defects break.

mod alerting;
mod api;
mod change;
mod control_plane;
mod defect;
mod find;
mod gateway_api;
mod gateways;
mod identity;
mod info;
mod monitoring;
mod network;
mod nodes;
mod plant;
mod routing;
mod row;
mod table;
mod workloads;

pub use defect::{Defect, DefectError};
pub use info::DefectInfo;
pub(crate) use plant::DefectPlan;
