//! What istiod's debug interface reports about its clusters and proxies.
//!
//! `clusterz` alone tells a remote secret with a dead token: istiod keeps the endpoints it knew, so the proxies show
//! nothing. A proxy whose acknowledged version is not the one sent is stale, which for a moment every proxy is.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Excerpt;

/// An answer that is not what the debug interface gives. Fits "failed to read …: ".
#[derive(Debug, thiserror::Error)]
#[error("not the JSON of {path} but {came}: {source}")]
pub struct IstiodError {
    path: &'static str,
    came: Excerpt,
    source: serde_json::Error,
}

/// One cluster that an istiod watches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchedCluster {
    /// Istio cluster id.
    pub id: String,
    /// `namespace/name` of its secret; empty for the istiod's own cluster.
    #[serde(rename = "secretName", default)]
    pub secret: String,
    /// How far the istiod has got with it.
    #[serde(rename = "syncStatus")]
    pub status: SyncStatus,
}

impl WatchedCluster {
    /// Whether it is the cluster the istiod runs in.
    pub fn is_local(&self) -> bool {
        self.secret.is_empty()
    }
}

/// How far an istiod has got with a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SyncStatus {
    /// Everything is read and watched.
    Synced,
    /// Not everything yet, or no longer: this is also what a dead token looks like.
    Syncing,
    /// It took too long; the istiod went on without it.
    Timeout,
    /// No longer watched.
    Closed,
    /// A status this version does not know.
    #[serde(untagged)]
    Other(String),
}

/// Reads `/debug/clusterz`.
pub fn parse_clusterz(body: &[u8]) -> Result<Vec<WatchedCluster>, IstiodError> {
    read(body, "/debug/clusterz")
}

/// Reads `/version`, such as `1.28.3-93248f9a-Clean`: the version without the revision and the state of its sources.
/// `None` for anything else.
pub fn parse_version(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?.trim();
    let mut parts = text.rsplitn(3, '-');
    let (state, _revision, version) = (parts.next()?, parts.next()?, parts.next()?);
    let known = matches!(state, "Clean" | "Modified" | "unknown");
    (known && version.starts_with(|c: char| c.is_ascii_digit())).then(|| version.to_owned())
}

/// Where one kind of configuration of a proxy stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum XdsState {
    /// The proxy acknowledged what was sent last.
    Synced,
    /// Nothing was sent; a proxy that needs none of this kind stays so.
    NotSent,
    /// Sent, and the proxy acknowledged an earlier version.
    Stale,
    /// Sent, and never acknowledged.
    NeverAcknowledged,
}

/// One kind of configuration of a proxy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Xds {
    /// Nonce sent last.
    pub sent: String,
    /// Nonce acknowledged last.
    pub acked: String,
    /// When it was sent, where the version reports it.
    pub sent_at: Option<Timestamp>,
}

impl Xds {
    /// Where it stands, as `istioctl proxy-status` has it.
    pub fn state(&self) -> XdsState {
        if self.sent.is_empty() {
            XdsState::NotSent
        } else if self.sent == self.acked {
            XdsState::Synced
        } else if self.acked.is_empty() {
            XdsState::NeverAcknowledged
        } else {
            XdsState::Stale
        }
    }
}

/// One proxy that is connected to an istiod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proxy {
    /// `pod.namespace`.
    pub name: String,
    /// Cluster it runs in.
    pub cluster: String,
    /// `sidecar`, `router`, `waypoint`, `ztunnel`; empty where the version does not tell.
    pub kind: String,
    /// Istio version of the proxy.
    pub version: String,
    /// Kinds of configuration by short name: `cluster`, `listener`, `route`, `endpoint`, and others as the type is called.
    pub xds: BTreeMap<String, Xds>,
}

impl Proxy {
    /// Name and state of every kind that is not acknowledged.
    pub fn stale(&self) -> impl Iterator<Item = (&str, XdsState)> {
        self.xds
            .iter()
            .map(|(name, xds)| (name.as_str(), xds.state()))
            .filter(|(_, state)| matches!(state, XdsState::Stale | XdsState::NeverAcknowledged))
    }

    /// Whether something was sent and all of it is acknowledged.
    pub fn is_synced(&self) -> bool {
        self.xds.values().any(|xds| xds.state() == XdsState::Synced) && self.stale().next().is_none()
    }
}

#[derive(Deserialize)]
struct RawProxy {
    #[serde(default)]
    cluster_id: String,
    proxy: String,
    #[serde(default)]
    proxy_type: String,
    #[serde(default)]
    istio_version: String,
    #[serde(default)]
    resources: BTreeMap<String, RawResource>,
    #[serde(flatten)]
    rest: BTreeMap<String, serde_json::Value>,
}

#[derive(Deserialize)]
struct RawResource {
    #[serde(default)]
    sent: String,
    #[serde(default)]
    acked: String,
    #[serde(rename = "sentTime")]
    sent_time: Option<String>,
}

/// Reads `/debug/syncz`.
pub fn parse_syncz(body: &[u8]) -> Result<Vec<Proxy>, IstiodError> {
    let raw: Vec<RawProxy> = read(body, "/debug/syncz")?;
    Ok(raw.into_iter().map(RawProxy::into_proxy).collect())
}

impl RawProxy {
    fn into_proxy(self) -> Proxy {
        let mut xds = BTreeMap::new();
        // The flat fields are older and know fewer kinds; where both are there they say the same.
        for (key, value) in &self.rest {
            if let (Some(name), Some(sent)) = (key.strip_suffix("_sent"), value.as_str()) {
                let acked = self.rest.get(&format!("{name}_acked")).and_then(|v| v.as_str()).unwrap_or_default();
                let known = Xds { sent: sent.to_owned(), acked: acked.to_owned(), sent_at: None };
                xds.insert(name.to_owned(), known);
            }
        }
        for (url, resource) in self.resources {
            let sent_at = resource.sent_time.and_then(|at| at.parse().ok());
            xds.insert(short(&url), Xds { sent: resource.sent, acked: resource.acked, sent_at });
        }
        Proxy { name: self.proxy, cluster: self.cluster_id, kind: self.proxy_type, version: self.istio_version, xds }
    }
}

/// `type.googleapis.com/envoy.config.cluster.v3.Cluster` is `cluster`.
fn short(url: &str) -> String {
    match url.rsplit('.').next().unwrap_or(url) {
        "Cluster" => "cluster".to_owned(),
        "Listener" => "listener".to_owned(),
        "RouteConfiguration" => "route".to_owned(),
        "ClusterLoadAssignment" => "endpoint".to_owned(),
        other => other.to_owned(),
    }
}

/// A list; Go writes an empty one as `null`.
fn read<T: serde::de::DeserializeOwned>(body: &[u8], path: &'static str) -> Result<Vec<T>, IstiodError> {
    serde_json::from_slice::<Option<Vec<T>>>(body).map(Option::unwrap_or_default).map_err(|source| IstiodError {
        path,
        came: Excerpt::of(body),
        source,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_captures() {
        let clusters = parse_clusterz(include_bytes!("../../tests/captures/istiod/clusterz.json")).unwrap();
        assert_eq!(clusters.len(), 2);
        assert!(clusters[0].is_local() && !clusters[1].is_local());
        assert!(clusters.iter().all(|c| c.status == SyncStatus::Synced));

        let proxies = parse_syncz(include_bytes!("../../tests/captures/istiod/syncz_head.json")).unwrap();
        assert_eq!(proxies.len(), 2);
        assert_eq!((proxies[0].version.as_str(), proxies[0].kind.as_str()), ("1.31-dev", "sidecar"));
        assert_eq!(proxies[0].xds.keys().collect::<Vec<_>>(), ["cluster", "endpoint", "listener", "route"]);
        assert!(proxies[0].xds["route"].sent_at.is_some());
        assert!(proxies.iter().all(Proxy::is_synced));
    }

    #[test]
    fn versions_stand_before_revision_and_state() {
        assert_eq!(parse_version(b"1.31-dev-unknown-Clean").as_deref(), Some("1.31-dev"), "of a real istiod");
        assert_eq!(parse_version(b"1.28.3-93248f9a-Modified\n").as_deref(), Some("1.28.3"));
        for other in
            [&b"404 page not found\n"[..], b"1.28.3", b"unknown-unknown-unknown", b"<html>1-2-3</html>", b"\xff"]
        {
            assert_eq!(parse_version(other), None);
        }
    }

    #[test]
    fn every_state_is_told_apart() {
        let body = br#"[{"proxy":"a.b","cluster_sent":"2","cluster_acked":"1","listener_sent":"3","listener_acked":"",
            "route_sent":"","endpoint_sent":"4","endpoint_acked":"4"}]"#;
        let proxy = &parse_syncz(body).unwrap()[0];
        let stale: Vec<_> = proxy.stale().collect();
        assert_eq!(stale, [("cluster", XdsState::Stale), ("listener", XdsState::NeverAcknowledged)]);
        assert_eq!((proxy.xds["route"].state(), proxy.xds["endpoint"].state()), (XdsState::NotSent, XdsState::Synced));
        assert!(!proxy.is_synced());
        let silent = &parse_syncz(br#"[{"proxy":"a.b"}]"#).unwrap()[0];
        assert!(!silent.is_synced(), "nothing sent is not in sync");
    }

    #[test]
    fn unknown_states_and_error_pages() {
        let clusters =
            parse_clusterz(br#"[{"id":"a","syncStatus":"syncing"},{"id":"b","syncStatus":"waking"}]"#).unwrap();
        assert_eq!(clusters[0].status, SyncStatus::Syncing);
        assert_eq!(clusters[1].status, SyncStatus::Other("waking".to_owned()));
        assert!(parse_syncz(b"null").unwrap().is_empty());
        let error = parse_syncz(b"404 page not found\n").unwrap_err();
        assert!(error.to_string().starts_with("not the JSON of /debug/syncz but text that begins with"), "{error}");
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(body in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = (parse_clusterz(&body), parse_syncz(&body));
        }

        #[test]
        fn a_damaged_capture_is_survived(at in 0usize..3_800, byte in any::<u8>()) {
            let mut body = include_bytes!("../../tests/captures/istiod/syncz_head.json").to_vec();
            body[at] = byte;
            let _ = parse_syncz(&body);
        }
    }
}
