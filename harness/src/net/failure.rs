//! Why an exchange failed, in the classes that reports count.

use std::error::Error;
use std::fmt;
use std::io::ErrorKind;
use std::time::Duration;

use meshdrill_checks::record::Class;

/// Too many open files in the whole machine, and in this process.
const ENFILE: i32 = 23;
const EMFILE: i32 = 24;

/// A failed exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Its class.
    pub class: Class,
    /// What happened, in the words of the layer that noticed.
    pub message: String,
    /// How long the exchange waited before it could be asked, as [`super::Answer::waited`].
    pub waited: Duration,
}

/// A connection that could not be opened for reasons of the way there, which say nothing about the place that it leads to.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NoWay(pub String);

impl Failure {
    /// A failure of a known class.
    pub fn new(class: Class, message: impl Into<String>) -> Self {
        Self { class, message: message.into(), waited: Duration::ZERO }
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
            class = class_of(cause, &text, connecting).or(class);
            next = cause.source();
        }
        Self::new(class.unwrap_or(if connecting { Class::Refused } else { Class::Reset }), message)
    }
}

/// The class that one error of a chain tells, if it tells one. Causes further down decide.
fn class_of(cause: &(dyn Error + 'static), text: &str, connecting: bool) -> Option<Class> {
    if let Some(io) = cause.downcast_ref::<std::io::Error>() {
        if io.get_ref().is_some_and(<dyn Error + Send + Sync + 'static>::is::<rustls::Error>) {
            return Some(Class::Tls);
        }
        if io.get_ref().is_some_and(<dyn Error + Send + Sync + 'static>::is::<NoWay>) {
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
    if cause.is::<rustls::Error>() {
        return Some(Class::Tls);
    }
    if text.contains("dns error") || text.contains("failed to lookup address") {
        return Some(Class::Dns);
    }
    None
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.class, self.message)
    }
}
