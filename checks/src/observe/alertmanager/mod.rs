//! What an Alertmanager answers: its status and configuration, alerts and silences.
//!
//! An alert that fires in Prometheus reaches nobody if it is silenced here, if no receiver is notified, or if the receiver is
//! the Alertmanager itself. All of these are facts to read, none is an error.

mod alert;
mod config;
mod delivery;
mod expected;
mod interval;
mod matchers;
mod notifications;
mod silence;
mod status;

pub use alert::{AlertState, ReceivedAlert, parse_alerts};
pub use config::{Config, Destination, InhibitRule, Integration, Receiver, Route, Waits};
pub use delivery::{Delivery, DeliveryContext, DeliveryReach};
pub use expected::{ExpectedLabels, OpenLabels};
pub use interval::{TimeInterval, UnknownZone};
pub use notifications::{Notifications, Notified};
pub use silence::{Matcher, Silence, SilenceState, parse_silences};
pub use status::{ClusterState, Status, parse_status};

use serde::de::DeserializeOwned;

use super::Excerpt;

/// An answer that is not what an Alertmanager gives. Fits "failed to read …: ".
#[derive(Debug, thiserror::Error)]
pub enum AlertmanagerError {
    /// Something else answered, or it refused.
    #[error("answered {status} with {came}")]
    NotAlertmanager {
        /// HTTP status.
        status: u16,
        /// What came instead.
        came: Excerpt,
    },
    /// Its configuration could not be read.
    #[error("its configuration is not understood: {0}")]
    Config(String),
}

fn read<T: DeserializeOwned>(status: u16, body: &[u8]) -> Result<T, AlertmanagerError> {
    let refused = || AlertmanagerError::NotAlertmanager { status, came: Excerpt::of(body) };
    if !(200..300).contains(&status) {
        return Err(refused());
    }
    serde_json::from_slice(body).map_err(|_| refused())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_refusal_says_what_came() {
        let error = parse_alerts(400, br#""bad matcher format: alertname=""#).unwrap_err();
        assert_eq!(error.to_string(), "answered 400 with text that begins with `\"bad matcher format: alertname=\"`");
        assert!(parse_silences(502, b"<html></html>").unwrap_err().to_string().contains("an HTML page"));
        assert!(parse_status(200, b"{}").is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(body in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = (parse_alerts(200, &body), parse_silences(200, &body), parse_status(200, &body));
        }

        #[test]
        fn a_damaged_status_is_survived(at in 0usize..1_740, byte in any::<u8>()) {
            let mut body = include_bytes!("../../../tests/captures/alertmanager/status.json").to_vec();
            body[at] = byte;
            if let Ok(status) = parse_status(200, &body) {
                let _ = status.config();
            }
        }

        #[test]
        fn any_configuration_is_survived(text in "[a-z:\\- \n\"'&*\\[\\]{}0-9]{0,120}") {
            let _ = Config::parse(&text);
        }
    }
}
