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
pub use stream::{ByteStream, Dial, Net, Opened};
pub use tls::Tls;
