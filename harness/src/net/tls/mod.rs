//! TLS over a connection: which certificates are trusted, and what is wrong with those that are not.

mod dial;
mod error;
mod trust;

pub(super) use dial::TlsDial;
pub use trust::Tls;
