//! The state of the lab: its clusters and pods, and what is due when. Nothing here makes anything happen: see [`crate::engine`].

mod api_mode;
mod cluster;
mod event;
mod ident;
mod pod;
mod pod_quirk;
mod quirks;
mod state;
mod uid;
mod versions;

pub(crate) use api_mode::ApiMode;
pub(crate) use cluster::Cluster;
pub(crate) use event::{Event, Scheduled};
pub(crate) use ident::{ClusterNames, Ident};
pub(crate) use pod::{Backend, Broken, Life, Pod, Role, Stage};
pub(crate) use pod_quirk::PodQuirk;
pub(crate) use quirks::{CriticalRoute, Discovery, Federation, ONCALL, Quirks};
pub(crate) use state::World;
pub(crate) use uid::Uid;
pub(crate) use versions::{ISTIO, KUBERNETES};
