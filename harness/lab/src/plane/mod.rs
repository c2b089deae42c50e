//! The data plane: addresses, connections, proxies that forward requests, and the applications that answer them.

mod application;
pub(crate) mod apps;
pub(crate) mod call;
mod connect;
mod connection;
pub(crate) mod dial;
pub(crate) mod echo;
mod forward;
mod latency;
mod links;
pub(crate) mod listen;
pub(crate) mod metrics;
pub(crate) mod programs;
pub(crate) mod reach;
pub(crate) mod resolve;
pub(crate) mod stream;

pub(crate) use links::{Link, Links};
