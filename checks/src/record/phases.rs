//! How long the phases of a request took.

use serde::{Deserialize, Serialize};

/// Seconds that each phase of a request took; none for a phase that it did not have, such as the handshake of a connection
/// that was kept.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestPhases {
    /// The lookup of the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns: Option<f64>,
    /// The TCP connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect: Option<f64>,
    /// The TLS handshake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<f64>,
    /// From the request being sent to the head of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_byte: Option<f64>,
}

impl RequestPhases {
    /// The phases in their order, by the name that people read.
    pub const fn named(&self) -> [(&'static str, Option<f64>); 4] {
        [("dns", self.dns), ("connect", self.connect), ("tls", self.tls), ("first byte", self.first_byte)]
    }
}
