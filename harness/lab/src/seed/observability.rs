//! Prometheus, Alertmanager, and stubs for Grafana, Kiali, Jaeger and the on-call receiver.

use serde_json::{Value, json};

use super::put::put;
use crate::prom::{config, rule_file};
use crate::store::resources;
use crate::world::World;

const SPACE: &str = "istio-system";

pub(crate) fn seed(world: &mut World, cluster: usize) {
    let map = |name: &str, key: &str, text: String| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": SPACE}, "data": {key: text}});
    put(world, cluster, resources::configmaps(), map("prometheus", "prometheus.yml", config::text(world, cluster)));
    put(world, cluster, resources::configmaps(), map("prometheus-rules", "mesh.yml", rule_file::text(world, cluster)));
    put(
        world,
        cluster,
        resources::configmaps(),
        map("alertmanager-config", "alertmanager.yml", crate::alerts::config_text(world, cluster)),
    );

    let prometheus = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "prometheus", "namespace": SPACE},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app.kubernetes.io/name": "prometheus"}},
            "template": {"metadata": {"labels": {"app.kubernetes.io/name": "prometheus"}}, "spec": {"serviceAccountName": "prometheus",
                "terminationGracePeriodSeconds": 1, "containers": [
                    {"name": "prometheus-server", "image": "registry.local/prometheus:3.5", "args": ["--config.file=/etc/prometheus/prometheus.yml"],
                        "ports": [{"containerPort": 9090}], "readinessProbe": {"httpGet": {"path": "/-/ready", "port": 9090}, "periodSeconds": 1}},
                    {"name": "prometheus-server-configmap-reload", "image": "registry.local/app:1", "args": ["stub", "-port", "9533"]}]}}}});
    put(world, cluster, resources::deployments(), prometheus);
    let selector = json!({"app.kubernetes.io/name": "prometheus"});
    service(world, cluster, "prometheus", "LoadBalancer", &selector, json!([{"name": "http", "port": 9090}]));
    service(world, cluster, "prometheus-federated", "ClusterIP", &selector, json!([{"name": "http", "port": 9090}]));

    let alertmanager = stub(
        "alertmanager",
        json!({"name": "alertmanager", "image": "registry.local/alertmanager:0.25",
        "args": ["--config.file=/etc/alertmanager/alertmanager.yml"], "readinessProbe": {"httpGet": {"path": "/-/ready", "port": 9093}, "periodSeconds": 1}}),
    );
    put(world, cluster, resources::deployments(), alertmanager);
    service(
        world,
        cluster,
        "alertmanager",
        "ClusterIP",
        &json!({"app": "alertmanager"}),
        json!([{"name": "http", "port": 9093}]),
    );
    for (name, port) in [("oncall", 8080), ("grafana", 3000), ("kiali", 20001), ("jaeger", 16686)] {
        let container = json!({"name": name, "image": "registry.local/app:1", "args": ["stub", "-port", port.to_string()],
            "readinessProbe": {"tcpSocket": {"port": port}, "periodSeconds": 1}});
        put(world, cluster, resources::deployments(), stub(name, container));
    }
    let app = |name: &str| json!({"app": name});
    service(world, cluster, "oncall", "ClusterIP", &app("oncall"), json!([{"name": "http", "port": 8080}]));
    service(world, cluster, "grafana", "ClusterIP", &app("grafana"), json!([{"name": "service", "port": 3000}]));
    let kiali = json!([{"name": "http", "port": 20001}, {"name": "http-metrics", "port": 9090, "targetPort": 20001}]);
    service(world, cluster, "kiali", "ClusterIP", &app("kiali"), kiali);
    let jaeger = json!([{"name": "jaeger-collector-http", "port": 14268, "targetPort": 16686}, {"name": "jaeger-collector-grpc", "port": 14250, "targetPort": 16686},
        {"name": "http-zipkin", "port": 9411, "targetPort": 16686}]);
    service(world, cluster, "jaeger-collector", "ClusterIP", &app("jaeger"), jaeger);
    service(
        world,
        cluster,
        "tracing",
        "ClusterIP",
        &app("jaeger"),
        json!([{"name": "http-query", "port": 80, "targetPort": 16686}]),
    );
}

#[expect(clippy::needless_pass_by_value, reason = "the value is built in the argument")]
fn stub(name: &str, container: Value) -> Value {
    let labels = json!({"app": name, "app.kubernetes.io/name": name});
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": SPACE, "labels": labels},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": {"metadata": {"labels": {"app": name}},
            "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]}}}})
}

#[expect(clippy::needless_pass_by_value, reason = "the value is built in the argument")]
fn service(world: &mut World, cluster: usize, name: &str, kind: &str, selector: &Value, ports: Value) {
    let value = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": SPACE},
        "spec": {"type": kind, "selector": selector, "ports": ports}});
    put(world, cluster, resources::services(), value);
}
