//! The programs in pods, by the listener of a port, and what each answers.

use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::Instant;

use super::call::{HttpAnswer, HttpCall, JSON};
use super::listen::{Kind, Place};
use super::stream::LabStream;
use super::{apps, connection, forward};
use crate::api::body::Body;
use crate::api::tally::Asked;
use crate::engine::Engine;
use crate::{alerts, envoy, prom};

/// Opens a connection to a program in a pod.
pub(crate) fn open(engine: &Engine, place: Place) -> LabStream {
    connection::open(engine, place, handle)
}

async fn handle(engine: Engine, place: Place, request: http::Request<Incoming>) -> http::Response<Body> {
    let (parts, body) = request.into_parts();
    let body = if parts.method == http::Method::GET {
        bytes::Bytes::new()
    } else {
        body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default()
    };
    let call = HttpCall {
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
    match answer(&engine, &place, &call, 0.2).await {
        Some(answer) => response(&engine, &place, answer, head, begun.elapsed()),
        // The pod ended during the request; the connection ends with it.
        None => std::future::pending().await,
    }
}

/// The answer of the program at a place; `None` when its pod ended during the request.
pub(crate) async fn answer(engine: &Engine, place: &Place, call: &HttpCall, noise: f64) -> Option<HttpAnswer> {
    let cluster = place.cluster;
    let uid = place.uid.as_ref()?;
    let answer = match place.kind {
        Kind::Api => HttpAnswer::new(403, JSON, "{}"),
        Kind::Gateway(number) => forward::gateway(engine, cluster, uid, number, call).await,
        Kind::App => return apps::deliver(engine, (cluster, uid), place.port, call, false, noise).await,
        Kind::AppMetrics => {
            let text = engine.with(|world| {
                let here = &world.clusters[cluster];
                here.pods.get(uid).map(|pod| pod.metrics.text(pod.sender(&here.ident.istio))).unwrap_or_default()
            });
            HttpAnswer::new(200, "text/plain; charset=utf-8", text)
        }
        Kind::EnvoyAdmin | Kind::Agent | Kind::Health | Kind::EnvoyMetrics => engine.with(|world| {
            let answer = envoy::answer(world, cluster, uid, place.kind, call);
            if place.kind == Kind::EnvoyAdmin {
                let path = call.path.split('?').next().unwrap_or_default();
                world.clusters[cluster].tally.add(Asked::of_admin(path), answer.body.len() as u64);
            }
            answer
        }),
        // Debug pages answer on loopback only; other clients connect and get no response.
        Kind::Istiod(inside) if !inside && call.path.starts_with("/debug") => return None,
        Kind::Istiod(_) => engine.with(|world| envoy::istiod::answer(world, cluster, uid, call)),
        Kind::Prometheus => engine.with(|world| prom::api::answer(world, cluster, call)),
        Kind::Alertmanager => engine.with(|world| alerts::api::answer(world, cluster, call)),
        Kind::Opaque => return None,
    };
    Some(answer)
}

fn response(engine: &Engine, place: &Place, answer: HttpAnswer, head: bool, took: Duration) -> http::Response<Body> {
    let date = engine.with(|world| world.dates.http(world.now));
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
