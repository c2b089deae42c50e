//! Status of an Alertmanager.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{AlertmanagerError, Config};

/// How its cluster is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClusterState {
    /// The peers agree.
    Ready,
    /// They do not yet; notifications may wait.
    Settling,
    /// It stands alone by configuration, which is fine for one replica.
    Disabled,
    /// A state this version does not know.
    #[serde(untagged)]
    Other(String),
}

/// Status of an Alertmanager.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// How its cluster is.
    pub cluster: ClusterState,
    /// Number of peers it knows.
    pub peers: usize,
    /// Its version.
    pub version: String,
    /// Since when it runs.
    pub running_since: Option<Timestamp>,
    /// Its configuration as YAML, secrets blanked out.
    pub original: String,
}

impl Status {
    /// Reads its configuration.
    pub fn config(&self) -> Result<Config, AlertmanagerError> {
        Config::parse(&self.original)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    cluster: RawCluster,
    config: RawConfig,
    #[serde(default)]
    version_info: VersionInfo,
    uptime: Option<String>,
}

#[derive(Deserialize)]
struct RawCluster {
    status: ClusterState,
    #[serde(default)]
    peers: Vec<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct RawConfig {
    original: String,
}

#[derive(Default, Deserialize)]
struct VersionInfo {
    #[serde(default)]
    version: String,
}

/// Reads `/api/v2/status`.
pub fn parse_status(status: u16, body: &[u8]) -> Result<Status, AlertmanagerError> {
    let raw: Raw = super::read(status, body)?;
    Ok(Status {
        cluster: raw.cluster.status,
        peers: raw.cluster.peers.len(),
        version: raw.version_info.version,
        running_since: raw.uptime.and_then(|at| at.parse().ok()),
        original: raw.config.original,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_capture() {
        let body = include_bytes!("../../../tests/captures/alertmanager/status.json");
        let status = parse_status(200, body).unwrap();
        assert_eq!((&status.cluster, status.peers, status.version.as_str()), (&ClusterState::Disabled, 0, "0.25.0"));
        let config = status.config().unwrap();
        assert_eq!((config.receivers.len(), config.route.receiver.as_str()), (3, "default"));
        assert_eq!(config.route.group_wait, Duration::from_secs(10));
    }
}
