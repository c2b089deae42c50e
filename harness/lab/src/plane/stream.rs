//! A byte stream into the lab, in place of a TCP connection.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// A connection into the lab.
#[derive(Debug)]
pub struct LabStream {
    inner: DuplexStream,
    reset: Arc<AtomicBool>,
    /// When nothing passes, and until when.
    cut: Option<(Instant, Instant)>,
    held: Option<Pin<Box<Sleep>>>,
}

impl LabStream {
    pub(super) fn new(inner: DuplexStream, reset: Arc<AtomicBool>) -> Self {
        Self { inner, reset, cut: None, held: None }
    }

    /// The stream with a time in which nothing passes.
    pub(super) fn with_cut(self, cut: Option<(Instant, Instant)>) -> Self {
        Self { cut, ..self }
    }

    /// Waits while nothing passes; what was sent arrives afterwards, like a retransmission.
    fn poll_cut(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some((from, until)) = self.cut else { return Poll::Ready(()) };
        let now = Instant::now();
        if now < from || now >= until {
            return Poll::Ready(());
        }
        self.held.get_or_insert_with(|| Box::pin(sleep_until(until))).as_mut().poll(cx)
    }

    fn broken(&self) -> Option<io::Error> {
        self.reset.load(Ordering::Relaxed).then(|| io::Error::from(io::ErrorKind::ConnectionReset))
    }
}

impl AsyncRead for LabStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_cut(cx));
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(cx, buf);
        match (polled, self.broken()) {
            // The end of a stream that was reset is an error, not an end.
            (Poll::Ready(Ok(())), Some(error)) if buf.filled().len() == before => Poll::Ready(Err(error)),
            (other, _) => other,
        }
    }
}

impl AsyncWrite for LabStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_cut(cx));
        if let Some(error) = self.broken() {
            return Poll::Ready(Err(error));
        }
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
