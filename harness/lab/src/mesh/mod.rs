//! Istio: what istiod computes from the objects of the clusters, and what each proxy does with it.

pub(crate) mod balance;
mod build;
pub(crate) mod control;
pub(crate) mod destination_rule;
pub(crate) mod gateway_routes;
pub(crate) mod hosts;
pub(crate) mod istiod;
pub(crate) mod mutual_tls;
pub(crate) mod proxy;
pub(crate) mod push;
mod registry;
pub(crate) mod snapshot;
mod view;
pub(crate) mod virtual_service;
