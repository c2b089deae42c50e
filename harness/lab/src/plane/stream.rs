//! Byte streams into the lab: what a TCP connection is outside, with an HTTP server at the far end.

use std::convert::Infallible;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, DuplexStream, ReadBuf};
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use super::call::{Answer, Call};
use super::listen::{Kind, Place};
use super::reach::{Caller, Reach, reach};
use super::{forward, latency, resolve};
use crate::api::body::Body;
use crate::lab::Lab;
use crate::world::Life;

/// A connection into the lab's world.
#[derive(Debug)]
pub struct LabStream {
    inner: DuplexStream,
    reset: Arc<AtomicBool>,
    /// From when until when nothing passes.
    cut: Option<(Instant, Instant)>,
    held: Option<Pin<Box<Sleep>>>,
}

impl LabStream {
    /// Waits while nothing passes; what was under way arrives afterwards, as if it had been sent again.
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

/// Connects from the runner's machine.
pub(crate) async fn dial(lab: &Lab, host: &str, port: u16) -> io::Result<LabStream> {
    let Some(ip) = lab.with(|world| resolve::runner(world, host)) else {
        let text = format!("failed to lookup address information: {host}: Name or service not known");
        return Err(io::Error::new(io::ErrorKind::NotFound, text));
    };
    let mut waits = forward::RETRANSMIT.iter();
    loop {
        match lab.with(|world| reach(world, &Caller::Runner, ip, port)) {
            Reach::To(place) => {
                if place.kind != Kind::Api {
                    sleep(Duration::from_millis(latency::RUNNER_CONNECT.unsigned_abs())).await;
                }
                return Ok(LabStream { cut: lab.runner_cut(), ..open(lab, place) });
            }
            Reach::Refused => return Err(io::ErrorKind::ConnectionRefused.into()),
            Reach::Unreachable => return Err(io::ErrorKind::HostUnreachable.into()),
            Reach::Dropped => match waits.next() {
                Some(ms) => sleep(Duration::from_millis(*ms)).await,
                None => std::future::pending().await,
            },
        }
    }
}

/// A connection to a place that has accepted it.
pub(crate) fn open(lab: &Lab, place: Place) -> LabStream {
    let (inner, far) = tokio::io::duplex(64 * 1024);
    let reset = Arc::new(AtomicBool::new(false));
    let life = lab.with(|world| {
        let uid = place.uid.as_ref()?;
        Some(world.clusters[place.c].pods.get(uid)?.life.subscribe())
    });
    tokio::spawn(serve(lab.clone(), place, far, life, reset.clone()));
    LabStream { inner, reset, cut: None, held: None }
}

/// Resolves when the pod behind a connection ends; true for a reset.
async fn ended(life: Option<watch::Receiver<Life>>) -> bool {
    let Some(mut life) = life else { return std::future::pending().await };
    loop {
        match *life.borrow_and_update() {
            Life::Closed => return false,
            Life::Reset => return true,
            Life::Up | Life::Draining => {}
        }
        if life.changed().await.is_err() {
            return true;
        }
    }
}

async fn serve(
    lab: Lab,
    place: Place,
    mut far: DuplexStream,
    life: Option<watch::Receiver<Life>>,
    reset: Arc<AtomicBool>,
) {
    let ended = pin!(ended(life));
    let broke = if place.kind == Kind::Opaque {
        let swallow = async {
            let mut buffer = [0; 1024];
            while far.read(&mut buffer).await.is_ok_and(|n| n > 0) {}
            false
        };
        tokio::select! { _ = swallow => false, broke = ended => broke }
    } else {
        let service = service_fn(|request| {
            let (lab, place) = (lab.clone(), place.clone());
            async move { Ok::<_, Infallible>(handle(lab, place, request).await) }
        });
        let mut http = hyper::server::conn::http1::Builder::new();
        http.auto_date_header(false).header_read_timeout(None);
        let connection = http.serve_connection(TokioIo::new(far), service).with_upgrades();
        tokio::select! { _ = connection => false, broke = ended => broke }
    };
    if broke {
        reset.store(true, Ordering::Relaxed);
    }
}

async fn handle(lab: Lab, place: Place, request: http::Request<Incoming>) -> http::Response<Body> {
    if place.kind == Kind::Api {
        return crate::api::handle(lab, place.c, request).await;
    }
    let (parts, body) = request.into_parts();
    let body = if parts.method == http::Method::GET {
        bytes::Bytes::new()
    } else {
        body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default()
    };
    let call = Call {
        path: parts.uri.path_and_query().map_or_else(|| "/".to_owned(), |p| p.as_str().to_owned()),
        headers: parts
            .headers
            .iter()
            .filter_map(|(k, v)| Some((k.as_str().to_owned(), v.to_str().ok()?.to_owned())))
            .collect(),
        method: parts.method,
        body,
    };
    let head = call.method == http::Method::HEAD;
    let begun = Instant::now();
    match answer(&lab, &place, &call, 0.2).await {
        Some(answer) => response(&lab, &place, answer, head, begun.elapsed()),
        // The pod went away with the request in its hands; the connection ends with it.
        None => std::future::pending().await,
    }
}

/// What the program at a place answers, `None` when it went away meanwhile.
pub(crate) async fn answer(lab: &Lab, place: &Place, call: &Call, noise: f64) -> Option<Answer> {
    let c = place.c;
    let uid = place.uid.as_ref()?;
    let answer = match place.kind {
        Kind::Api => Answer::new(403, super::call::JSON, "{}"),
        Kind::Gateway(number) => forward::gateway(lab, c, uid, number, call).await,
        Kind::App => return super::apps::deliver(lab, (c, uid), place.port, call, false, noise).await,
        Kind::AppMetrics => {
            let text = lab.with(|world| {
                let cluster = &world.clusters[c];
                cluster.pods.get(uid).map(|pod| pod.metrics.text(&cluster.ident.istio)).unwrap_or_default()
            });
            Answer::new(200, "text/plain; charset=utf-8", text)
        }
        Kind::EnvoyAdmin | Kind::Agent | Kind::Health | Kind::EnvoyMetrics => {
            lab.with(|world| crate::envoy::answer(world, c, uid, place.kind, call))
        }
        // Debug pages answer only the loopback; others get a connection and no answer.
        Kind::Istiod(inside) if !inside && call.path.starts_with("/debug") => return None,
        Kind::Istiod(_) => lab.with(|world| crate::envoy::istiod::answer(world, c, call)),
        Kind::Prometheus => lab.with(|world| crate::prom::api::answer(world, c, call)),
        Kind::Alertmanager => lab.with(|world| crate::alerts::api::answer(world, c, call)),
        Kind::Opaque => return None,
    };
    Some(answer)
}

fn response(lab: &Lab, place: &Place, answer: Answer, head: bool, took: Duration) -> http::Response<Body> {
    let date = lab.with(|world| world.dates.http(world.now));
    let mut builder = http::Response::builder().status(answer.status).header("date", date);
    if matches!(place.kind, Kind::Gateway(_)) {
        builder = builder.header("server", "istio-envoy");
        if answer.status != 404 {
            builder = builder.header("x-envoy-upstream-service-time", took.as_millis().to_string());
        }
    } else if place.kind == Kind::EnvoyAdmin {
        builder = builder
            .header("server", "envoy")
            .header("cache-control", "no-cache, max-age=0")
            .header("x-content-type-options", "nosniff");
    }
    if !answer.body.is_empty() {
        builder = builder.header("content-type", answer.kind);
    }
    if answer.close {
        builder = builder.header("connection", "close");
    }
    let body = if head { Body::empty() } else { Body::from(answer.body) };
    builder.body(body).unwrap_or_else(|_| http::Response::new(Body::empty()))
}
