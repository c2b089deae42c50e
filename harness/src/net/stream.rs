//! Byte streams to anywhere, from this machine or inside the embedded mesh.

use std::fmt;
use std::io;
use std::sync::Arc;

use futures::future::BoxFuture;
use meshdrill_lab::Lab;
use tokio::io::{AsyncRead, AsyncWrite};

use super::socket::Socket;

/// A connection, whatever it runs over.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

/// Opens connections to one place.
pub trait Dial: Send + Sync + fmt::Debug {
    /// Opens one.
    fn dial(&self) -> BoxFuture<'_, io::Result<Box<dyn ByteStream>>>;

    /// Whether opening burdens more than the place that is dialled, so that kept connections are not opened in a burst.
    fn sparingly(&self) -> bool {
        false
    }
}

/// The network that probes go out to.
#[derive(Clone)]
pub enum Net {
    /// This machine's.
    Machine,
    /// The embedded mesh's.
    Lab(Lab),
}

impl fmt::Debug for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Machine => "Machine",
            Self::Lab(_) => "Lab",
        })
    }
}

impl Net {
    /// Opens a TCP connection.
    pub async fn connect(&self, host: &str, port: u16) -> io::Result<Box<dyn ByteStream>> {
        match self {
            Self::Machine => {
                let stream = tokio::net::TcpStream::connect((host, port)).await?;
                stream.set_nodelay(true)?;
                Ok(Box::new(Socket::new(stream)))
            }
            Self::Lab(lab) => Ok(Box::new(lab.dial(host, port).await?)),
        }
    }

    /// A dialler for one address.
    pub fn dialler(&self, host: &str, port: u16) -> Arc<dyn Dial> {
        Arc::new(Address { net: self.clone(), host: host.to_owned(), port })
    }
}

#[derive(Debug)]
struct Address {
    net: Net,
    host: String,
    port: u16,
}

impl Dial for Address {
    fn dial(&self) -> BoxFuture<'_, io::Result<Box<dyn ByteStream>>> {
        Box::pin(self.net.connect(&self.host, self.port))
    }
}
