//! Istio as `istioctl install` and the guide's steps leave it: control plane, gateways, CA and remote secrets.

use base64::Engine as _;
use serde_json::{Value, json};

use super::pki::Files;
use super::put::put;
use crate::store::resources;
use crate::world::{ISTIO, World};

const SPACE: &str = "istio-system";

pub(crate) fn seed(world: &mut World, cluster: usize, files: &Files) {
    secrets(world, cluster, files);
    config(world, cluster);
    put(world, cluster, resources::deployments(), istiod(world, cluster));
    let ports = json!([{"name": "grpc-xds", "port": 15010}, {"name": "https-dns", "port": 15012}, {"name": "https-webhook", "port": 443, "targetPort": 15017},
        {"name": "http-monitoring", "port": 15014}]);
    let labels = json!({"app": "istiod", "istio": "pilot", "istio.io/rev": "default"});
    put(
        world,
        cluster,
        resources::services(),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "istiod", "namespace": SPACE, "labels": labels},
        "spec": {"selector": {"app": "istiod", "istio": "pilot"}, "ports": ports}}),
    );
    autoscaler(world, cluster, "istiod", 5);

    let network = world.clusters[cluster].ident.network.clone();
    let ingress = json!({"app": "istio-ingressgateway", "istio": "ingressgateway", "istio.io/rev": "default"});
    let ports = json!([{"name": "status-port", "port": 15021}, {"name": "http2", "port": 80, "targetPort": 8080}, {"name": "https", "port": 443, "targetPort": 8443}]);
    gateway(world, cluster, "istio-ingressgateway", &ingress, ports);
    let mut east_west = json!({"app": "istio-eastwestgateway", "istio": "eastwestgateway", "istio.io/rev": "default"});
    east_west["topology.istio.io/network"] = json!(network);
    let ports = json!([{"name": "status-port", "port": 15021}, {"name": "tls", "port": 15443}, {"name": "tls-istiod", "port": 15012}, {"name": "tls-webhook", "port": 15017}]);
    gateway(world, cluster, "istio-eastwestgateway", &east_west, ports);
    let expose = json!({"apiVersion": "networking.istio.io/v1", "kind": "Gateway", "metadata": {"name": "cross-network-gateway", "namespace": SPACE},
        "spec": {"selector": {"istio": "eastwestgateway"}, "servers": [{"port": {"number": 15443, "name": "tls", "protocol": "TLS"},
            "tls": {"mode": "AUTO_PASSTHROUGH"}, "hosts": ["*.local"]}]}});
    put(world, cluster, resources::gateways(), expose);
    webhooks(world, cluster, files);
}

fn secrets(world: &mut World, cluster: usize, files: &Files) {
    let encode = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let cacerts = json!({"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": {"name": "cacerts", "namespace": SPACE},
        "data": {"ca-cert.pem": encode(&files.ca_cert), "ca-key.pem": encode(&files.ca_key),
            "cert-chain.pem": encode(&files.cert_chain), "root-cert.pem": encode(&files.root_cert)}});
    put(world, cluster, resources::secrets(), cacerts);
    let root = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "istio-ca-root-cert", "namespace": SPACE}, "data": {"root-cert.pem": files.root_cert}});
    put(world, cluster, resources::configmaps(), root);
    for other in (0..world.clusters.len()).filter(|other| *other != cluster) {
        let there = &world.clusters[other];
        let id = there.ident.istio.clone();
        let kubeconfig = format!(
            "apiVersion: v1\nclusters:\n- cluster:\n    server: http://{}:6443\n  name: {id}\ncontexts:\n- context:\n    cluster: {id}\n    \
             user: {id}\n  name: {id}\ncurrent-context: {id}\nkind: Config\nusers:\n- name: {id}\n  user:\n    token: {}\n",
            there.ident.api_host(),
            there.token
        );
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "type": "Opaque",
            "metadata": {"name": format!("istio-remote-secret-{id}"), "namespace": SPACE, "labels": {"istio/multiCluster": "true"},
                "annotations": {"networking.istio.io/cluster": id}},
            "data": {id.clone(): encode(&kubeconfig)}});
        put(world, cluster, resources::secrets(), secret);
    }
}

fn config(world: &mut World, cluster: usize) {
    let ident = world.clusters[cluster].ident.clone();
    let mesh = "accessLogFile: \"\"\ndefaultConfig:\n  discoveryAddress: istiod.istio-system.svc:15012\ndefaultProviders:\n  metrics:\n  - prometheus\n\
                enablePrometheusMerge: true\nrootNamespace: istio-system\ntrustDomain: cluster.local";
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "istio", "namespace": SPACE, "labels": {"istio.io/rev": "default"}},
        "data": {"mesh": mesh, "meshNetworks": "networks: {}"}});
    put(world, cluster, resources::configmaps(), map);
    let values = json!({"global": {"meshID": "oke-mesh", "network": ident.network, "multiCluster": {"clusterName": ident.istio},
        "hub": "registry.local", "tag": ISTIO, "istioNamespace": SPACE}, "revision": ""});
    let injector = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "istio-sidecar-injector", "namespace": SPACE,
        "labels": {"istio.io/rev": "default"}}, "data": {"values": values.to_string()}});
    put(world, cluster, resources::configmaps(), injector);
}

fn istiod(world: &World, cluster: usize) -> Value {
    let ident = &world.clusters[cluster].ident;
    let quirks = &world.clusters[cluster].quirks;
    let mut env = vec![json!({"name": "REVISION", "value": "default"})];
    env.extend((!quirks.without_identity).then(|| json!({"name": "CLUSTER_ID", "value": ident.istio})));
    let labels =
        json!({"app": "istiod", "istio": "pilot", "istio.io/rev": "default", "operator.istio.io/component": "Pilot"});
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "istiod", "namespace": SPACE, "labels": labels},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "istiod", "istio": "pilot"}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "100%", "maxUnavailable": "25%"}},
            "template": {"metadata": {"labels": {"app": "istiod", "istio": "pilot", "istio.io/rev": "default", "sidecar.istio.io/inject": "false"},
                "annotations": {"prometheus.io/scrape": "true", "prometheus.io/port": "15014"}},
                "spec": {"serviceAccountName": "istiod", "containers": [{"name": "discovery", "image": quirks.istio_image("pilot"),
                    "args": ["discovery", "--monitoringAddr=:15014", "--log_output_level=default:info", "--domain", "cluster.local"],
                    "env": env,
                    "ports": [{"containerPort": 8080}, {"containerPort": 15010}, {"containerPort": 15012}, {"containerPort": 15014}, {"containerPort": 15017}],
                    "readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}, "initialDelaySeconds": 1, "periodSeconds": 3, "timeoutSeconds": 5}}]}}}})
}

#[expect(clippy::needless_pass_by_value, reason = "the value is built in the argument")]
fn gateway(world: &mut World, cluster: usize, name: &str, labels: &Value, ports: Value) {
    let ident = world.clusters[cluster].ident.clone();
    let mut env = world.clusters[cluster].quirks.identity(&ident);
    let image = world.clusters[cluster].quirks.istio_image("proxyv2");
    if name == "istio-eastwestgateway" {
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
    autoscaler(world, cluster, name, if name == "istio-ingressgateway" { 1 } else { 5 });
}

fn autoscaler(world: &mut World, cluster: usize, name: &str, maximum: i64) {
    let value = json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": name, "namespace": SPACE, "labels": {"app": name}},
        "spec": {"minReplicas": 1, "maxReplicas": maximum, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}]}});
    put(world, cluster, resources::hpas(), value);
}

fn webhooks(world: &mut World, cluster: usize, files: &Files) {
    let root = base64::engine::general_purpose::STANDARD.encode(&files.root_cert);
    let client = |path: &str| json!({"service": {"name": "istiod", "namespace": SPACE, "path": path, "port": 443}, "caBundle": root});
    let injector = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": "istio-sidecar-injector", "labels": {"app": "sidecar-injector", "istio.io/rev": "default"}},
        "webhooks": [{"name": "namespace.sidecar-injector.istio.io", "clientConfig": client("/inject"), "failurePolicy": "Fail", "sideEffects": "None",
            "admissionReviewVersions": ["v1"], "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}],
            "namespaceSelector": {"matchExpressions": [{"key": "istio-injection", "operator": "In", "values": ["enabled"]}]}}]});
    put(world, cluster, resources::mutating_webhooks(), injector);
    let validator = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "istio-validator-istio-system", "labels": {"app": "istiod", "istio.io/rev": "default"}},
        "webhooks": [{"name": "rev.validation.istio.io", "clientConfig": client("/validate"), "failurePolicy": "Fail", "sideEffects": "None",
            "admissionReviewVersions": ["v1"], "rules": [{"operations": ["CREATE", "UPDATE"], "apiGroups": ["security.istio.io", "networking.istio.io"], "apiVersions": ["*"], "resources": ["*"]}]}]});
    put(world, cluster, resources::validating_webhooks(), validator);
}
