//! Gateways, as istioctl and Helm's chart `gateway` install them.

use serde_json::{Value, json};

use super::istio::{SPACE, autoscaler, merged};
use crate::kube::injection;
use crate::seed::put::put;
use crate::store::resources;
use crate::world::{ISTIO, World};

/// The ports of an ingress gateway that istioctl installs.
pub(crate) fn ingress_ports() -> Value {
    json!([{"name": "status-port", "port": 15021}, {"name": "http2", "port": 80, "targetPort": 8080}, {"name": "https", "port": 443, "targetPort": 8443}])
}

/// The ports of an east-west gateway.
pub(crate) fn east_west_ports() -> Value {
    json!([{"name": "status-port", "port": 15021}, {"name": "tls", "port": 15443}, {"name": "tls-istiod", "port": 15012}, {"name": "tls-webhook", "port": 15017}])
}

/// A gateway of istioctl's in the namespace of the control plane. One with `topology.istio.io/network` among its labels leads to
/// other networks.
#[expect(clippy::needless_pass_by_value, reason = "the value is built in the argument")]
pub(crate) fn of_istioctl(world: &mut World, cluster: usize, name: &str, labels: &Value, ports: Value, most: i64) {
    let ident = world.clusters[cluster].ident.clone();
    let image = world.clusters[cluster].quirks.istio_image("proxyv2");
    let context = json!({"metadata": {"namespace": SPACE}});
    let mut env = injection::environment(&world.clusters[cluster], &context, ("deployments", name), "default");
    if labels.get("topology.istio.io/network").is_some() {
        env.push(json!({"name": "ISTIO_META_REQUESTED_NETWORK_VIEW", "value": ident.network}));
    }
    let selector = json!({"app": labels["app"], "istio": labels["istio"]});
    let mut template_labels = labels.clone();
    template_labels["sidecar.istio.io/inject"] = json!("false");
    template_labels["topology.istio.io/network"] = json!(ident.network);
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": SPACE, "labels": labels},
        "spec": {"replicas": 1, "selector": {"matchLabels": selector},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "100%", "maxUnavailable": "25%"}},
            "template": {"metadata": {"labels": template_labels,
                "annotations": {"prometheus.io/scrape": "true", "prometheus.io/port": "15020", "prometheus.io/path": "/stats/prometheus"}},
                "spec": {"containers": [{"name": "istio-proxy", "image": image,
                    "args": ["proxy", "router", "--domain", "$(POD_NAMESPACE).svc.cluster.local"], "env": env,
                    "ports": [{"containerPort": 15021}, {"containerPort": 15090, "name": "http-envoy-prom"}],
                    "readinessProbe": {"httpGet": {"path": "/healthz/ready", "port": 15021}, "initialDelaySeconds": 1, "periodSeconds": 2, "failureThreshold": 30},
                    "resources": {"requests": {"cpu": "5m", "memory": "32Mi"}}}]}}}});
    put(world, cluster, resources::deployments(), deployment);
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": SPACE, "labels": labels},
        "spec": {"type": "LoadBalancer", "selector": selector, "ports": ports}});
    put(world, cluster, resources::services(), service);
    autoscaler(world, cluster, SPACE, name, (1, most));
}

/// The Gateway object that lets other networks in.
pub(crate) fn cross_network(world: &mut World, cluster: usize) {
    let expose = json!({"apiVersion": "networking.istio.io/v1", "kind": "Gateway", "metadata": {"name": "cross-network-gateway", "namespace": SPACE},
        "spec": {"selector": {"istio": "eastwestgateway"}, "servers": [{"port": {"number": 15443, "name": "tls", "protocol": "TLS"},
            "tls": {"mode": "AUTO_PASSTHROUGH"}, "hosts": ["*.local"]}]}});
    put(world, cluster, resources::gateways(), expose);
}

/// An ingress gateway of Helm's chart `gateway`. The injection completes its pods.
pub(crate) fn of_helm(world: &mut World, cluster: usize, namespace: &str, name: &str, revision: Option<&str>) {
    let selector = json!({"app": name, "istio": name.trim_start_matches("istio-")});
    let helm = json!({"app.kubernetes.io/name": name, "app.kubernetes.io/instance": name, "app.kubernetes.io/managed-by": "Helm",
        "app.kubernetes.io/part-of": "istio", "app.kubernetes.io/version": ISTIO, "helm.sh/chart": format!("gateway-{ISTIO}")});
    let labels = merged(selector.clone(), &helm);
    let mut template_labels = merged(labels.clone(), &json!({"sidecar.istio.io/inject": "true"}));
    if let Some(revision) = revision {
        template_labels["istio.io/rev"] = json!(revision);
    }
    let annotations = json!({"inject.istio.io/templates": "gateway", "prometheus.io/path": "/stats/prometheus", "prometheus.io/port": "15020",
        "prometheus.io/scrape": "true"});
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace, "labels": labels}});
    put(world, cluster, resources::serviceaccounts(), account);
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"replicas": 1, "selector": {"matchLabels": selector}, "template": {"metadata": {"labels": template_labels, "annotations": annotations},
            "spec": {"serviceAccountName": name, "terminationGracePeriodSeconds": 30, "containers": [{"name": "istio-proxy", "image": "auto",
                "ports": [{"containerPort": 15090, "name": "http-envoy-prom"}],
                "securityContext": {"capabilities": {"drop": ["ALL"]}, "runAsUser": 1337, "runAsGroup": 1337, "runAsNonRoot": true},
                "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"cpu": "2000m", "memory": "1024Mi"}}}]}}}});
    put(world, cluster, resources::deployments(), deployment);
    let ports = json!([{"name": "status-port", "port": 15021, "targetPort": 15021}, {"name": "http2", "port": 80, "targetPort": 80},
        {"name": "https", "port": 443, "targetPort": 443}]);
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"type": "LoadBalancer", "selector": selector, "ports": ports}});
    put(world, cluster, resources::services(), service);
    autoscaler(world, cluster, namespace, name, (1, 5));
}
