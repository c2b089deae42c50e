//! The API server of one cluster: hands each request to its handler.

use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};

use super::body::{Body, json as json_response};
use super::failure::ApiFailure;
use super::query::Query;
use super::request::Request;
use super::tally::{self, Asked};
use super::{access, delete, discovery, logs, path, read, review, subresource, watch, write};
use crate::engine::Engine;
use crate::exec;

/// Answers one request to the API server of a cluster.
pub(crate) async fn handle(
    engine: Engine,
    cluster: usize,
    mut request: http::Request<Incoming>,
) -> http::Response<Body> {
    let (alias, date) = engine.with(|world| {
        let quirks = &world.clusters[cluster].quirks;
        (quirks.api_alias.filter(|d| *d < world.clusters.len()), world.dates.http(world.now + quirks.skew))
    });
    let cluster = alias.unwrap_or(cluster);
    let mode = engine.with(|world| world.clusters[cluster].quirks.api_at(world.now));
    let mut response = if let Some(failure) = access::refusal(mode, request.method(), request.uri().path()) {
        failure.response()
    } else {
        if !mode.answers() {
            return std::future::pending().await;
        }
        let asked = path::parse(request.uri().path()).ok().map(|target| {
            let query = Query::parse(request.uri().query().unwrap_or(""));
            Asked::of_api(request.method(), &target, &query)
        });
        let response = route(&engine, cluster, &mut request).await.unwrap_or_else(|failure| failure.response());
        if let Some(asked) = asked {
            let bytes = response.body().size_hint().exact().unwrap_or(0);
            engine.with(|world| world.clusters[cluster].tally.add(asked, bytes));
        }
        response
    };
    if let Ok(date) = date.parse() {
        response.headers_mut().insert("date", date);
    }
    response
}

async fn route(
    engine: &Engine,
    cluster: usize,
    request: &mut http::Request<Incoming>,
) -> Result<http::Response<Body>, ApiFailure> {
    let path = request.uri().path().to_owned();
    let query = Query::parse(request.uri().query().unwrap_or(""));
    let header = |name: &str| request.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or("").to_owned();
    let (accept, content_type, user_agent) = (header("accept"), header("content-type"), header("user-agent"));
    if path == tally::PATH {
        return Ok(json_response(200, &engine.with(|world| world.clusters[cluster].tally.to_json())));
    }
    if let Some(response) = discovery::answer(engine, cluster, &path, &accept) {
        return Ok(response);
    }
    let target = path::parse(&path)?;
    if !engine.with(|world| world.clusters[cluster].store.serves(target.resource)) {
        return Err(ApiFailure::unknown_path());
    }
    if let Some(refusal) =
        engine.with(|world| world.clusters[cluster].grants.refuses(request.method(), &target, &query))
    {
        return Err(refusal);
    }
    if matches!(target.sub.as_str(), "exec" | "attach" | "portforward") {
        return exec::upgrade(engine, cluster, &target, &query, request);
    }
    let method = request.method().clone();
    let body = request.body_mut().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let request = Request { method, target, query, accept, content_type, user_agent, body };
    if let Some(answer) = review::answer(engine, cluster, &request)? {
        return Ok(answer);
    }
    match (request.method.as_str(), request.target.sub.as_str()) {
        ("GET", "") if request.query.flag("watch") => watch::answer(engine, cluster, &request),
        ("GET", "") => read::answer(engine, cluster, &request),
        ("GET", "log") => logs::answer(engine, cluster, &request),
        ("POST" | "PUT" | "PATCH", "") => write::answer(engine, cluster, &request),
        ("DELETE", "") => delete::answer(engine, cluster, &request),
        ("GET" | "PUT" | "PATCH" | "POST", _) => subresource::answer(engine, cluster, &request),
        _ => Err(ApiFailure::method_not_allowed()),
    }
}
