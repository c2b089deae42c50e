//! `/server_info`: the identity that a proxy got when it started.

use serde::Deserialize;

use super::EnvoyError;
use crate::observe::Excerpt;

/// The identity of a proxy; empty where it has none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerInfo {
    /// Version of Istio, not of Envoy.
    pub istio_version: String,
    /// Istio cluster id.
    pub cluster_id: String,
    /// Network.
    pub network: String,
    /// Mesh id.
    pub mesh_id: String,
}

#[derive(Deserialize)]
struct Raw {
    /// Every Envoy names it; without it the answer is another program's.
    #[serde(rename = "version")]
    _envoy: String,
    #[serde(default)]
    node: Node,
}

#[derive(Deserialize, Default)]
struct Node {
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE", default)]
struct Metadata {
    istio_version: String,
    cluster_id: String,
    network: String,
    mesh_id: String,
}

/// Reads `/server_info`.
pub fn parse_server_info(body: &[u8]) -> Result<ServerInfo, EnvoyError> {
    let raw: Raw = serde_json::from_slice(body).map_err(|source| EnvoyError::NotJson {
        path: "/server_info",
        came: Excerpt::of(body),
        source,
    })?;
    let Metadata { istio_version, cluster_id, network, mesh_id } = raw.node.metadata;
    Ok(ServerInfo { istio_version, cluster_id, network, mesh_id })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_real_sidecar_knows_who_it_is() {
        let info =
            parse_server_info(include_bytes!("../../../tests/captures/envoy/server_info_real_istio.json")).unwrap();
        assert_eq!((info.istio_version.as_str(), info.cluster_id.as_str()), ("1.31-dev", "primary-cluster"));
        assert_eq!((info.network.as_str(), info.mesh_id.as_str()), ("primary-network", "oke-mesh"));
    }

    #[test]
    fn what_is_not_told_is_empty_and_other_answers_are_errors() {
        let bare = br#"{"version":"0/1.36.3/Clean/RELEASE/BoringSSL","state":"LIVE"}"#;
        assert_eq!(parse_server_info(bare).unwrap(), ServerInfo::default());
        for body in [&b"{}"[..], b"<html>", b"", br#"{"version":"1","node":{"metadata":{"NETWORK":1}}}"#] {
            assert!(parse_server_info(body).is_err(), "{}", String::from_utf8_lossy(body));
        }
    }
}
