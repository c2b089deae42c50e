//! `/clusters`, as text and as JSON.

use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::{Value, json};

use super::format::{JSON, TEXT, pretty};
use crate::clock::Ms;
use crate::mesh::balance::HostStats;
use crate::mesh::snapshot::{Endpoint, Upstream};
use crate::plane::call::HttpAnswer;
use crate::world::{Pod, World};

/// One Envoy cluster of this proxy. An east-west gateway has other names, and only endpoints of its own cluster.
pub(super) struct ShownCluster {
    pub(super) name: String,
    pub(super) upstream: Arc<Upstream>,
    pub(super) endpoints: Vec<Endpoint>,
}

/// The Envoy clusters of a proxy that match a filter.
pub(super) fn shown(cluster: usize, pod: &Pod, filter: Option<&regex::Regex>) -> Vec<ShownCluster> {
    let Some(snapshot) = pod.proxy.as_ref().and_then(|p| p.snapshot.as_ref()) else { return Vec::new() };
    let east_west = pod.network_view;
    let mut list = Vec::new();
    for upstream in snapshot.upstreams.values() {
        let local = |endpoint: &&Endpoint| !east_west || endpoint.owner == cluster;
        let name = if east_west {
            format!("outbound_.{}_.{}_.{}", upstream.port, upstream.subset, upstream.host)
        } else {
            upstream.name.to_string()
        };
        if filter.is_none_or(|regex| regex.is_match(&name)) {
            let endpoints = upstream.endpoints.iter().filter(local).cloned().collect();
            list.push(ShownCluster { name, upstream: upstream.clone(), endpoints });
        }
    }
    list
}

pub(super) fn answer(world: &World, cluster: usize, pod: &Pod, filter: Option<&str>, json: bool) -> HttpAnswer {
    let filter = match filter.map(regex::Regex::new) {
        Some(Ok(regex)) => Some(regex),
        Some(Err(_)) => return HttpAnswer::new(400, TEXT, "Invalid re2 regex"),
        None => None,
    };
    let shown = shown(cluster, pod, filter.as_ref());
    let fixed = filter.as_ref().is_none_or(|f| f.is_match("xds-grpc"));
    if json {
        return HttpAnswer::new(200, JSON, as_json(world.now, pod, &shown, fixed));
    }
    HttpAnswer::new(200, TEXT, as_text(world.now, pod, &shown, fixed))
}

fn host<'a>(pod: &'a Pod, upstream: &Upstream, endpoint: &Endpoint) -> Option<&'a HostStats> {
    pod.proxy.as_ref()?.balancers.get(&upstream.name)?.hosts.get(&(endpoint.ip, endpoint.port))
}

fn counters(found: Option<&HostStats>) -> [(&'static str, bool, u64); 9] {
    let h = found.cloned().unwrap_or_default();
    [
        ("cx_active", true, u64::from(h.connected)),
        ("cx_connect_fail", false, h.connect_fails),
        ("cx_total", false, h.connects),
        ("rq_active", true, h.active),
        ("rq_error", false, h.errors),
        ("rq_pending_active", true, 0),
        ("rq_success", false, h.successes),
        ("rq_timeout", false, h.timeouts),
        ("rq_total", false, h.requests),
    ]
}

fn as_text(now: Ms, pod: &Pod, shown: &[ShownCluster], fixed: bool) -> String {
    let mut out = String::new();
    for ShownCluster { name, upstream, endpoints } in shown {
        let mut line = |key: &str, value: &str| {
            let _ = writeln!(out, "{name}::{key}::{value}");
        };
        line("observability_name", &format!("{name};"));
        if upstream.policy.outlier.is_some() {
            for key in [
                "success_rate_average",
                "success_rate_ejection_threshold",
                "local_origin_success_rate_average",
                "local_origin_success_rate_ejection_threshold",
            ] {
                line(&format!("outlier::{key}"), "-1");
            }
        }
        let limits = upstream.policy.limits;
        for (key, value) in [
            ("max_connections", limits.connections),
            ("max_pending_requests", limits.pending),
            ("max_requests", limits.requests),
            ("max_retries", u32::MAX),
        ] {
            line(&format!("default_priority::{key}"), &value.to_string());
        }
        for (key, value) in
            [("max_connections", 1024), ("max_pending_requests", 1024), ("max_requests", 1024), ("max_retries", 3)]
        {
            line(&format!("high_priority::{key}"), &value.to_string());
        }
        line("added_via_api", "true");
        line("eds_service_name", name);
        for endpoint in endpoints {
            let address = format!("{}:{}", endpoint.ip, endpoint.port);
            let found = host(pod, upstream, endpoint);
            for (key, _, value) in counters(found) {
                line(&format!("{address}::{key}"), &value.to_string());
            }
            let flags = if found.is_some_and(|host| host.ejected(now)) { "/failed_outlier_check" } else { "healthy" };
            let weight = endpoint.weight.to_string();
            for (key, value) in [
                ("hostname", ""),
                ("health_flags", flags),
                ("weight", &weight),
                ("region", endpoint.region),
                ("zone", &endpoint.zone),
                ("sub_zone", ""),
                ("canary", "false"),
                ("priority", &endpoint.priority.to_string()),
                ("success_rate", "-1"),
                ("local_origin_success_rate", "-1"),
            ] {
                line(&format!("{address}::{key}"), value);
            }
        }
    }
    if fixed {
        for key in [
            "observability_name::xds-grpc",
            "added_via_api::false",
            "./etc/istio/proxy/XDS::cx_active::1",
            "./etc/istio/proxy/XDS::health_flags::healthy",
        ] {
            let _ = writeln!(out, "xds-grpc::{key}");
        }
    }
    out
}

fn as_json(now: Ms, pod: &Pod, shown: &[ShownCluster], fixed: bool) -> String {
    let mut list: Vec<Value> = shown.iter().map(|s| status(now, pod, s)).collect();
    if fixed {
        list.push(json!({"name": "xds-grpc", "host_statuses": [{"address": {"pipe": {"path": "./etc/istio/proxy/XDS"}},
            "health_status": {"eds_health_status": "HEALTHY"}, "weight": 1, "locality": {}}], "observability_name": "xds-grpc"}));
    }
    if list.is_empty() { "{}\n".into() } else { pretty(&json!({"cluster_statuses": list})) }
}

fn status(now: Ms, pod: &Pod, ShownCluster { name, upstream, endpoints }: &ShownCluster) -> Value {
    let hosts: Vec<Value> = endpoints
        .iter()
        .map(|e| {
            let found = host(pod, upstream, e);
            let mut all = counters(found);
            all.sort_by_key(|(name, gauge, _)| (*gauge, *name));
            let stats: Vec<Value> = all
                .iter()
                .map(|(name, gauge, value)| {
                    let mut stat = serde_json::Map::new();
                    if *gauge {
                        stat.insert("type".into(), json!("GAUGE"));
                    }
                    if *value > 0 {
                        stat.insert("value".into(), json!(value.to_string()));
                    }
                    stat.insert("name".into(), json!(name));
                    Value::Object(stat)
                })
                .collect();
            let mut health = json!({"eds_health_status": "HEALTHY"});
            if found.is_some_and(|h| h.ejected(now)) {
                health["failed_outlier_check"] = json!(true);
            }
            let mut one = json!({"address": {"socket_address": {"address": e.ip.to_string(), "port_value": e.port}}, "stats": stats,
                "health_status": health, "weight": e.weight, "locality": {"region": e.region, "zone": e.zone}});
            if e.priority > 0 {
                one["priority"] = json!(e.priority);
            }
            one
        })
        .collect();
    let limits = upstream.policy.limits;
    let mut value = json!({"name": name, "added_via_api": true});
    if !hosts.is_empty() {
        value["host_statuses"] = json!(hosts);
    }
    value["circuit_breakers"] = json!({"thresholds": [
        {"max_connections": limits.connections, "max_pending_requests": limits.pending, "max_requests": limits.requests, "max_retries": u32::MAX},
        {"priority": "HIGH", "max_connections": 1024, "max_pending_requests": 1024, "max_requests": 1024, "max_retries": 3}]});
    value["observability_name"] = json!(format!("{name};"));
    value["eds_service_name"] = json!(name);
    value
}
