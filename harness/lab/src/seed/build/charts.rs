//! Prometheus and Alertmanager, each of a chart of its own. One Alertmanager serves all clusters.

use serde_json::json;

use super::monitoring::{self, Program, chart};
use crate::prom::{Monitoring, RuleSource};
use crate::store::{object, resources};
use crate::world::World;

/// Creates Prometheus `prom` in a cluster; Alertmanager `alerts` and its receiver `pager` in the first one.
pub(crate) fn install(world: &mut World, cluster: usize, namespace: &str, group: &'static str, rules: Vec<RuleSource>) {
    // The other clusters reach the Alertmanager at its load balancer.
    let first = &world.clusters[0].store;
    let alerts = first.get(resources::services(), namespace, "alerts");
    let elsewhere =
        alerts.map(|service| format!("{}:9093", object::text(service, "/status/loadBalancer/ingress/0/ip")));
    world.clusters[cluster].monitoring = Monitoring {
        group,
        file: "/etc/config/alerting_rules.yml",
        rules,
        alertmanager: if cluster == 0 { Some(format!("alerts.{namespace}:9093")) } else { elsewhere },
        federates: false,
    };
    let labels = monitoring::labels(&chart("prometheus", "prom", "prometheus-27.42.0", "v3.5.0"), "server");
    monitoring::prometheus_files(world, cluster, namespace, "prom", &labels);
    let selector = |name: &str, instance: &str, component: &str| json!({"app.kubernetes.io/name": name, "app.kubernetes.io/instance": instance, "app.kubernetes.io/component": component});
    let prometheus = Program {
        namespace,
        name: "prom",
        service: "prom",
        kind: "LoadBalancer",
        port: 9090,
        selector: selector("prometheus", "prom", "server"),
        labels,
        container: monitoring::prometheus(),
        stateful: false,
    };
    monitoring::program(world, cluster, &prometheus);
    if cluster > 0 {
        return;
    }
    let labels = chart("alertmanager", "alerts", "alertmanager-1.28.0", "v0.25.0");
    monitoring::alertmanager_files(world, cluster, namespace, "alerts", &labels);
    let alerts = Program {
        namespace,
        name: "alerts",
        service: "alerts",
        kind: "LoadBalancer",
        port: 9093,
        selector: json!({"app.kubernetes.io/name": "alertmanager", "app.kubernetes.io/instance": "alerts"}),
        labels,
        container: monitoring::alertmanager(),
        stateful: true,
    };
    monitoring::program(world, cluster, &alerts);
    monitoring::receiver(world, cluster, namespace, "pager");
}
