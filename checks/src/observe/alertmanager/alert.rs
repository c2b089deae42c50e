//! Alerts that an Alertmanager has received and still holds. Resolved ones are gone from the list.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::AlertmanagerError;

/// What happens to an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertState {
    /// Its receivers are notified.
    Active,
    /// It is silenced or inhibited: no receiver is notified.
    Suppressed,
    /// Not decided yet.
    #[serde(other)]
    Unprocessed,
}

/// One alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReceivedAlert {
    /// Labels, Prometheus's external labels among them.
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
    /// What happens to it.
    pub state: AlertState,
    /// Ids of the silences that suppress it.
    pub silenced_by: Vec<String>,
    /// Fingerprints of the alerts that suppress it.
    pub inhibited_by: Vec<String>,
    /// Names of the receivers it is routed to.
    pub receivers: Vec<String>,
    /// When the rule began to fire, not when it became pending.
    pub starts_at: Timestamp,
    /// When it expires unless Prometheus sends it again: not when it was resolved.
    pub ends_at: Timestamp,
    /// When it was last sent.
    pub updated_at: Timestamp,
    /// What identifies its labels.
    pub fingerprint: String,
}

impl ReceivedAlert {
    /// Its name.
    pub fn name(&self) -> &str {
        self.labels.get("alertname").map_or("", String::as_str)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    status: RawStatus,
    #[serde(default)]
    receivers: Vec<Named>,
    starts_at: Timestamp,
    ends_at: Timestamp,
    updated_at: Timestamp,
    #[serde(default)]
    fingerprint: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawStatus {
    state: AlertState,
    #[serde(default)]
    silenced_by: Vec<String>,
    #[serde(default)]
    inhibited_by: Vec<String>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

/// Reads `/api/v2/alerts`.
pub fn parse_alerts(status: u16, body: &[u8]) -> Result<Vec<ReceivedAlert>, AlertmanagerError> {
    let raw: Vec<Raw> = super::read(status, body)?;
    Ok(raw
        .into_iter()
        .map(|raw| ReceivedAlert {
            labels: raw.labels,
            annotations: raw.annotations,
            state: raw.status.state,
            silenced_by: raw.status.silenced_by,
            inhibited_by: raw.status.inhibited_by,
            receivers: raw.receivers.into_iter().map(|r| r.name).collect(),
            starts_at: raw.starts_at,
            ends_at: raw.ends_at,
            updated_at: raw.updated_at,
            fingerprint: raw.fingerprint,
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_capture() {
        let alerts = parse_alerts(200, include_bytes!("../../../tests/captures/alertmanager/alerts.json")).unwrap();
        assert_eq!(alerts.len(), 6);
        assert_eq!((alerts[0].name(), alerts[0].state), ("HighConnectionPoolUsage", AlertState::Active));
        assert_eq!(alerts[0].receivers, ["warning"]);
        assert_eq!(alerts[0].labels["cluster"], "primary-cluster");
        assert_eq!(alerts[0].starts_at.to_string(), "2026-11-22T12:00:18.03Z");
    }

    #[test]
    fn a_silenced_alert_tells_nobody() {
        let body = br#"[{"labels":{"alertname":"A"},"status":{"state":"suppressed","silencedBy":["s1"],"inhibitedBy":[]},
            "startsAt":"2026-11-22T12:00:18.030Z","endsAt":"2026-11-22T12:04:18.030Z","updatedAt":"2026-11-22T12:00:18.030Z"}]"#;
        let alert = &parse_alerts(200, body).unwrap()[0];
        assert_eq!((alert.state, &alert.silenced_by[..]), (AlertState::Suppressed, &["s1".to_owned()][..]));
        assert!(parse_alerts(200, b"[]").unwrap().is_empty());
    }
}
