//! How bytes get anywhere: real sockets or the embedded mesh, and HTTP over either. Knows nothing of what is asked.

mod client;
mod connection;
mod content;
mod descriptors;
mod exchange;
mod failure;
mod kept;
mod socket;
mod stream;
mod tls;

pub use client::HttpClient;
pub use descriptors::make_room;
pub(crate) use exchange::port_of;
pub use exchange::{Exchange, HttpAnswer, Phases};
pub use failure::{HttpFailure, NoAccess};
pub(crate) use stream::is_loopback;
pub use stream::{ByteStream, Dial, Net, Opened};
pub use tls::Tls;

/// A URL without user and password.
pub(crate) fn without_userinfo(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest[..end].rfind('@') {
        Some(at) => format!("{scheme}://{}", &rest[at + 1..]),
        None => url.to_owned(),
    }
}
