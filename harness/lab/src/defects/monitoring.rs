//! Prometheus, its targets and federation, and the dashboards.

use serde_json::json;

use super::change::{break_pods, scale_deployment, scale_workload, select_no_pod, set_field, set_found};
use super::find;
use super::row::{GUIDE, Planted, Row, SEVERAL, in_all, in_primary, in_secondary};
use crate::lab_mesh::LabMesh;
use crate::store::resources;
use crate::world::{Broken, Role};
use crate::world::{Discovery, Federation};

use Planted::{Bootstrap, Objects, Start};

/// The meshes with Grafana.
const GRAFANA: &[LabMesh] = &[LabMesh::Guide, LabMesh::Single];

pub(super) static ROWS: &[Row] = &[
    in_secondary("prometheus-down", Objects, "Deployment prometheus has 0 replicas", |world, cluster| {
        scale_workload(world, cluster, Role::Prometheus);
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
    )
    .on(SEVERAL),
    in_primary(
        "federation-self-scrape",
        Bootstrap,
        "the hub Prometheus federates itself and labels the series as the other cluster's",
        |world, cluster| world.clusters[cluster].quirks.federation = Federation::Itself,
    )
    .on(GUIDE),
    in_primary(
        "federation-stale",
        Bootstrap,
        "the hub Prometheus stopped federating a minute ago; the old series are still there",
        |world, cluster| world.clusters[cluster].quirks.federation = Federation::Stopped,
    )
    .on(GUIDE),
    in_primary(
        "federation-service-without-endpoints",
        Bootstrap,
        "the hub Prometheus federates a Service that has no endpoints",
        |world, cluster| world.clusters[cluster].quirks.federation = Federation::NoEndpoints,
    )
    .on(GUIDE),
    in_primary(
        "federation-service-selects-nothing",
        Objects,
        "the selector of Service prometheus-federated matches no pod",
        |world, cluster| {
            let (service, selector) = (("istio-system", "prometheus-federated"), json!({"app": "prometheus"}));
            set_field(world, cluster, resources::services(), service, "/spec/selector", selector);
        },
    )
    .on(GUIDE),
    in_all(
        "replicas-labelled",
        Bootstrap,
        "every Prometheus adds external label prometheus_replica to federated series",
        |world, cluster| world.clusters[cluster].quirks.replica_label = true,
    )
    .on(GUIDE),
    in_secondary("observability-pod-unready", Bootstrap, "the pod of grafana never becomes ready", |world, cluster| {
        break_pods(world, cluster, "grafana", "", Broken::Unready);
    })
    .on(GRAFANA),
    in_secondary(
        "observability-port-drift",
        Objects,
        "Service grafana has port 3001 instead of 3000",
        |world, cluster| {
            let ports = json!([{"name": "service", "port": 3001, "targetPort": 3000, "protocol": "TCP"}]);
            let found = find::service_of_app(world, cluster, "grafana");
            set_found(world, cluster, resources::services(), found, "/spec/ports", ports);
        },
    )
    .on(GRAFANA),
    in_secondary(
        "observability-without-endpoints",
        Objects,
        "the selector of Service kiali matches no pod",
        |world, cluster| select_no_pod(world, cluster, &("istio-system".to_owned(), "kiali".to_owned())),
    )
    .on(GUIDE),
    in_secondary("dashboard-down", Objects, "Deployment kiali has 0 replicas", |world, cluster| {
        scale_deployment(world, cluster, "istio-system", "kiali", 0);
    })
    .on(GUIDE),
];
