//! A TCP socket of this machine that does not outlive a question nobody answered.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A socket that is reset when it is dropped while an answer is due.
///
/// Closed the usual way it would hold its local port for a minute. The kernel gives a port to the same address again after
/// a second at the earliest, and looks for a free one among half of its range: some 14,000, which are used up when 10,000
/// requests a second time out. From then on every connection costs a search through all of them.
#[derive(Debug)]
pub(super) struct Socket {
    stream: TcpStream,
    awaiting: bool,
}

impl Socket {
    /// A socket on which nothing was asked yet.
    pub(super) const fn new(stream: TcpStream) -> Self {
        Self { stream, awaiting: false }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.awaiting {
            // Refused, it is closed as usual.
            let _ = socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, buffer));
        self.awaiting = false;
        Poll::Ready(read)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.awaiting = true;
        Pin::new(&mut self.stream).poll_write(cx, data)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.awaiting = true;
        Pin::new(&mut self.stream).poll_write_vectored(cx, data)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
