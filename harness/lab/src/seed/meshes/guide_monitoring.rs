//! Prometheus, Alertmanager, and stubs for Grafana, Kiali, Jaeger and the on-call receiver.

use serde_json::{Value, json};

use crate::prom::{Monitoring, RuleSource, config, rule_file};
use crate::seed::put::put;
use crate::store::resources;
use crate::world::World;

const SPACE: &str = "istio-system";

pub(crate) fn seed(world: &mut World, cluster: usize) {
    world.clusters[cluster].monitoring = Monitoring {
        group: "mesh",
        file: "/etc/rules/mesh.yml",
        rules: rules(world, cluster),
        alertmanager: Some("alertmanager.istio-system:9093".into()),
        federates: true,
    };
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

/// The guide's seven alerting rules.
fn rules(world: &World, cluster: usize) -> Vec<RuleSource> {
    let quirks = &world.clusters[cluster].quirks;
    let istiod = if quirks.never_firing_istiod_rule {
        r#"up{job="kubernetes-pods",app="istiod"} == 0"#
    } else {
        r#"absent(up{job="kubernetes-pods",app="istiod",cluster=""} == 1)"#
    };
    let latency = if quirks.rule_error {
        r#"up{job="kubernetes-pods"} * on(job) istio_requests_total > 1000"#
    } else {
        r#"histogram_quantile(0.99, sum by (le) (rate(istio_request_duration_milliseconds_bucket{reporter="source"}[5m]))) > 1000"#
    };
    let (own, other) = match world.clusters.get(1) {
        Some(other) => (world.clusters[0].ident.istio.clone(), other.ident.istio.clone()),
        None => (world.clusters[0].ident.istio.clone(), "secondary-cluster".into()),
    };
    let cross = format!(
        r#"sum(rate(istio_requests_total{{reporter="source",source_cluster="{own}",destination_cluster="{other}"}}[5m])) == 0"#
    );
    let one = |name, query: &str, wait_s, severity, summary| RuleSource {
        name,
        query: query.to_owned(),
        wait_s,
        severity,
        summary,
    };
    vec![
        one(
            "HighErrorRate",
            r#"(sum(rate(istio_requests_total{reporter="source",response_code=~"5.."}[5m])) or vector(0)) / sum(rate(istio_requests_total{reporter="source"}[5m])) > 0.05"#,
            300,
            "critical",
            "High error rate detected",
        ),
        one(
            "IngressGatewayDown",
            r#"absent(up{job="kubernetes-pods",app="istio-ingressgateway",cluster=""} == 1)"#,
            60,
            "critical",
            "Ingress gateway is down",
        ),
        one("IstiodDown", istiod, 120, "critical", "Istio control plane is down"),
        one("HighLatency", latency, 300, "warning", "High latency detected"),
        one("CrossClusterConnectivityIssue", &cross, 300, "warning", "No cross-cluster traffic detected"),
        one(
            "CircuitBreakerTriggered",
            r#"sum(rate(istio_requests_total{reporter="source",response_flags=~".*UO.*"}[5m])) > 0"#,
            120,
            "warning",
            "Circuit breaker has been triggered",
        ),
        one(
            "HighConnectionPoolUsage",
            "sum by (pod) (envoy_cluster_upstream_cx_active) / 100 > 0.8",
            300,
            "warning",
            "High connection pool usage",
        ),
    ]
}
