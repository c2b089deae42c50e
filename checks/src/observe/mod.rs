//! Parsers of what was observed: one folder per program that answered.
//!
//! They give facts and never verdicts, do no I/O, and never take an error page for an empty answer: a body that is not
//! what was asked for is an error that says what came instead.

pub mod alertmanager;
pub mod analysis;
pub mod certs;
mod cidr;
pub mod envoy;
mod excerpt;
pub mod gateways;
pub mod istiod;
pub mod kube;
pub mod ping;
pub mod prometheus;
pub mod promql;
pub mod routing;

pub use cidr::{Cidr, NotCidr};
pub use excerpt::Excerpt;
