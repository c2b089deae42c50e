//! Watches: replay the log of changes, then follow it.

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{Duration, Instant, sleep_until};

use super::body::Body;
use super::failure::ApiFailure;
use super::filter::Filter;
use super::form::{Form, form, metadata_only, shown};
use super::request::Request;
use super::table;
use crate::engine::Engine;
use crate::store::ChangeKind;

/// The seconds a watch lasts without `timeoutSeconds`.
const DEFAULT: u64 = 1800;

struct Follow {
    filter: Filter,
    form: Form,
    at: u64,
    target: super::path::Target,
}

pub(crate) fn answer(engine: &Engine, cluster: usize, request: &Request) -> Result<http::Response<Body>, ApiFailure> {
    let filter = Filter::of(request)?;
    let since = request.query.get("resourceVersion").and_then(|v| v.parse::<u64>().ok()).unwrap_or(0);
    let (oldest, version, mut news) = engine.with(|world| {
        (
            world.clusters[cluster].store.oldest(),
            world.clusters[cluster].store.version(),
            world.clusters[cluster].store.announcements(),
        )
    });
    if since != 0 && since < oldest {
        return Err(ApiFailure::new(410, "Expired", format!("too old resource version: {since} ({oldest})")));
    }
    let seconds = request.query.get("timeoutSeconds").and_then(|v| v.parse().ok()).unwrap_or(DEFAULT);
    let bookmarks = request.query.flag("allowWatchBookmarks");
    let initial = request.query.flag("sendInitialEvents");
    let mut follow = Follow { filter, form: form(&request.accept), at: since, target: request.target.clone() };
    let (send, receive) = mpsc::channel::<Bytes>(64);
    let engine = engine.clone();
    tokio::spawn(async move {
        let end = Instant::now() + Duration::from_secs(seconds);
        if since == 0 || initial {
            let first = existing(&engine, cluster, &mut follow, version);
            if !send_all(&send, first).await {
                return;
            }
            if initial && send.send(bookmark(&follow, true)).await.is_err() {
                return;
            }
        }
        loop {
            news.mark_unchanged();
            let lines = changes(&engine, cluster, &mut follow);
            if !send_all(&send, lines).await {
                return;
            }
            tokio::select! {
                moved = news.changed() => if moved.is_err() { return },
                () = send.closed() => return,
                () = sleep_until(end) => break,
            }
        }
        if bookmarks {
            let _ = send.send(bookmark(&follow, false)).await;
        }
    });
    http::Response::builder()
        .status(200)
        .header("content-type", "application/json")
        .body(Body::Pieces(receive))
        .map_err(|e| ApiFailure::internal(e.to_string()))
}

async fn send_all(send: &mpsc::Sender<Bytes>, lines: Vec<Bytes>) -> bool {
    for line in lines {
        if send.send(line).await.is_err() {
            return false;
        }
    }
    true
}

fn line(kind: &str, value: &Value) -> Bytes {
    Bytes::from(format!("{}\n", json!({"type": kind, "object": value})))
}

fn bookmark(follow: &Follow, initial: bool) -> Bytes {
    let mut metadata = json!({"resourceVersion": follow.at.to_string(), "creationTimestamp": null});
    if initial {
        metadata["annotations"] = json!({"k8s.io/initial-events-end": "true"});
    }
    line(
        "BOOKMARK",
        &json!({"kind": follow.target.resource.kind, "apiVersion": follow.target.api_version(), "metadata": metadata}),
    )
}

/// The objects that exist when the watch begins.
fn existing(engine: &Engine, cluster: usize, follow: &mut Follow, version: u64) -> Vec<Bytes> {
    follow.at = version;
    engine.with(|world| {
        let (now, dates) = (world.now, world.dates);
        let store = &world.clusters[cluster].store;
        follow.at = store.version();
        let found = store.list(follow.target.resource, None).filter(|v| follow.filter.matches(v));
        found.map(|v| line("ADDED", &render(follow, v, store.version(), now, dates))).collect()
    })
}

/// The changes since the watch last sent any.
fn changes(engine: &Engine, cluster: usize, follow: &mut Follow) -> Vec<Bytes> {
    engine.with(|world| {
        let (now, dates) = (world.now, world.dates);
        let store = &world.clusters[cluster].store;
        let mut lines = Vec::new();
        for change in store.since(follow.at).filter(|change| *change.resource == *follow.target.resource) {
            let was = change.previous.as_deref().is_some_and(|old| follow.filter.matches(old));
            let is = change.kind != ChangeKind::Deleted && follow.filter.matches(&change.object);
            let kind = match (was, is) {
                (false, true) => "ADDED",
                (true, true) => "MODIFIED",
                (true, false) => "DELETED",
                (false, false) => continue,
            };
            lines.push(line(kind, &render(follow, &change.object, change.version, now, dates)));
        }
        follow.at = store.version();
        lines
    })
}

fn render(
    follow: &Follow,
    value: &std::sync::Arc<Value>,
    version: u64,
    now: crate::clock::Ms,
    dates: crate::clock::Dates,
) -> Value {
    let value = shown(value, &follow.target);
    match follow.form {
        Form::Whole => value,
        Form::Metadata => metadata_only(&value),
        Form::Table => table::table(follow.target.resource, &[value], version, now, dates),
    }
}
