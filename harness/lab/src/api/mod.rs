//! The Kubernetes API of one cluster over HTTP: discovery, objects, watches and the streaming subresources.
//!
//! Authentication, field ownership and schema validation are not modelled beyond what clients notice.

pub(crate) mod body;
pub(crate) mod delete;
mod discovery;
pub(crate) mod failure;
pub(crate) mod grants;
mod logs;
mod openapi;
pub(crate) mod path;
mod protobuf;
pub(crate) mod query;
mod read;
mod review;
mod subresource;
mod table;
mod table_kinds;
mod watch;
mod write;

pub(crate) use discovery::KUBERNETES;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::Value;

use crate::api::body::Body;
use crate::api::failure::Failure;
use crate::api::path::Target;
use crate::api::query::Query;
use crate::lab::Lab;

/// What a handler of one request gets.
pub(crate) struct Request {
    pub(crate) method: http::Method,
    pub(crate) target: Target,
    pub(crate) query: Query,
    pub(crate) accept: String,
    pub(crate) content_type: String,
    pub(crate) body: bytes::Bytes,
}

impl Request {
    pub(crate) fn json(&self) -> Result<Value, Failure> {
        if self.content_type.contains("protobuf") {
            return protobuf::decode(&self.body).ok_or_else(|| {
                let text = "the body of the request was in an unknown format - accepted media types include: application/json, application/yaml";
                Failure::new(415, "UnsupportedMediaType", text)
            });
        }
        serde_json::from_slice(&self.body).map_err(|e| {
            Failure::bad_request(format!("the object provided is unrecognized: couldn't parse the body as JSON: {e}"))
        })
    }

    pub(crate) fn dry_run(&self) -> bool {
        self.query.get("dryRun") == Some("All")
    }
}

/// Answers one request to the API server of cluster `c`.
pub(crate) async fn handle(lab: Lab, c: usize, mut request: http::Request<Incoming>) -> http::Response<Body> {
    let (alias, date) = lab.with(|world| {
        let quirks = &world.clusters[c].quirks;
        (quirks.api_alias.filter(|d| *d < world.clusters.len()), world.dates.http(world.now + quirks.skew))
    });
    let c = alias.unwrap_or(c);
    let mode = lab.with(|world| world.clusters[c].quirks.api_at(world.now));
    let mut response = if let Some(failure) = mode.turns_away(request.method(), request.uri().path()) {
        failure.response()
    } else {
        if !mode.answers() {
            return std::future::pending().await;
        }
        route(&lab, c, &mut request).await.unwrap_or_else(|failure| failure.response())
    };
    if let Ok(date) = date.parse() {
        response.headers_mut().insert("date", date);
    }
    response
}

async fn route(lab: &Lab, c: usize, request: &mut http::Request<Incoming>) -> Result<http::Response<Body>, Failure> {
    let path = request.uri().path().to_owned();
    let query = Query::parse(request.uri().query().unwrap_or(""));
    let header = |name: &str| request.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or("").to_owned();
    let (accept, content_type) = (header("accept"), header("content-type"));
    if let Some(response) = discovery::answer(lab, c, &path, &accept) {
        return Ok(response);
    }
    let target = path::parse(&path)?;
    if let Some(refusal) = lab.with(|world| world.clusters[c].grants.refuses(request.method(), &target, &query)) {
        return Err(refusal);
    }
    if matches!(target.sub.as_str(), "exec" | "attach" | "portforward") {
        return crate::exec::upgrade(lab, c, &target, &query, request);
    }
    let method = request.method().clone();
    let body = request.body_mut().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let request = Request { method, target, query, accept, content_type, body };
    if let Some(answer) = review::answer(lab, c, &request)? {
        return Ok(answer);
    }
    match (request.method.as_str(), request.target.sub.as_str()) {
        ("GET", "") if request.query.flag("watch") => watch::answer(lab, c, &request),
        ("GET", "") => read::answer(lab, c, &request),
        ("GET", "log") => logs::answer(lab, c, &request),
        ("POST" | "PUT" | "PATCH", "") => write::answer(lab, c, &request),
        ("DELETE", "") => delete::answer(lab, c, &request),
        ("GET" | "PUT" | "PATCH" | "POST", _) => subresource::answer(lab, c, &request),
        _ => Err(Failure::method_not_allowed()),
    }
}
