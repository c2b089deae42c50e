//! A request and its answer inside the lab. Bodies are complete; only the API streams.

use bytes::Bytes;

/// A request.
#[derive(Debug, Clone)]
pub(crate) struct HttpCall {
    pub(crate) method: http::Method,
    /// Path and query.
    pub(crate) path: String,
    /// Header names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
}

impl HttpCall {
    pub(crate) fn get(path: &str) -> Self {
        Self { method: http::Method::GET, path: path.into(), headers: Vec::new(), body: Bytes::new() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The path without its query.
    pub(crate) fn bare_path(&self) -> &str {
        self.path.split('?').next().unwrap_or("")
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct HttpAnswer {
    pub(crate) status: u16,
    pub(crate) kind: &'static str,
    pub(crate) body: Bytes,
    /// Sends `connection: close`.
    pub(crate) close: bool,
    /// Broke off after it had begun: no proxy can retry.
    pub(crate) cut: bool,
}

pub(crate) const TEXT: &str = "text/plain";
pub(crate) const JSON: &str = "application/json";

impl HttpAnswer {
    pub(crate) fn new(status: u16, kind: &'static str, body: impl Into<Bytes>) -> Self {
        Self { status, kind, body: body.into(), close: false, cut: false }
    }

    /// An answer that a proxy sends itself.
    pub(crate) fn local(status: u16, text: &'static str) -> Self {
        Self { status, kind: TEXT, body: Bytes::from_static(text.as_bytes()), close: false, cut: false }
    }

    pub(crate) fn json(status: u16, value: &serde_json::Value) -> Self {
        Self::new(status, JSON, format!("{value}\n"))
    }
}
