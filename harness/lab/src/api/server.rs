//! The API server of one cluster: hands each request to its handler.

use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use super::body::Body;
use super::failure::Failure;
use super::query::Query;
use super::request::Request;
use super::{access, delete, discovery, logs, path, read, review, subresource, watch, write};
use crate::engine::Engine;
use crate::exec;

/// Answers one request to the API server of cluster `c`.
pub(crate) async fn handle(engine: Engine, c: usize, mut request: http::Request<Incoming>) -> http::Response<Body> {
    let (alias, date) = engine.with(|world| {
        let quirks = &world.clusters[c].quirks;
        (quirks.api_alias.filter(|d| *d < world.clusters.len()), world.dates.http(world.now + quirks.skew))
    });
    let c = alias.unwrap_or(c);
    let mode = engine.with(|world| world.clusters[c].quirks.api_at(world.now));
    let mut response = if let Some(failure) = access::refusal(mode, request.method(), request.uri().path()) {
        failure.response()
    } else {
        if !mode.answers() {
            return std::future::pending().await;
        }
        route(&engine, c, &mut request).await.unwrap_or_else(|failure| failure.response())
    };
    if let Ok(date) = date.parse() {
        response.headers_mut().insert("date", date);
    }
    response
}

async fn route(
    engine: &Engine,
    c: usize,
    request: &mut http::Request<Incoming>,
) -> Result<http::Response<Body>, Failure> {
    let path = request.uri().path().to_owned();
    let query = Query::parse(request.uri().query().unwrap_or(""));
    let header = |name: &str| request.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or("").to_owned();
    let (accept, content_type) = (header("accept"), header("content-type"));
    if let Some(response) = discovery::answer(engine, c, &path, &accept) {
        return Ok(response);
    }
    let target = path::parse(&path)?;
    if let Some(refusal) = engine.with(|world| world.clusters[c].grants.refuses(request.method(), &target, &query)) {
        return Err(refusal);
    }
    if matches!(target.sub.as_str(), "exec" | "attach" | "portforward") {
        return exec::upgrade(engine, c, &target, &query, request);
    }
    let method = request.method().clone();
    let body = request.body_mut().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let request = Request { method, target, query, accept, content_type, body };
    if let Some(answer) = review::answer(engine, c, &request)? {
        return Ok(answer);
    }
    match (request.method.as_str(), request.target.sub.as_str()) {
        ("GET", "") if request.query.flag("watch") => watch::answer(engine, c, &request),
        ("GET", "") => read::answer(engine, c, &request),
        ("GET", "log") => logs::answer(engine, c, &request),
        ("POST" | "PUT" | "PATCH", "") => write::answer(engine, c, &request),
        ("DELETE", "") => delete::answer(engine, c, &request),
        ("GET" | "PUT" | "PATCH" | "POST", _) => subresource::answer(engine, c, &request),
        _ => Err(Failure::method_not_allowed()),
    }
}
