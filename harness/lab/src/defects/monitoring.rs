//! Defects of what watches the mesh: Prometheus, its rules and federation, Alertmanager, dashboards.

use serde_json::json;

use super::quirks::{Discovery, Federation};
use super::validation::{broken, edit, first, row, scale};
use super::{DefectInfo, Row, When};
use crate::store::{object, resources};
use crate::world::Broken;

use When::{Before, Objects, Start};

/// Alertmanager as it sees itself.
const ITSELF: &str = "http://localhost:9093/webhook";

pub(super) static ROWS: &[Row] = &[
    row("observability-pod-unready", Before, "grafana does not become ready", |w, c| {
        broken(w, c, "grafana", "", Broken::Unready, true);
    }),
    row("prometheus-down", Objects, "no Prometheus runs", |w, c| scale(w, c, "istio-system", "prometheus", 0)),
    row("prometheus-stale", Before, "Prometheus answers and stopped scraping a minute ago", |w, c| {
        w.clusters[c].quirks.prometheus_frozen = true;
    }),
    row("scrape-pool-emptied", Before, "Prometheus has dropped all pods it finds since a minute", |w, c| {
        w.clusters[c].quirks.discovery = Discovery::DropsThemLately;
    }),
    row("prometheus-finds-no-pods", Before, "Prometheus' service discovery gives no pod at all", |w, c| {
        w.clusters[c].quirks.discovery = Discovery::Nothing;
    }),
    Row {
        info: DefectInfo {
            name: "scraped-every-minute",
            scoped: true,
            default_cluster: "all",
            what: "Prometheus scrapes once a minute",
        },
        when: Before,
        apply: |w, c| w.clusters[c].quirks.scrape_interval = 60_000,
    },
    row("prometheus-html", Start, "something answers an HTML page in Prometheus' place", |w, c| {
        w.clusters[c].quirks.prometheus_html = true;
    }),
    first("federation-self-scrape", Before, "the hub federates itself and labels it as the other cluster", |w, c| {
        w.clusters[c].quirks.federation = Federation::Itself;
    }),
    first("federation-stale", Before, "the hub's federation stopped a minute ago; its series linger", |w, c| {
        w.clusters[c].quirks.federation = Federation::Stopped;
    }),
    first("federation-service-without-endpoints", Before, "the hub federates a Service that selects no pod", |w, c| {
        w.clusters[c].quirks.federation = Federation::Nobody;
    }),
    Row {
        info: DefectInfo {
            name: "replicas-labelled",
            scoped: true,
            default_cluster: "all",
            what: "every Prometheus adds the name of its replica to what it hands on",
        },
        when: Before,
        apply: |w, c| w.clusters[c].quirks.replica_label = true,
    },
    first(
        "federation-service-selects-nothing",
        Objects,
        "the Service prometheus-federated has no endpoints",
        |w, c| {
            edit(w, c, resources::services(), "istio-system", "prometheus-federated", |s| {
                object::set(s, "/spec/selector", json!({"app": "prometheus"}));
            });
        },
    ),
    row("alertmanager-detached", Before, "Prometheus knows no Alertmanager", |w, c| {
        w.clusters[c].quirks.alertmanager_detached = true;
    }),
    row("alertmanager-loop-receiver", Before, "Alertmanager's receiver is Alertmanager", |w, c| {
        w.clusters[c].quirks.webhooks = vec![ITSELF];
    }),
    row(
        "alertmanager-second-webhook-loops",
        Before,
        "beside the good one, the receiver has a webhook that is Alertmanager",
        |w, c| {
            w.clusters[c].quirks.webhooks.push(ITSELF);
        },
    ),
    row(
        "alertmanager-second-webhook-dead",
        Before,
        "beside the good one, the receiver has a webhook to no Service",
        |w, c| {
            w.clusters[c].quirks.webhooks.push("http://pager.istio-system:8080/alerts");
        },
    ),
    row(
        "alertmanager-hides-webhooks",
        Before,
        "Alertmanager does not show where its webhooks lead, and has told nobody yet",
        |w, c| {
            w.clusters[c].quirks.webhooks_hidden = true;
        },
    ),
    row("alertmanager-down", Objects, "no Alertmanager runs", |w, c| scale(w, c, "istio-system", "alertmanager", 0)),
    row("rules-not-loaded", Before, "the rules lie in their ConfigMap and Prometheus has not loaded them", |w, c| {
        w.clusters[c].quirks.rules_unloaded = true;
    }),
    row("rule-error", Before, "HighLatency fails to evaluate", |w, c| w.clusters[c].quirks.rule_error = true),
    row("istiod-down-never-fires", Before, "IstiodDown waits for up == 0, which a removed target never is", |w, c| {
        w.clusters[c].quirks.never_firing_istiod_rule = true;
    }),
    row("observability-port-drift", Objects, "Grafana's Service has port 3001", |w, c| {
        edit(w, c, resources::services(), "istio-system", "grafana", |s| {
            object::set(
                s,
                "/spec/ports",
                json!([{"name": "service", "port": 3001, "targetPort": 3000, "protocol": "TCP"}]),
            );
        });
    }),
    row("observability-without-endpoints", Objects, "Kiali's Service selects no pod", |w, c| {
        edit(w, c, resources::services(), "istio-system", "kiali", |s| {
            object::set(s, "/spec/selector", json!({"app": "nothing"}));
        });
    }),
    row("cross-cluster-metrics-silent", Before, "calls that leave this cluster are not counted", |w, c| {
        w.clusters[c].quirks.silent_cross_metrics = true;
    }),
    row("dashboard-down", Objects, "no Kiali runs", |w, c| scale(w, c, "istio-system", "kiali", 0)),
];
