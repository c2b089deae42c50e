//! Why an exchange failed, in the classes that reports count.

use std::error::Error;
use std::fmt;
use std::io::ErrorKind;
use std::time::Duration;

use meshdrill_checks::record::Class;

use super::exchange::Phases;

/// Too many open files in the whole machine, and in this process.
const ENFILE: i32 = 23;
const EMFILE: i32 = 24;

/// A failed exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpFailure {
    /// Its class.
    pub class: Class,
    /// What happened, in the words of the layer that noticed.
    pub message: String,
    /// How long the exchange waited before it could be asked, as [`super::HttpAnswer::waited`].
    pub waited: Duration,
    /// How long each phase took before it failed.
    pub phases: Phases,
}

/// A connection that could not be opened because of an access problem, which says nothing about the service behind it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NoAccess(pub String);

/// A TLS handshake that failed, and why.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct HandshakeError(pub String);

/// A name that does not resolve.
#[derive(Debug, thiserror::Error)]
#[error("{host} does not resolve: {why}")]
pub(super) struct UnknownHost {
    /// The name.
    pub host: String,
    /// What the resolver reports.
    pub why: String,
}

impl HttpFailure {
    /// A failure of a known class.
    pub fn new(class: Class, message: impl Into<String>) -> Self {
        Self { class, message: message.into(), waited: Duration::ZERO, phases: Phases::default() }
    }

    /// Reads the class from an error and its causes. `connecting` says whether a connection was still being made.
    pub fn of(error: &(dyn Error + 'static), connecting: bool) -> Self {
        let mut message = error.to_string();
        let mut class = None;
        let mut next: Option<&(dyn Error + 'static)> = Some(error);
        while let Some(cause) = next {
            let text = cause.to_string();
            if !message.contains(&text) {
                message = format!("{message}: {text}");
            }
            class = class_of(cause, connecting).or(class);
            next = cause.source();
        }
        Self::new(class.unwrap_or(if connecting { Class::Refused } else { Class::Reset }), message)
    }
}

/// The class of one error of a chain, if it has one. Causes further down decide.
fn class_of(cause: &(dyn Error + 'static), connecting: bool) -> Option<Class> {
    if let Some(io) = cause.downcast_ref::<std::io::Error>() {
        if io.get_ref().is_some_and(<dyn Error + Send + Sync + 'static>::is::<HandshakeError>) {
            return Some(Class::Tls);
        }
        if io.get_ref().is_some_and(<dyn Error + Send + Sync + 'static>::is::<UnknownHost>) {
            return Some(Class::Dns);
        }
        if io.get_ref().is_some_and(<dyn Error + Send + Sync + 'static>::is::<NoAccess>) {
            return Some(Class::NotSent);
        }
        return match io.kind() {
            // No local port, or no descriptor: this machine is to blame, and nothing was asked.
            ErrorKind::AddrNotAvailable => Some(Class::NotSent),
            _ if matches!(io.raw_os_error(), Some(EMFILE | ENFILE)) => Some(Class::NotSent),
            ErrorKind::ConnectionRefused | ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => {
                Some(Class::Refused)
            }
            ErrorKind::TimedOut => Some(if connecting { Class::ConnectTimeout } else { Class::Timeout }),
            ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
            | ErrorKind::UnexpectedEof => Some(Class::Reset),
            _ => None,
        };
    }
    None
}

impl fmt::Display for HttpFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.class, self.message)
    }
}
