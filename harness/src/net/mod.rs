//! How bytes get anywhere: real sockets or the embedded mesh, and HTTP over either. Knows nothing of what is asked.

mod client;
mod connection;
mod descriptors;
mod failure;
mod kept;
mod machine;
mod socket;
mod stream;

pub(crate) use client::port_of;
pub use client::{Answer, Exchange, HttpClient, Tls};
pub use descriptors::make_room;
pub use failure::{Failure, NoWay};
pub use stream::{ByteStream, Dial, Net};
