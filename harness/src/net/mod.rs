//! How bytes get anywhere: real sockets or the embedded mesh, and HTTP over either. Knows nothing of what is asked.

mod client;
mod failure;
mod machine;
mod stream;

pub use client::{Answer, Exchange, HttpClient, Tls};
pub use failure::Failure;
pub use stream::{ByteStream, Dial, Net};
