//! Prometheus and Alertmanager, as Helm's charts install them.

use serde_json::{Value, json};

use super::istio::merged;
use crate::prom::{RuleSource, config, rule_file};
use crate::seed::put::put;
use crate::store::resources;
use crate::world::World;

/// One program of the monitoring, with its Service.
pub(crate) struct Program<'a> {
    pub(crate) namespace: &'a str,
    /// The name of the workload.
    pub(crate) name: &'a str,
    pub(crate) service: &'a str,
    /// `ClusterIP` or `LoadBalancer`.
    pub(crate) kind: &'a str,
    pub(crate) port: u16,
    pub(crate) selector: Value,
    /// Labels beside those of the selector.
    pub(crate) labels: Value,
    pub(crate) container: Value,
    /// It runs as a `StatefulSet`.
    pub(crate) stateful: bool,
}

/// Creates a program: a Deployment or `StatefulSet` of one replica, and its Service.
pub(crate) fn program(world: &mut World, cluster: usize, program: &Program<'_>) {
    let labels = merged(program.selector.clone(), &program.labels);
    let mut value = json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": program.name, "namespace": program.namespace, "labels": labels},
        "spec": {"replicas": 1, "selector": {"matchLabels": program.selector}, "template": {"metadata": {"labels": labels},
            "spec": {"terminationGracePeriodSeconds": 1, "containers": [program.container]}}}});
    if program.stateful {
        value["kind"] = json!("StatefulSet");
        value["spec"]["serviceName"] = json!(program.service);
        put(world, cluster, resources::statefulsets(), value);
    } else {
        put(world, cluster, resources::deployments(), value);
    }
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": program.service, "namespace": program.namespace, "labels": labels},
        "spec": {"type": program.kind, "selector": program.selector, "ports": [{"name": "http-web", "port": program.port}]}});
    put(world, cluster, resources::services(), service);
}

/// The container of Prometheus.
pub(crate) fn prometheus() -> Value {
    json!({"name": "prometheus", "image": "registry.local/prometheus:3.5", "args": ["--config.file=/etc/config/prometheus.yml", "--web.enable-lifecycle"],
        "ports": [{"name": "http-web", "containerPort": 9090}], "readinessProbe": {"httpGet": {"path": "/-/ready", "port": 9090}, "periodSeconds": 1}})
}

/// The container of Alertmanager.
pub(crate) fn alertmanager() -> Value {
    json!({"name": "alertmanager", "image": "registry.local/alertmanager:0.25", "args": ["--config.file=/etc/alertmanager/alertmanager.yml"],
        "ports": [{"name": "http-web", "containerPort": 9093}], "readinessProbe": {"httpGet": {"path": "/-/ready", "port": 9093}, "periodSeconds": 1}})
}

/// The container of a program that answers 200 on one port.
pub(crate) fn stub(name: &str, port: u16) -> Value {
    json!({"name": name, "image": "registry.local/app:1", "args": ["stub", "-port", port.to_string()], "ports": [{"containerPort": port}],
        "readinessProbe": {"tcpSocket": {"port": port}, "periodSeconds": 1}})
}

/// The labels of a chart.
pub(crate) fn chart(name: &str, instance: &str, chart: &str, version: &str) -> Value {
    json!({"app.kubernetes.io/name": name, "app.kubernetes.io/instance": instance, "app.kubernetes.io/managed-by": "Helm",
        "app.kubernetes.io/version": version, "helm.sh/chart": chart})
}

/// The labels of a part of a chart.
pub(crate) fn labels(chart: &Value, component: &str) -> Value {
    merged(
        chart.clone(),
        &json!({"app.kubernetes.io/component": component, "app.kubernetes.io/part-of": chart["app.kubernetes.io/name"]}),
    )
}

/// The receiver of Alertmanager's notifications.
pub(crate) fn receiver(world: &mut World, cluster: usize, namespace: &str, name: &str) {
    let receiver = Program {
        namespace,
        name,
        service: name,
        kind: "ClusterIP",
        port: 8080,
        selector: json!({"app": name}),
        labels: json!({"app.kubernetes.io/name": name}),
        container: stub(name, 8080),
        stateful: false,
    };
    program(world, cluster, &receiver);
}

/// The map with the configuration and the rules of a Prometheus.
pub(crate) fn prometheus_files(world: &mut World, cluster: usize, namespace: &str, name: &str, labels: &Value) {
    let files =
        json!({"prometheus.yml": config::text(world, cluster), "alerting_rules.yml": rule_file::text(world, cluster)});
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace, "labels": labels}, "data": files});
    put(world, cluster, resources::configmaps(), map);
}

/// The map with the configuration of an Alertmanager.
pub(crate) fn alertmanager_files(world: &mut World, cluster: usize, namespace: &str, name: &str, labels: &Value) {
    let files = json!({"alertmanager.yml": crate::alerts::config_text(world, cluster)});
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace, "labels": labels}, "data": files});
    put(world, cluster, resources::configmaps(), map);
}

/// A rule that fires when no target of an app is up.
pub(crate) fn absent(
    world: &World,
    cluster: usize,
    name: &'static str,
    app: &str,
    summary: &'static str,
) -> RuleSource {
    let blind = world.clusters[cluster].quirks.never_firing_istiod_rule && app == "istiod";
    let query = if blind {
        format!(r#"up{{job="kubernetes-pods",app="{app}"}} == 0"#)
    } else {
        format!(r#"absent(up{{job="kubernetes-pods",app="{app}"}} == 1)"#)
    };
    RuleSource { name, query, wait_s: 60, severity: "critical", summary }
}

/// A rule about the share of failed requests.
pub(crate) fn failed_requests(name: &'static str) -> RuleSource {
    let query = r#"(sum(rate(istio_requests_total{reporter="source",response_code=~"5.."}[5m])) or vector(0)) / sum(rate(istio_requests_total{reporter="source"}[5m])) > 0.05"#;
    RuleSource {
        name,
        query: query.into(),
        wait_s: 300,
        severity: "critical",
        summary: "More than 5 % of requests fail",
    }
}

/// A rule about the latency of requests.
pub(crate) fn slow_requests(world: &World, cluster: usize, name: &'static str) -> RuleSource {
    let query = if world.clusters[cluster].quirks.rule_error {
        r#"up{job="kubernetes-pods"} * on(job) istio_requests_total > 1000"#
    } else {
        r#"histogram_quantile(0.99, sum by (le) (rate(istio_request_duration_milliseconds_bucket{reporter="source"}[5m]))) > 1000"#
    };
    RuleSource {
        name,
        query: query.into(),
        wait_s: 300,
        severity: "warning",
        summary: "The slowest requests take more than a second",
    }
}

/// A rule that fires when no target with some labels is up.
pub(crate) fn gone(name: &'static str, labels: &str, summary: &'static str) -> RuleSource {
    let query = format!(r#"absent(up{{job="kubernetes-pods",{labels}}} == 1)"#);
    RuleSource { name, query, wait_s: 60, severity: "critical", summary }
}
