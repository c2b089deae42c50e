//! What one HTTP exchange asks, and what comes of it.

use std::time::Duration;

use bytes::Bytes;

/// What is asked.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// The method.
    pub method: http::Method,
    /// Scheme, host, port, path and query.
    pub url: http::Uri,
    /// Headers beside `host`.
    pub headers: http::HeaderMap,
    /// The body.
    pub body: Bytes,
    /// The timeout of the exchange.
    pub timeout: Duration,
    /// The largest answer that is read, in bytes.
    pub limit: usize,
}

impl Exchange {
    /// A GET with the defaults of a check: 5 s, 64 MiB.
    pub fn get(url: http::Uri) -> Self {
        Self {
            method: http::Method::GET,
            url,
            headers: http::HeaderMap::new(),
            body: Bytes::new(),
            timeout: Duration::from_secs(5),
            limit: 64 << 20,
        }
    }

    /// Host and port of the URL.
    pub fn authority(&self) -> (String, u16) {
        let host = self.url.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        (host, port_of(&self.url))
    }

    /// Whether it is made over TLS.
    pub fn is_secure(&self) -> bool {
        self.url.scheme_str() == Some("https")
    }
}

/// The port of a URL: its own, or that of its scheme.
pub(crate) fn port_of(url: &http::Uri) -> u16 {
    url.port_u16().unwrap_or(if url.scheme_str() == Some("https") { 443 } else { 80 })
}

/// What came back.
#[derive(Debug, Clone, Default)]
pub struct HttpAnswer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: http::HeaderMap,
    /// The body.
    pub body: Bytes,
    /// How long the exchange waited for a connection that the runner, and not the service, was slow to provide.
    pub waited: Duration,
    /// How long each phase took.
    pub phases: Phases,
}

/// How long the phases of an exchange took; none for a phase that it did not have, such as the handshake of a connection
/// that was kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Phases {
    /// The lookup of the name.
    pub dns: Option<Duration>,
    /// The TCP connection, from the first attempt.
    pub connect: Option<Duration>,
    /// The TLS handshake.
    pub tls: Option<Duration>,
    /// From the request being sent to the head of the answer.
    pub first_byte: Option<Duration>,
}
