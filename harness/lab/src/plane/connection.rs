//! The far end of a byte stream: an HTTP server that lives as long as its pod.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, DuplexStream};
use tokio::sync::watch;

use super::listen::{Kind, Place};
use super::stream::LabStream;
use crate::api::body::Body;
use crate::engine::Engine;
use crate::world::Life;

/// Opens a connection to a place that has accepted it; `handle` answers its requests.
pub(super) fn open<H, F>(engine: &Engine, place: Place, handle: H) -> LabStream
where
    H: Fn(Engine, Place, http::Request<Incoming>) -> F + Send + Sync + 'static,
    F: Future<Output = http::Response<Body>> + Send + 'static,
{
    let (inner, far) = tokio::io::duplex(64 * 1024);
    let reset = Arc::new(AtomicBool::new(false));
    let life = engine.with(|world| {
        let uid = place.uid.as_ref()?;
        Some(world.clusters[place.cluster].pods.get(uid)?.life.subscribe())
    });
    tokio::spawn(serve(engine.clone(), place, far, life, reset.clone(), handle));
    LabStream::new(inner, reset)
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

async fn serve<H, F>(
    engine: Engine,
    place: Place,
    mut far: DuplexStream,
    life: Option<watch::Receiver<Life>>,
    reset: Arc<AtomicBool>,
    handle: H,
) where
    H: Fn(Engine, Place, http::Request<Incoming>) -> F,
    F: Future<Output = http::Response<Body>>,
{
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
            let response = handle(engine.clone(), place.clone(), request);
            async move { Ok::<_, Infallible>(response.await) }
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
