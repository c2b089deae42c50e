//! What a target exposes when it is scraped.

use super::federate;
use super::labels::{Labels, NAME};
use super::target::TargetSource;
use crate::clock;
use crate::mesh::control;
use crate::plane::listen::{Kind, listener};
use crate::store::resources;
use crate::world::{Cluster, Federation, Pod, Role, Uid, World};

/// Labels, a timestamp if the target sets one, and value.
pub(super) type Samples = Vec<(Labels, Option<i64>, f64)>;

/// The samples of a target, or the error of the scrape.
pub(super) fn expose(world: &World, cluster: usize, source: &TargetSource, now: i64) -> Result<Samples, String> {
    match source {
        TargetSource::Itself => Ok(own(world, cluster)),
        TargetSource::Pod(uid, port) => pod(world, cluster, uid, *port),
        TargetSource::Peer(peer) => peer_samples(world, cluster, *peer, now),
    }
}

fn metric(name: &str, pairs: &[(&str, &str)], value: f64) -> (Labels, Option<i64>, f64) {
    let all = std::iter::once((NAME, name)).chain(pairs.iter().copied());
    (Labels::new(all), None, value)
}

fn own(world: &World, cluster: usize) -> Samples {
    let prometheus = &world.clusters[cluster].prometheus;
    vec![
        metric("prometheus_build_info", &[("version", "3.5.0"), ("goversion", "go1.24.4")], 1.0),
        metric("prometheus_tsdb_head_series", &[], prometheus.db.all().count() as f64),
        metric("prometheus_target_scrapes_total", &[], prometheus.scrapes as f64),
        metric("prometheus_config_last_reload_successful", &[], 1.0),
    ]
}

fn pod(world: &World, cluster: usize, uid: &Uid, port: u16) -> Result<Samples, String> {
    let cluster = &world.clusters[cluster];
    let Some(pod) = cluster.pods.get(uid) else { return Err("context deadline exceeded".into()) };
    let address = pod.ip.map(|ip| format!("{ip}:{port}")).unwrap_or_default();
    let agent = pod.proxy.is_some() && !pod.gateway() && pod.network;
    if !(pod.serving || agent) || listener(pod, port, false).is_none() {
        return Err(format!("Get \"http://{address}/metrics\": dial tcp {address}: connect: connection refused"));
    }
    let version = control::version(cluster, pod);
    let age = clock::seconds(world.now - pod.started);
    Ok(match listener(pod, port, false) {
        Some(Kind::AppMetrics) => application(cluster, pod),
        Some(Kind::Istiod(_)) => vec![
            metric("pilot_info", &[("version", &version)], 1.0),
            metric("istio_build", &[("component", "pilot"), ("tag", &version)], 1.0),
            metric(
                "pilot_xds",
                &[("version", &version)],
                cluster.pods.values().filter(|p| p.proxy.is_some()).count() as f64,
            ),
            metric("pilot_services", &[], cluster.store.list(resources::services(), None).count() as f64),
            metric("process_start_time_seconds", &[], clock::seconds(world.dates.unix_ms(pod.started))),
        ],
        _ => {
            let mut samples = application(cluster, pod);
            samples.extend([
                metric("istio_build", &[("component", "proxy"), ("tag", &version)], 1.0),
                metric("envoy_server_uptime", &[], age),
                metric("envoy_server_live", &[], 1.0),
                metric("envoy_cluster_upstream_cx_active", &[("cluster_name", "xds-grpc")], 1.0),
            ]);
            samples
        }
    })
}

/// The metrics of the application in a pod.
fn application(cluster: &Cluster, pod: &Pod) -> Samples {
    let mut samples = Vec::new();
    for calls in pod.metrics.calls(pod.sender(&cluster.ident.istio)) {
        let labels = Labels::new(calls.labels);
        for (name, le, value) in calls.samples {
            let named = labels.with(NAME, name);
            samples.push((if le.is_empty() { named } else { named.with("le", &le) }, None, value));
        }
    }
    samples
}

fn peer_samples(world: &World, cluster: usize, peer: usize, now: i64) -> Result<Samples, String> {
    let (from, label) = match world.clusters[cluster].quirks.federation {
        Federation::Itself => (cluster, Some(world.clusters[peer].ident.istio.clone())),
        Federation::NoEndpoints => return Err("dial tcp: connect: connection refused".into()),
        Federation::Stopped if world.now > -60_000 => return Err("context deadline exceeded".into()),
        Federation::Peers | Federation::Stopped => (peer, None),
    };
    let there = &world.clusters[from];
    if there.ready(Role::Prometheus).is_none() || there.quirks.prometheus_html {
        return Err(format!(
            "Get \"http://{}:9090/federate\": dial tcp {}:9090: connect: connection refused",
            there.ident.lb_ip(20),
            there.ident.lb_ip(20)
        ));
    }
    let mut samples: Samples = federate::federated_series(&there.prometheus.db, now)
        .map(|(labels, at, value)| (federate::with_external_labels(&labels, there), Some(at), value))
        .collect();
    if let Some(label) = label {
        for sample in &mut samples {
            sample.0 = sample.0.with("cluster", &label);
        }
    }
    Ok(samples)
}
