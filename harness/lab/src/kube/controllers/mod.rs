//! The controllers of Kubernetes, one file each.

pub(crate) mod deployment;
pub(crate) mod endpoints;
pub(crate) mod garbage;
pub(crate) mod hpa;
pub(crate) mod job;
pub(crate) mod pdb;
pub(crate) mod replicaset;
pub(crate) mod service;
