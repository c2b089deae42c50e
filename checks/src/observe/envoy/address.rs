//! Where a host is: all forms an Envoy writes, from text and from JSON.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

/// The address of a host. Text and JSON give equal values.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Address {
    /// An IP address and port.
    Socket(SocketAddr),
    /// A Unix domain socket, which has no port. An abstract one begins with `@`.
    Pipe(String),
    /// Another listener inside the same Envoy, as in ambient mode.
    Internal {
        /// The listener, such as `connect_originate`.
        listener: String,
        /// The endpoint behind it, often `IP:PORT`; may be empty.
        endpoint: String,
    },
    /// Anything else, as written.
    Other(String),
}

impl Address {
    /// Reads the textual form: `10.0.0.1:80`, `[fd00::1]:80`, `./path`, `@/abstract`, `envoy://listener/endpoint`.
    pub fn parse(text: &str) -> Self {
        if let Some(internal) = text.strip_prefix("envoy://") {
            let (listener, endpoint) = internal.split_once('/').unwrap_or((internal, ""));
            return Self::Internal { listener: listener.to_owned(), endpoint: endpoint.to_owned() };
        }
        if let Ok(socket) = text.parse() {
            return Self::Socket(socket);
        }
        if text.starts_with(['/', '@', '.']) { Self::Pipe(text.to_owned()) } else { Self::Other(text.to_owned()) }
    }

    /// From the two fields of the JSON form, in which an IPv6 address has no brackets.
    pub(super) fn from_parts(address: &str, port: u16) -> Self {
        match address.parse::<IpAddr>() {
            Ok(ip) => Self::Socket(SocketAddr::new(ip, port)),
            Err(_) => Self::Other(format!("{address}:{port}")),
        }
    }

    /// IP address and port on the network: of a socket, or of the endpoint behind an internal listener.
    pub fn socket(&self) -> Option<SocketAddr> {
        match self {
            Self::Socket(socket) => Some(*socket),
            Self::Internal { endpoint, .. } => endpoint.parse().ok(),
            Self::Pipe(_) | Self::Other(_) => None,
        }
    }

    /// Whether text that stands where an address may stand is one, and not a key that a newer Envoy added.
    pub(super) fn plausible(text: &[u8]) -> bool {
        text.iter().any(|b| matches!(b, b':' | b'/' | b'@'))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(socket) => socket.fmt(f),
            Self::Pipe(path) => f.write_str(path),
            Self::Internal { listener, endpoint } => write!(f, "envoy://{listener}/{endpoint}"),
            Self::Other(text) => f.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read_and_written_back() {
        for text in [
            "10.0.10.119:9080",
            "[fd00:10::77]:8080",
            "[::ffff:10.0.0.9]:8080",
            "./var/run/secrets/workload-spiffe-uds/socket",
            "@/abstract/sock",
            "envoy://connect_originate/[fd00:10::77]:9080",
            "envoy://main_internal/",
            "localhost:80",
        ] {
            assert_eq!(Address::parse(text).to_string(), text);
        }
    }

    #[test]
    fn json_parts_give_the_same_value() {
        assert_eq!(Address::from_parts("::ffff:10.0.0.9", 8080), Address::parse("[::ffff:10.0.0.9]:8080"));
        let waypoint = Address::parse("envoy://inner_connect_originate/170.9.229.9:15008");
        assert_eq!(waypoint.socket(), "170.9.229.9:15008".parse().ok());
        assert_eq!(Address::parse("@/abstract/sock").socket(), None);
    }
}
