//! What several meshes are built of.

pub(crate) mod charts;
pub(crate) mod gateway;
pub(crate) mod istio;
pub(crate) mod kubernetes;
pub(crate) mod monitoring;
pub(crate) mod operator;
pub(crate) mod remote;
pub(crate) mod shop;
pub(crate) mod workload;
