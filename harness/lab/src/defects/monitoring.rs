//! Prometheus, its targets and federation, and the dashboards.

use serde_json::json;

use super::change::{break_pods, scale_deployment, select_no_pod, set_field};
use super::row::{Planted, Row, in_all, in_primary, in_secondary};
use crate::store::resources;
use crate::world::Broken;
use crate::world::{Discovery, Federation};

use Planted::{Bootstrap, Objects, Start};

pub(super) static ROWS: &[Row] = &[
    in_secondary("prometheus-down", Objects, "Deployment prometheus has 0 replicas", |world, cluster| {
        scale_deployment(world, cluster, "istio-system", "prometheus", 0);
    }),
    in_secondary(
        "prometheus-stale",
        Bootstrap,
        "Prometheus answers queries but has not scraped for a minute",
        |world, cluster| world.clusters[cluster].quirks.prometheus_frozen = true,
    ),
    in_secondary(
        "prometheus-html",
        Start,
        "a login page (HTML, 200) answers at the address of Prometheus",
        |world, cluster| world.clusters[cluster].quirks.prometheus_html = true,
    ),
    in_secondary(
        "scrape-pool-emptied",
        Bootstrap,
        "relabelling has dropped all pods from scrape pool kubernetes-pods for a minute",
        |world, cluster| world.clusters[cluster].quirks.discovery = Discovery::DroppedLately,
    ),
    in_secondary(
        "prometheus-finds-no-pods",
        Bootstrap,
        "Prometheus' service discovery returns no pods",
        |world, cluster| world.clusters[cluster].quirks.discovery = Discovery::Nothing,
    ),
    in_all("scraped-every-minute", Bootstrap, "Prometheus has scrape_interval 1m", |world, cluster| {
        world.clusters[cluster].quirks.scrape_interval = 60_000;
    }),
    in_secondary(
        "cross-cluster-metrics-silent",
        Bootstrap,
        "istio_requests_total does not count requests to other clusters",
        |world, cluster| world.clusters[cluster].quirks.uncounted_remote_requests = true,
    ),
    in_primary(
        "federation-self-scrape",
        Bootstrap,
        "the hub Prometheus federates itself and labels the series as the other cluster's",
        |world, cluster| world.clusters[cluster].quirks.federation = Federation::Itself,
    ),
    in_primary(
        "federation-stale",
        Bootstrap,
        "the hub Prometheus stopped federating a minute ago; the old series are still there",
        |world, cluster| world.clusters[cluster].quirks.federation = Federation::Stopped,
    ),
    in_primary(
        "federation-service-without-endpoints",
        Bootstrap,
        "the hub Prometheus federates a Service that has no endpoints",
        |world, cluster| world.clusters[cluster].quirks.federation = Federation::NoEndpoints,
    ),
    in_primary(
        "federation-service-selects-nothing",
        Objects,
        "the selector of Service prometheus-federated matches no pod",
        |world, cluster| {
            let (service, selector) = (("istio-system", "prometheus-federated"), json!({"app": "prometheus"}));
            set_field(world, cluster, resources::services(), service, "/spec/selector", selector);
        },
    ),
    in_all(
        "replicas-labelled",
        Bootstrap,
        "every Prometheus adds external label prometheus_replica to federated series",
        |world, cluster| world.clusters[cluster].quirks.replica_label = true,
    ),
    in_secondary("observability-pod-unready", Bootstrap, "the pod of grafana never becomes ready", |world, cluster| {
        break_pods(world, cluster, "grafana", "", Broken::Unready);
    }),
    in_secondary(
        "observability-port-drift",
        Objects,
        "Service grafana has port 3001 instead of 3000",
        |world, cluster| {
            let ports = json!([{"name": "service", "port": 3001, "targetPort": 3000, "protocol": "TCP"}]);
            set_field(world, cluster, resources::services(), ("istio-system", "grafana"), "/spec/ports", ports);
        },
    ),
    in_secondary(
        "observability-without-endpoints",
        Objects,
        "the selector of Service kiali matches no pod",
        |world, cluster| select_no_pod(world, cluster, "kiali"),
    ),
    in_secondary("dashboard-down", Objects, "Deployment kiali has 0 replicas", |world, cluster| {
        scale_deployment(world, cluster, "istio-system", "kiali", 0);
    }),
];
