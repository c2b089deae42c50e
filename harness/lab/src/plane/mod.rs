//! The data plane: addresses, connections, proxies forwarding requests, and the applications that answer them.

pub(crate) mod apps;
pub(crate) mod call;
pub(crate) mod connect;
pub(crate) mod echo;
pub(crate) mod forward;
pub(crate) mod latency;
mod links;
pub(crate) mod listen;
pub(crate) mod metrics;
pub(crate) mod reach;
pub(crate) mod resolve;
pub(crate) mod stream;

pub(crate) use links::{Link, Links};
