//! The ports of a proxy: the admin interface, the agent's status port, health and metrics.

use serde_json::json;

use super::format::{JSON, TEXT, pretty};
use super::{clusters, dump, stats};
use crate::api::query::Query;
use crate::plane::call::{HttpAnswer, HttpCall};
use crate::plane::listen::Kind;
use crate::world::{Pod, Uid, World};

/// Answers a request to one of a proxy's own ports.
pub(crate) fn answer(world: &World, cluster: usize, uid: &Uid, kind: Kind, call: &HttpCall) -> HttpAnswer {
    let Some(pod) = world.clusters[cluster].pods.get(uid) else { return HttpAnswer::local(503, "") };
    let (path, query) = call.path.split_once('?').unwrap_or((&call.path, ""));
    let query = Query::parse(query);
    let ready = pod.ready || pod.proxy.as_ref().is_some_and(|p| p.snapshot.is_some()) && pod.network;
    match (kind, path) {
        (Kind::Health | Kind::Agent, "/healthz/ready") => HttpAnswer::new(if ready { 200 } else { 503 }, TEXT, ""),
        (Kind::EnvoyMetrics | Kind::Agent, "/stats/prometheus" | "/metrics") => {
            HttpAnswer::new(200, TEXT, stats::prometheus(world, cluster, pod, ""))
        }
        (Kind::EnvoyAdmin, _) => admin(world, cluster, pod, path, &query, call.method.as_str()),
        _ => HttpAnswer::new(404, TEXT, ""),
    }
}

/// The admin interface.
fn admin(world: &World, cluster: usize, pod: &Pod, path: &str, query: &Query, method: &str) -> HttpAnswer {
    let json = query.get("format") == Some("json");
    match path {
        "/clusters" => clusters::answer(world, cluster, pod, query.get("filter"), json),
        "/config_dump" => HttpAnswer::new(200, JSON, dump::config(world, cluster, pod, query)),
        "/server_info" => HttpAnswer::new(200, JSON, pretty(&dump::server_info(world, cluster, pod))),
        "/ready" if pod.terminating() => HttpAnswer::new(503, TEXT, "DRAINING\n"),
        "/ready" if pod.proxy.as_ref().is_some_and(|p| p.snapshot.is_none()) => {
            HttpAnswer::new(503, TEXT, "PRE_INITIALIZING\n")
        }
        "/ready" => HttpAnswer::new(200, TEXT, "LIVE\n"),
        "/stats/prometheus" => {
            HttpAnswer::new(200, TEXT, stats::prometheus(world, cluster, pod, query.get("filter").unwrap_or("")))
        }
        "/stats" if query.get("format") == Some("prometheus") => {
            HttpAnswer::new(200, TEXT, stats::prometheus(world, cluster, pod, query.get("filter").unwrap_or("")))
        }
        "/stats" => HttpAnswer::new(200, TEXT, stats::plain(world, cluster, pod, query.get("filter").unwrap_or(""))),
        "/listeners" if json => HttpAnswer::new(200, JSON, pretty(&dump::listeners(world, cluster, pod))),
        "/listeners" => {
            let list = dump::listeners(world, cluster, pod);
            let lines = list["listener_statuses"].as_array().into_iter().flatten().map(|l| {
                let at = &l["local_address"]["socket_address"];
                format!(
                    "{}::{}:{}\n",
                    l["name"].as_str().unwrap_or(""),
                    at["address"].as_str().unwrap_or(""),
                    at["port_value"]
                )
            });
            HttpAnswer::new(200, TEXT, lines.collect::<String>())
        }
        "/certs" => HttpAnswer::new(200, JSON, pretty(&dump::certs(world, cluster))),
        "/memory" => HttpAnswer::new(200, JSON, pretty(&json!({"allocated": "11370064", "heap_size": "25165824"}))),
        "/help" | "/" => HttpAnswer::new(
            200,
            TEXT,
            "admin commands are:\n  /: Admin home page\n  /clusters: upstream cluster status\n",
        ),
        "/quitquitquit" | "/healthcheck/fail" | "/drain_listeners" | "/reset_counters" | "/logging"
            if method != "POST" =>
        {
            HttpAnswer::new(405, TEXT, format!("Method {method} not allowed, POST required."))
        }
        "/logging" | "/reset_counters" => HttpAnswer::new(200, TEXT, "OK\n"),
        _ => HttpAnswer::new(
            404,
            TEXT,
            "invalid path. admin commands are:\n  /: Admin home page\n  /clusters: upstream cluster status\n",
        ),
    }
}
