//! The statistics of a proxy, limited to Istio's default inclusion list.

use std::fmt::Write as _;

use crate::clock;
use crate::mesh::control;
use crate::world::{Pod, World};

fn list(world: &World, index: usize, pod: &Pod) -> Vec<(String, &'static str, String, f64)> {
    let cluster = &world.clusters[index];
    let version = control::version(cluster, pod);
    let up = clock::seconds(world.now - pod.started);
    let proxy = pod.proxy.as_ref();
    let clusters = proxy.and_then(|p| p.snapshot.as_ref()).map_or(0, |s| s.upstreams.len());
    let pushed = proxy.and_then(|p| p.snapshot.as_ref()).map_or(0, |s| s.version);
    let xds = "{cluster_name=\"xds-grpc\"}".to_owned();
    let connected = f64::from(control::serves(world, index, &pod.revision));
    vec![
        ("envoy_cluster_upstream_cx_active".into(), "gauge", xds.clone(), connected),
        ("envoy_cluster_upstream_cx_total".into(), "counter", xds.clone(), 1.0),
        ("envoy_cluster_upstream_cx_connect_fail".into(), "counter", xds, 0.0),
        ("envoy_cluster_manager_active_clusters".into(), "gauge", String::new(), clusters as f64),
        ("envoy_cluster_manager_cds_update_success".into(), "counter", String::new(), pushed as f64),
        ("envoy_listener_manager_total_listeners_active".into(), "gauge", String::new(), 5.0),
        ("envoy_server_live".into(), "gauge", String::new(), f64::from(!pod.terminating())),
        ("envoy_server_uptime".into(), "gauge", String::new(), up),
        ("istio_build".into(), "gauge", format!("{{component=\"proxy\",tag=\"{version}\"}}"), 1.0),
        (
            "istio_agent_process_start_time_seconds".into(),
            "gauge",
            String::new(),
            clock::seconds(world.dates.unix_ms(pod.started)),
        ),
    ]
}

/// The Prometheus text, with the metrics of the application, which the agent merges.
pub(super) fn prometheus(world: &World, cluster: usize, pod: &Pod, filter: &str) -> String {
    let keep = regex::Regex::new(filter).ok();
    let mut out = String::new();
    for (name, kind, labels, value) in list(world, cluster, pod) {
        if filter.is_empty() || keep.as_ref().is_some_and(|f| f.is_match(&name)) {
            let _ = writeln!(out, "# TYPE {name} {kind}\n{name}{labels} {value}");
        }
    }
    if !pod.metrics.is_empty() && filter.is_empty() {
        out.push_str(&pod.metrics.text(pod.sender(&world.clusters[cluster].ident.istio)));
    }
    out
}

/// The plain text of `/stats`.
pub(super) fn plain(world: &World, cluster: usize, pod: &Pod, filter: &str) -> String {
    let keep = regex::Regex::new(filter).ok();
    let mut out = String::new();
    for (name, _, _, value) in list(world, cluster, pod) {
        let name = name.replacen("envoy_", "", 1).replace('_', ".");
        if filter.is_empty() || keep.as_ref().is_some_and(|f| f.is_match(&name)) {
            let _ = writeln!(out, "{name}: {value}");
        }
    }
    out
}
