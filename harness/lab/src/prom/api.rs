//! Prometheus' HTTP API.

use serde_json::json;

use super::response::success;
use super::{config, federate, query_api, rules_api};
use crate::api::query::Query;
use crate::plane::call::{HttpAnswer, HttpCall, TEXT};
use crate::world::World;

/// Answers one request.
pub(crate) fn answer(world: &mut World, cluster: usize, call: &HttpCall) -> HttpAnswer {
    if world.clusters[cluster].quirks.prometheus_html {
        return HttpAnswer::new(
            200,
            "text/html",
            "<!DOCTYPE html><html><head><title>Sign in</title></head><body>Please sign in.</body></html>\n",
        );
    }
    let (path, query) = call.path.split_once('?').unwrap_or((&call.path, ""));
    let form = call.header("content-type").is_some_and(|t| t.starts_with("application/x-www-form-urlencoded"));
    let posted = if form { String::from_utf8_lossy(&call.body).into_owned() } else { String::new() };
    let query = Query::parse(&format!("{posted}&{query}"));
    let read = matches!(call.method, http::Method::GET | http::Method::HEAD);
    let query_method = read || call.method == http::Method::POST;
    match path {
        "/api/v1/query" if query_method => query_api::instant(world, cluster, &query),
        "/api/v1/query_range" if query_method => query_api::range(world, cluster, &query),
        "/api/v1/series" if query_method => query_api::series(world, cluster, &query),
        "/api/v1/labels" if query_method => query_api::labels(world, cluster),
        "/api/v1/targets" if read => rules_api::targets(world, cluster, &query),
        "/api/v1/scrape_pools" if read => success(&json!({"scrapePools": config::jobs(world, cluster)})),
        "/api/v1/rules" if read => rules_api::rules(world, cluster, query.get("type")),
        "/api/v1/alerts" if read => rules_api::alerts(world, cluster),
        "/api/v1/alertmanagers" if read => alertmanagers(world, cluster),
        "/api/v1/status/config" if read => success(&json!({"yaml": config::text(world, cluster)})),
        "/api/v1/status/buildinfo" if read => {
            success(&json!({"version": "3.5.0", "revision": "8be3a9560fbdd18a94dedec4b747c35178177202",
            "branch": "HEAD", "buildUser": "", "buildDate": "", "goVersion": "go1.24.4"}))
        }
        "/api/v1/status/runtimeinfo" if read => {
            success(&json!({"startTime": world.dates.millis(-3_600_000), "reloadConfigSuccess": true,
            "lastConfigTime": world.dates.millis(-3_600_000), "storageRetention": "15d"}))
        }
        "/federate" if read => {
            let selectors: Vec<&str> = query.all("match[]").collect();
            federate::answer(world, cluster, &selectors)
        }
        "/-/ready" if read => HttpAnswer::new(200, "text/plain; charset=utf-8", "Prometheus Server is Ready.\n"),
        "/-/healthy" if read => HttpAnswer::new(200, "text/plain; charset=utf-8", "Prometheus Server is Healthy.\n"),
        "/" | "/graph" | "/query" if read => HttpAnswer::new(
            200,
            "text/html; charset=utf-8",
            "<!DOCTYPE html><html><head><title>Prometheus Time Series Collection and Processing Server</title></head></html>\n",
        ),
        path if path.starts_with("/api/v1/label/") && path.ends_with("/values") && read => {
            let name = path.trim_start_matches("/api/v1/label/").trim_end_matches("/values").to_owned();
            query_api::values(world, cluster, &name)
        }
        _ if !read && known(path) => HttpAnswer::new(405, TEXT, "Method Not Allowed\n"),
        _ => HttpAnswer::new(404, TEXT, "404 page not found\n"),
    }
}

fn known(path: &str) -> bool {
    path.starts_with("/api/v1/") || path.starts_with("/-/") || path == "/federate"
}

fn alertmanagers(world: &World, cluster: usize) -> HttpAnswer {
    let active = match config::alertmanager(world, cluster) {
        Some(target) => json!([{"url": format!("http://{target}/api/v2/alerts")}]),
        None => json!([]),
    };
    success(&json!({"activeAlertmanagers": active, "droppedAlertmanagers": []}))
}
