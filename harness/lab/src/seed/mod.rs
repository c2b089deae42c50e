//! The mesh as it is when the lab starts: the objects that the quick-start guide's set-up leaves behind, and an hour of history.

mod apps;
mod boot;
mod istio;
mod kubernetes;
mod observability;
mod pki;
mod put;

pub(crate) use boot::{boot, outline};
