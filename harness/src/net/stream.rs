//! Byte streams to anywhere, from this machine or inside the embedded mesh.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt as _};
use meshdrill_lab::Lab;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use super::exchange::Phases;
use super::failure::UnknownHost;
use super::socket::Socket;

/// A connection, whatever it runs over.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

/// A connection that was opened, and how long that took.
pub struct Opened {
    /// The connection.
    pub stream: Box<dyn ByteStream>,
    /// The phases of opening it.
    pub phases: Phases,
}

/// Opens connections to one place.
pub trait Dial: Send + Sync + fmt::Debug {
    /// Opens one.
    fn dial(&self) -> BoxFuture<'_, io::Result<Opened>>;

    /// Whether opening one burdens more than the place that is dialled, so that connections are not opened in bursts.
    fn is_costly(&self) -> bool {
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

/// How long one address of a host is tried alone before the next one is tried beside it, as RFC 8305 recommends.
const NEXT_ADDRESS: Duration = Duration::from_millis(250);

impl Net {
    /// Opens a TCP connection.
    pub async fn connect(&self, host: &str, port: u16) -> io::Result<Opened> {
        let begun = Instant::now();
        match self {
            Self::Machine => {
                let (addresses, dns) = resolve(host, port).await?;
                let begun = Instant::now();
                let stream = connect_to_any(&addresses).await?;
                stream.set_nodelay(true)?;
                let phases = Phases { dns, connect: Some(begun.elapsed()), ..Phases::default() };
                Ok(Opened { stream: Box::new(Socket::new(stream)), phases })
            }
            Self::Lab(lab) => {
                let stream = lab.dial(host, port).await.map_err(|error| explained(host, error))?;
                let phases = Phases { connect: Some(begun.elapsed()), ..Phases::default() };
                Ok(Opened { stream: Box::new(stream), phases })
            }
        }
    }

    /// A dialler for one address.
    pub fn dialler(&self, host: &str, port: u16) -> Arc<dyn Dial> {
        Arc::new(Address { net: self.clone(), host: host.to_owned(), port })
    }
}

/// Whether a host, as it stands in a URL, is this machine's own.
pub(crate) fn is_loopback(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// An error of the embedded mesh: people take its addresses for those of the machine.
fn explained(host: &str, error: io::Error) -> io::Error {
    if is_loopback(host) {
        let why = "with --lab, requests reach only the lab's addresses, and none of this machine; write `via: ingress/CLUSTER`";
        return io::Error::new(error.kind(), why);
    }
    error
}

/// The addresses of a host, and how long their lookup took if it has a name. The lookup runs on a thread of its own: it
/// delays no schedule.
async fn resolve(host: &str, port: u16) -> io::Result<(Vec<SocketAddr>, Option<Duration>)> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok((vec![SocketAddr::new(address, port)], None));
    }
    let begun = Instant::now();
    let unknown = |why: String| io::Error::other(UnknownHost { host: host.to_owned(), why });
    let found = tokio::net::lookup_host((host, port)).await.map_err(|error| unknown(error.to_string()))?;
    let found: Vec<SocketAddr> = found.collect();
    if found.is_empty() { Err(unknown("it has no address".to_owned())) } else { Ok((found, Some(begun.elapsed()))) }
}

/// Connects to the first address that accepts: one after the other, the next one at once where one fails.
async fn connect_to_any(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut attempts = FuturesUnordered::new();
    let mut left = addresses.iter();
    let mut last = None;
    loop {
        if let Some(address) = left.next() {
            attempts.push(TcpStream::connect(*address));
        }
        let more = left.len() > 0;
        if attempts.is_empty() {
            return Err(last.unwrap_or_else(|| io::Error::other("there is no address to connect to")));
        }
        tokio::select! {
            Some(attempt) = attempts.next() => match attempt {
                Ok(stream) => return Ok(stream),
                Err(error) => last = Some(error),
            },
            () = sleep(NEXT_ADDRESS), if more => {}
        }
    }
}

#[derive(Debug)]
struct Address {
    net: Net,
    host: String,
    port: u16,
}

impl Dial for Address {
    fn dial(&self) -> BoxFuture<'_, io::Result<Opened>> {
        Box::pin(self.net.connect(&self.host, self.port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_address_that_accepts_is_used() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let open = listener.local_addr().unwrap();
        let closed = SocketAddr::new(open.ip(), 1);
        assert!(connect_to_any(&[closed, open]).await.is_ok());
        assert_eq!(connect_to_any(&[closed]).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        assert!(connect_to_any(&[]).await.is_err());
    }

    #[tokio::test]
    async fn a_name_is_looked_up_and_an_address_is_not() {
        let (addresses, took) = resolve("localhost", 80).await.unwrap();
        assert!(addresses.iter().all(|address| address.ip().is_loopback()) && took.is_some(), "{addresses:?}");
        assert!(resolve("127.0.0.1", 80).await.unwrap().1.is_none());
        let unknown = resolve("no-such-host.invalid", 80).await.unwrap_err();
        assert_eq!(crate::net::HttpFailure::of(&unknown, true).class, meshdrill_checks::record::Class::Dns);
    }
}
