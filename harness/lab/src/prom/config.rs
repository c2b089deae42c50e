//! Prometheus' configuration as its `ConfigMap` and `/api/v1/status/config` show it.

use std::fmt::Write as _;

use crate::world::{Federation, World};

/// The indexes of the peers that a cluster's Prometheus federates. The Prometheus of the first cluster is the hub.
pub(crate) fn peers(world: &World, cluster: usize) -> Vec<usize> {
    let hub = cluster == 0 && world.clusters[cluster].monitoring.federates;
    if hub { (1..world.clusters.len()).collect() } else { Vec::new() }
}

/// The address federation is scraped from.
pub(crate) fn peer_address(world: &World, cluster: usize, peer: usize) -> String {
    match world.clusters[cluster].quirks.federation {
        Federation::Peers | Federation::Stopped => format!("{}:9090", world.clusters[peer].ident.lb_ip(20)),
        Federation::Itself => "prometheus.istio-system.svc:9090".into(),
        Federation::NoEndpoints => "prometheus-federation.istio-system.svc:9090".into(),
    }
}

/// The Alertmanager that Prometheus posts to, `HOST:PORT`.
pub(crate) fn alertmanager(world: &World, cluster: usize) -> Option<&str> {
    let here = &world.clusters[cluster];
    here.monitoring.alertmanager.as_deref().filter(|_| !here.quirks.alertmanager_detached)
}

/// The cluster in which the Alertmanager of a cluster's Prometheus runs: another one's has a load balancer address.
pub(crate) fn alertmanager_cluster(world: &World, cluster: usize) -> Option<usize> {
    let (host, _) = alertmanager(world, cluster)?.rsplit_once(':')?;
    let Ok(ip) = host.parse() else { return Some(cluster) };
    (0..world.clusters.len()).find(|other| world.clusters[*other].rules.service_at(ip).is_some())
}

/// The scrape interval in Prometheus' notation.
pub(crate) fn interval(world: &World, cluster: usize) -> String {
    let seconds = world.clusters[cluster].quirks.scrape_interval / 1000;
    if seconds % 60 == 0 { format!("{}m", seconds / 60) } else { format!("{seconds}s") }
}

/// The scrape jobs, which are the scrape pools too.
pub(crate) fn jobs(world: &World, cluster: usize) -> Vec<&'static str> {
    let federate = (!peers(world, cluster).is_empty()).then_some("federate-peer");
    federate.into_iter().chain(["kubernetes-pods", "prometheus"]).collect()
}

/// The files next to a rule file, and that file itself, are loaded.
fn rule_files(file: &str) -> String {
    let (folder, name) = file.rsplit_once('/').unwrap_or(("", file));
    let extension = name.rsplit('.').next().unwrap_or_default();
    format!("rule_files:\n- {folder}/*.{extension}\n")
}

/// The configuration file.
pub(crate) fn text(world: &World, cluster: usize) -> String {
    let here = &world.clusters[cluster];
    let labels = here.quirks.external_labels(&here.ident);
    let labels = labels.iter().fold(String::new(), |text, (name, value)| text + &format!("    {name}: {value}\n"));
    let alerting = alertmanager(world, cluster).map_or_else(String::new, |target| {
        format!("alerting:\n  alertmanagers:\n  - static_configs:\n    - targets:\n      - {target}\n")
    });
    let every = interval(world, cluster);
    let rules = if here.quirks.rules_unloaded { String::new() } else { rule_files(here.monitoring.file) };
    let mut out = format!(
        "global:\n  scrape_interval: {every}\n  scrape_timeout: 5s\n  evaluation_interval: 5s\n  external_labels:\n{labels}{alerting}{rules}\
         scrape_configs:\n- job_name: prometheus\n  static_configs:\n  - targets:\n    - localhost:9090\n- job_name: kubernetes-pods\n  \
         kubernetes_sd_configs:\n  - role: pod\n"
    );
    for peer in peers(world, cluster) {
        let _ = write!(
            out,
            "- job_name: federate-peer\n  honor_labels: true\n  honor_timestamps: true\n  metrics_path: /federate\n  params:\n    match[]:\n    - '{{__name__=~\"istio_.*\"}}'\n    \
             - up{{job=\"kubernetes-pods\"}}\n  static_configs:\n  - targets:\n    - {}\n",
            peer_address(world, cluster, peer)
        );
    }
    out
}
