//! Istio: what istiod makes of the clusters' objects, and what each proxy does with it.

pub(crate) mod balance;
pub(crate) mod config;
pub(crate) mod istiod;
pub(crate) mod proxy;
pub(crate) mod registry;
pub(crate) mod snapshot;
