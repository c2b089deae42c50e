//! One HTTP/1.1 connection, driven by whoever waits for its answer: no task of its own, and nothing that happens on it
//! while nobody asks.

use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{self, SendRequest, handshake};
use hyper_util::rt::TokioIo;
use meshdrill_checks::record::Class;
use tokio::time::Instant;

use super::exchange::{HttpAnswer, Phases};
use super::failure::HttpFailure;
use super::stream::{ByteStream, Opened};

/// A request with its whole body.
pub(super) type Request = http::Request<Full<Bytes>>;
type Driver = http1::Connection<TokioIo<Box<dyn ByteStream>>, Full<Bytes>>;

/// What a connection holds while it lives, for its pool to count them.
pub(super) type Living = std::sync::Arc<()>;

/// A connection that takes one exchange after the other.
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    driver: Driver,
    living: Option<Living>,
    /// The phases of opening it, until an exchange takes them.
    phases: Phases,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("counted", &self.living.is_some()).finish_non_exhaustive()
    }
}

impl Connection {
    /// Speaks HTTP over a stream.
    pub(super) async fn over(opened: Opened) -> hyper::Result<Self> {
        let Opened { stream, phases } = opened;
        let (sender, driver) = handshake(TokioIo::new(stream)).await?;
        Ok(Self { sender, driver, living: None, phases })
    }

    /// The phases of opening it, for the first exchange that asks.
    pub(super) fn take_phases(&mut self) -> Phases {
        std::mem::take(&mut self.phases)
    }

    /// Itself, counted by a pool for as long as it lives.
    pub(super) fn counted(self, living: Living) -> Self {
        Self { living: Some(living), ..self }
    }

    /// Itself, if it takes another exchange: an end that came meanwhile is noticed here.
    pub(super) async fn if_open(mut self) -> Option<Self> {
        let ended = poll_fn(|context| Poll::Ready(Pin::new(&mut self.driver).poll(context).is_ready())).await;
        (!ended && self.sender.is_ready()).then_some(self)
    }

    /// Asks once and reads the whole answer, of at most `limit` bytes.
    pub(super) async fn exchange(&mut self, request: Request, limit: usize) -> Result<HttpAnswer, HttpFailure> {
        let Self { sender, driver, .. } = self;
        let mut asked = pin!(ask(sender, request, limit));
        let mut ended = false;
        poll_fn(|context| {
            if let Poll::Ready(answer) = asked.as_mut().poll(context) {
                return Poll::Ready(answer);
            }
            // What the connection reads wakes the asker within the same task; asking again at once saves a turn.
            if !ended {
                ended = Pin::new(&mut *driver).poll(context).is_ready();
            }
            asked.as_mut().poll(context)
        })
        .await
    }
}

async fn ask(sender: &mut SendRequest<Full<Bytes>>, request: Request, limit: usize) -> Result<HttpAnswer, HttpFailure> {
    let broken = |error: hyper::Error| HttpFailure::of(&error, false);
    let begun = Instant::now();
    let response = sender.send_request(request).await.map_err(broken)?;
    let phases = Phases { first_byte: Some(begun.elapsed()), ..Phases::default() };
    let (head, mut body) = response.into_parts();
    let mut collected = BytesMut::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.map_err(broken)?.into_data() {
            push_limited(&mut collected, &data, limit)?;
        }
    }
    let status = head.status.as_u16();
    Ok(HttpAnswer { status, headers: head.headers, body: collected.freeze(), phases, ..HttpAnswer::default() })
}

/// Adds to an answer that must not grow beyond its limit.
fn push_limited(collected: &mut BytesMut, data: &[u8], limit: usize) -> Result<(), HttpFailure> {
    if collected.len() + data.len() > limit {
        return Err(HttpFailure::new(Class::Body, format!("the answer is larger than {limit} bytes")));
    }
    collected.extend_from_slice(data);
    Ok(())
}
