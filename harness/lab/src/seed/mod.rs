//! The mesh as it is when the lab starts: its objects, and an hour of history.

mod boot;
mod build;
mod mesh_seed;
mod meshes;
mod pki;
mod put;

pub(crate) use boot::{boot, outline};
