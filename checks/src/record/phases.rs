//! How long the phases of a request took.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Seconds that each phase of a request took; none for a phase that it did not have, such as the handshake of a connection
/// that was kept.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
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
    /// The names of the phases in their order, as people read them.
    pub const NAMES: [&'static str; 4] = ["dns", "connect", "tls", "first byte"];

    /// The phases in their order.
    pub const fn in_order(&self) -> [Option<f64>; 4] {
        [self.dns, self.connect, self.tls, self.first_byte]
    }
}
