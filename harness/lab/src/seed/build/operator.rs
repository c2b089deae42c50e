//! Prometheus, Alertmanager and Grafana, as Helm's chart `kube-prometheus-stack` installs them.

use serde_json::{Value, json};

use super::istio::merged;
use super::monitoring::{self, Program};
use crate::prom::{Monitoring, RuleSource};
use crate::seed::put::put;
use crate::store::{object, resources};
use crate::world::World;

/// One release of the chart.
pub(crate) struct Stack {
    pub(crate) namespace: &'static str,
    pub(crate) release: &'static str,
    pub(crate) group: &'static str,
    pub(crate) rules: Vec<RuleSource>,
    /// The Deployment that Alertmanager notifies.
    pub(crate) receiver: &'static str,
}

const CHART: &str = "kube-prometheus-stack";

/// Creates the operator's resources and what the operator makes of them.
pub(crate) fn install(world: &mut World, cluster: usize, stack: Stack) {
    let Stack { namespace, release, group, rules, receiver } = stack;
    let full = format!("{release}-{CHART}");
    let alertmanager = format!("{full}-alertmanager");
    world.clusters[cluster].monitoring = Monitoring {
        group,
        file: "/etc/prometheus/rules/mesh.yaml",
        rules,
        alertmanager: Some(format!("{alertmanager}.{namespace}:9093")),
        federates: false,
    };
    let own = json!({"app.kubernetes.io/instance": release, "app.kubernetes.io/managed-by": "Helm", "app.kubernetes.io/part-of": CHART,
        "app.kubernetes.io/version": "79.5.0", "chart": format!("{CHART}-79.5.0"), "heritage": "Helm", "release": release});
    operator(world, cluster, namespace, &full, &own);
    rules_object(world, cluster, namespace, &full, &own);
    let prometheus = format!("{full}-prometheus");
    let labels = merged(own.clone(), &json!({"app": format!("{CHART}-prometheus")}));
    let resource = json!({"apiVersion": "monitoring.coreos.com/v1", "kind": "Prometheus", "metadata": {"name": prometheus, "namespace": namespace, "labels": labels},
        "spec": {"replicas": 1, "version": "v3.5.0", "serviceAccountName": prometheus, "portName": "http-web", "ruleSelector": {"matchLabels": {"release": release}},
            "podMonitorSelector": {"matchLabels": {"release": release}}, "alerting": {"alertmanagers": [{"name": alertmanager, "namespace": namespace, "port": "http-web", "apiVersion": "v2"}]}},
        "status": {"replicas": 1, "availableReplicas": 1, "updatedReplicas": 1, "conditions": [{"type": "Available", "status": "True"}, {"type": "Reconciled", "status": "True"}]}});
    put(world, cluster, resources::prometheuses(), resource);
    monitoring::prometheus_files(
        world,
        cluster,
        namespace,
        &format!("prometheus-{prometheus}"),
        &json!({"managed-by": "prometheus-operator"}),
    );
    managed(world, cluster, &Managed { namespace, resource: &prometheus, kind: "prometheus", port: 9090, labels });
    let labels = merged(own.clone(), &json!({"app": format!("{CHART}-alertmanager")}));
    let resource = json!({"apiVersion": "monitoring.coreos.com/v1", "kind": "Alertmanager", "metadata": {"name": alertmanager, "namespace": namespace, "labels": labels},
        "spec": {"replicas": 1, "version": "v0.25.0", "portName": "http-web"},
        "status": {"replicas": 1, "availableReplicas": 1, "updatedReplicas": 1, "conditions": [{"type": "Available", "status": "True"}, {"type": "Reconciled", "status": "True"}]}});
    put(world, cluster, resources::alertmanagers(), resource);
    monitoring::alertmanager_files(
        world,
        cluster,
        namespace,
        &format!("alertmanager-{alertmanager}"),
        &json!({"managed-by": "prometheus-operator"}),
    );
    managed(world, cluster, &Managed { namespace, resource: &alertmanager, kind: "alertmanager", port: 9093, labels });
    monitoring::receiver(world, cluster, namespace, receiver);
    let grafana = format!("{release}-grafana");
    let program = Program {
        namespace,
        name: &grafana,
        service: &grafana,
        kind: "ClusterIP",
        port: 3000,
        selector: json!({"app.kubernetes.io/name": "grafana", "app.kubernetes.io/instance": release}),
        labels: json!({"app.kubernetes.io/version": "12.2.1", "helm.sh/chart": "grafana-10.1.4", "app.kubernetes.io/managed-by": "Helm"}),
        container: monitoring::stub("grafana", 3000),
        stateful: false,
    };
    monitoring::program(world, cluster, &program);
}

fn operator(world: &mut World, cluster: usize, namespace: &str, full: &str, own: &Value) {
    let name = format!("{full}-operator");
    let program = Program {
        namespace,
        name: &name,
        service: &name,
        kind: "ClusterIP",
        port: 10250,
        selector: json!({"app": format!("{CHART}-operator"), "release": own["release"]}),
        labels: merged(
            own.clone(),
            &json!({"app.kubernetes.io/name": format!("{CHART}-prometheus-operator"), "app.kubernetes.io/component": "prometheus-operator"}),
        ),
        container: json!({"name": CHART, "image": "registry.local/prometheus-operator:v0.86.1", "args": ["--web.listen-address=:10250"]}),
        stateful: false,
    };
    monitoring::program(world, cluster, &program);
}

fn rules_object(world: &mut World, cluster: usize, namespace: &str, full: &str, own: &Value) {
    let monitoring = &world.clusters[cluster].monitoring;
    let rules: Vec<Value> = monitoring
        .rules
        .iter()
        .map(|rule| {
            json!({"alert": rule.name, "expr": rule.query, "for": format!("{}m", rule.wait_s / 60), "labels": {"severity": rule.severity},
                "annotations": {"summary": rule.summary}})
        })
        .collect();
    let object = json!({"apiVersion": "monitoring.coreos.com/v1", "kind": "PrometheusRule",
        "metadata": {"name": format!("{full}-mesh"), "namespace": namespace, "labels": own}, "spec": {"groups": [{"name": monitoring.group, "rules": rules}]}});
    put(world, cluster, resources::prometheusrules(), object);
    let monitor = json!({"apiVersion": "monitoring.coreos.com/v1", "kind": "PodMonitor", "metadata": {"name": "envoy-stats-monitor", "namespace": namespace, "labels": own},
        "spec": {"selector": {"matchExpressions": [{"key": "istio-prometheus-ignore", "operator": "DoesNotExist"}]}, "namespaceSelector": {"any": true},
            "podMetricsEndpoints": [{"path": "/stats/prometheus", "interval": "5s"}]}});
    put(world, cluster, resources::podmonitors(), monitor);
}

/// What the operator makes of one of its resources.
struct Managed<'a> {
    namespace: &'a str,
    /// The name of the resource, and of the chart's Service.
    resource: &'a str,
    /// `prometheus` or `alertmanager`.
    kind: &'a str,
    port: u16,
    /// The labels of the resource.
    labels: Value,
}

/// A `StatefulSet` with the chart's Service and the operator's headless one.
fn managed(world: &mut World, cluster: usize, managed: &Managed<'_>) {
    let Managed { namespace, resource, kind, port, labels } = managed;
    let name = format!("{kind}-{resource}");
    let (store, definition) = match *kind {
        "prometheus" => (resources::prometheuses(), "Prometheus"),
        _ => (resources::alertmanagers(), "Alertmanager"),
    };
    let uid = world.clusters[cluster].store.get(store, namespace, resource).map(|one| object::uid(one).to_owned());
    let owner = json!([{"apiVersion": "monitoring.coreos.com/v1", "kind": definition, "name": resource, "uid": uid, "controller": true, "blockOwnerDeletion": true}]);
    let selector = json!({"app.kubernetes.io/name": kind, "app.kubernetes.io/instance": resource, "app.kubernetes.io/managed-by": "prometheus-operator", *kind: resource});
    let container = if *kind == "prometheus" { monitoring::prometheus() } else { monitoring::alertmanager() };
    let template = merged(
        selector.clone(),
        &json!({"app.kubernetes.io/version": labels["app.kubernetes.io/version"], "operator.prometheus.io/name": resource, "operator.prometheus.io/shard": "0"}),
    );
    let operated = format!("{kind}-operated");
    let set = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": name, "namespace": namespace, "labels": labels, "ownerReferences": owner},
        "spec": {"replicas": 1, "serviceName": operated, "podManagementPolicy": "Parallel", "selector": {"matchLabels": selector}, "template": {"metadata": {"labels": template},
            "spec": {"serviceAccountName": resource, "terminationGracePeriodSeconds": 1, "containers": [container]}}}});
    put(world, cluster, resources::statefulsets(), set);
    let own = json!({"app.kubernetes.io/name": kind, "operator.prometheus.io/name": resource});
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": resource, "namespace": namespace, "labels": merged(labels.clone(), &json!({"self-monitor": "true"}))},
        "spec": {"type": "ClusterIP", "selector": own, "ports": [{"name": "http-web", "port": port, "targetPort": port}]}});
    put(world, cluster, resources::services(), service);
    let headless = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": operated, "namespace": namespace, "labels": {format!("operated-{kind}"): "true"}, "ownerReferences": owner},
        "spec": {"clusterIP": "None", "selector": {"app.kubernetes.io/name": kind}, "ports": [{"name": "http-web", "port": port, "targetPort": port}]}});
    put(world, cluster, resources::services(), headless);
}
