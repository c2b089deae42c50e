//! TLS options of probes and of monitoring APIs.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// TLS options. Files are relative to the working directory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TlsSpec {
    /// The server name to send (SNI) and to verify.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sni: Option<String>,
    /// A PEM file with the only trusted roots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// A PEM file with the client certificate, and the certificates between it and its CA. Needs `key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert: Option<PathBuf>,
    /// A PEM file with the key of the client certificate. Needs `cert`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
    /// Whether to skip the verification of the certificate.
    #[serde(default)]
    pub insecure: bool,
}

impl TlsSpec {
    /// The key that is missing beside another, and that one.
    pub fn lacks(&self) -> Option<(&'static str, &'static str)> {
        match (&self.cert, &self.key) {
            (Some(_), None) => Some(("key", "cert")),
            (None, Some(_)) => Some(("cert", "key")),
            _ => None,
        }
    }
}
