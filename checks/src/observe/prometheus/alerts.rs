//! Alerts as Prometheus sees them, and the Alertmanagers it sends them to.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::answer::{self, Answer, PrometheusError};

/// Where an alert or a rule stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertState {
    /// The expression gives nothing.
    Inactive,
    /// The expression gives something, not yet for as long as the rule wants.
    Pending,
    /// Firing.
    Firing,
    /// Not evaluated, or a state this version does not know.
    #[serde(other)]
    Unknown,
}

/// One alert. It carries no `external_labels`; those are added on the way out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Alert {
    /// Labels, `alertname` among them.
    pub labels: BTreeMap<String, String>,
    /// Annotations with their templates filled in.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    /// Pending or firing.
    pub state: AlertState,
    /// When it became pending, by Prometheus's clock.
    pub active_at: Option<Timestamp>,
    /// Value of the expression as written, such as `0e+00` or `+Inf`.
    #[serde(default)]
    pub value: String,
}

impl Alert {
    /// Its name.
    pub fn name(&self) -> &str {
        self.labels.get("alertname").map_or("", String::as_str)
    }

    /// The value of the expression.
    pub fn number(&self) -> Option<f64> {
        self.value.parse().ok()
    }
}

#[derive(Deserialize)]
struct AlertsData {
    alerts: Vec<Alert>,
}

/// Reads the answer of `/api/v1/alerts`: pending and firing ones.
pub fn parse_alerts(status: u16, body: &[u8]) -> Result<Answer<Vec<Alert>>, PrometheusError> {
    answer::open::<AlertsData>(status, body)?.map(|data| Ok(data.alerts))
}

/// URLs of the Alertmanagers that a Prometheus knows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Alertmanagers {
    /// Those it sends to. None means that no alert ever leaves.
    pub active: Vec<String>,
    /// Those it found and dropped.
    pub dropped: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AlertmanagersData {
    active_alertmanagers: Vec<Url>,
    #[serde(default)]
    dropped_alertmanagers: Vec<Url>,
}

#[derive(Deserialize)]
struct Url {
    url: String,
}

/// Reads the answer of `/api/v1/alertmanagers`.
pub fn parse_alertmanagers(status: u16, body: &[u8]) -> Result<Answer<Alertmanagers>, PrometheusError> {
    let urls = |list: Vec<Url>| list.into_iter().map(|u| u.url).collect();
    answer::open::<AlertmanagersData>(status, body)?.map(|data| {
        Ok(Alertmanagers { active: urls(data.active_alertmanagers), dropped: urls(data.dropped_alertmanagers) })
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_captures() {
        let body = include_bytes!("../../../tests/captures/prometheus/api_v1_alerts.json");
        let alerts = parse_alerts(200, body).unwrap().data;
        assert_eq!(alerts.len(), 6);
        assert_eq!((alerts[0].name(), alerts[0].state), ("IngressGatewayDown", AlertState::Pending));
        assert_eq!(alerts[0].number(), Some(0.0));
        assert_eq!(alerts[2].number(), Some(f64::INFINITY));
        assert_eq!(alerts[0].active_at.unwrap().to_string(), "2026-11-22T11:56:48.030171522Z");

        let body = include_bytes!("../../../tests/captures/prometheus/api_v1_alertmanagers.json");
        let managers = parse_alertmanagers(200, body).unwrap().data;
        assert_eq!((managers.active.len(), managers.dropped.len()), (1, 0));
    }

    #[test]
    fn a_detached_prometheus_is_not_an_error() {
        let body = br#"{"status":"success","data":{"activeAlertmanagers":[],"droppedAlertmanagers":[]}}"#;
        assert!(parse_alertmanagers(200, body).unwrap().data.active.is_empty());
        assert!(parse_alertmanagers(200, br#"{"status":"success","data":{}}"#).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(body in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(parse_alerts(200, &body).is_err() && parse_alertmanagers(200, &body).is_err());
        }
    }
}
