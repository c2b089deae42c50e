//! What one Envoy reports about its upstream clusters: `/clusters` as text or JSON, `/config_dump` (endpoints and
//! routes), and `/server_info`.
//!
//! Presence is not health and health is not flow: the endpoint list of a dead gateway looks healthy until requests fail.
//! [`flow`] compares two snapshots for that. Which cluster of the mesh owns an endpoint is [`owner`]'s.

mod address;
mod answer;
mod clusters;
pub mod config_dump;
mod dump;
pub mod flow;
mod health;
mod json;
mod name;
pub mod owner;
pub mod routes;
mod server_info;
mod text;

pub use address::Address;
pub use answer::parse;
pub use clusters::{Cluster, Clusters, Host, Limits, Locality, Outlier, Select, Stats};
pub use health::{Flag, Health, HealthClass};
pub use json::parse_json;
pub use name::{Direction, ServiceName};
pub use server_info::{ServerInfo, parse_server_info};
pub use text::parse_text;

use super::Excerpt;

/// A body that is not what the admin interface of an Envoy answers. Fits "failed to read …: ".
#[derive(Debug, thiserror::Error)]
pub enum EnvoyError {
    /// Not one line has the form of `/clusters`.
    #[error("not the text of /clusters but {0}")]
    NotClusters(Excerpt),
    /// JSON that does not parse, or not of the expected shape.
    #[error("not the JSON of {path} but {came}: {source}")]
    NotJson {
        /// The admin path that was asked.
        path: &'static str,
        /// What came instead.
        came: Excerpt,
        /// Where it went wrong.
        source: serde_json::Error,
    },
}
