//! What proxies and istiod report about themselves: Envoy's admin interface, the agent's ports, istiod's debug pages.

mod clusters;
mod dump;
mod format;
pub(crate) mod istiod;
mod ports;
mod stats;

pub(crate) use ports::answer;
