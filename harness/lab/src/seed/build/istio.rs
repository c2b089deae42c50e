//! Istio's control plane: istiod, its configuration and webhooks, CA and remote secrets.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::super::pki::Files;
use crate::seed::put::put;
use crate::store::resources;
use crate::world::{ISTIO, World};

/// The namespace of the control plane.
pub(crate) const SPACE: &str = "istio-system";

/// One revision of istiod.
pub(crate) struct Revision {
    pub(crate) name: &'static str,
    /// The version; that of the cluster if none is set.
    pub(crate) version: Option<&'static str>,
    pub(crate) replicas: i64,
    /// `maxReplicas` of its autoscaler.
    pub(crate) maximum: i64,
    /// Helm's chart installed it.
    pub(crate) helm: bool,
}

impl Revision {
    /// The name of the Deployment and the Service: `istiod`, `istiod-canary`.
    pub(crate) fn istiod(&self) -> String {
        format!("istiod{}", self.suffix())
    }

    /// What the names of its objects end with.
    pub(crate) fn suffix(&self) -> String {
        if self.name == "default" { String::new() } else { format!("-{}", self.name) }
    }

    /// The labels of Helm's chart; none for an installation with istioctl.
    pub(crate) fn helm_labels(&self, chart: &str) -> Value {
        let version = self.version.unwrap_or(ISTIO);
        if self.helm {
            json!({"app.kubernetes.io/name": "istiod", "app.kubernetes.io/instance": chart, "app.kubernetes.io/managed-by": "Helm",
                "app.kubernetes.io/part-of": "istio", "app.kubernetes.io/version": version, "helm.sh/chart": format!("istiod-{version}")})
        } else {
            json!({})
        }
    }
}

/// Adds labels to labels.
pub(crate) fn merged(mut labels: Value, more: &Value) -> Value {
    for (key, value) in more.as_object().into_iter().flatten() {
        labels[key] = value.clone();
    }
    labels
}

/// A control plane that Helm's charts install.
pub(crate) fn control_plane(world: &mut World, cluster: usize, revision: &Revision, files: &Files) {
    certificates(world, cluster, files);
    configuration(world, cluster, revision);
    istiod(world, cluster, revision);
    webhooks(world, cluster, revision, files);
}

/// The secret `cacerts` and the map with the root certificate.
pub(crate) fn certificates(world: &mut World, cluster: usize, files: &Files) {
    let encode = |text: &str| STANDARD.encode(text);
    let cacerts = json!({"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": {"name": "cacerts", "namespace": SPACE},
        "data": {"ca-cert.pem": encode(&files.ca_cert), "ca-key.pem": encode(&files.ca_key),
            "cert-chain.pem": encode(&files.cert_chain), "root-cert.pem": encode(&files.root_cert)}});
    put(world, cluster, resources::secrets(), cacerts);
    root_certificate(world, cluster, SPACE, files);
}

/// The map with the root certificate that istiod writes into every namespace.
pub(crate) fn root_certificate(world: &mut World, cluster: usize, namespace: &str, files: &Files) {
    let root = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "istio-ca-root-cert", "namespace": namespace}, "data": {"root-cert.pem": files.root_cert}});
    put(world, cluster, resources::configmaps(), root);
}

/// The secrets with which istiod of a cluster reads the others.
pub(crate) fn remote_secrets(world: &mut World, cluster: usize) {
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
            "data": {id.clone(): STANDARD.encode(&kubeconfig)}});
        put(world, cluster, resources::secrets(), secret);
    }
}

/// The configuration of the mesh and of the injection.
pub(crate) fn configuration(world: &mut World, cluster: usize, revision: &Revision) {
    let ident = world.clusters[cluster].ident.clone();
    let labels = json!({"istio.io/rev": revision.name});
    let mesh = format!(
        "accessLogFile: \"\"\ndefaultConfig:\n  discoveryAddress: {}.istio-system.svc:15012\ndefaultProviders:\n  metrics:\n  - prometheus\n\
         enablePrometheusMerge: true\nrootNamespace: istio-system\ntrustDomain: cluster.local",
        revision.istiod()
    );
    let name = format!("istio{}", revision.suffix());
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": SPACE, "labels": labels},
        "data": {"mesh": mesh, "meshNetworks": "networks: {}"}});
    put(world, cluster, resources::configmaps(), map);
    let tag = revision.version.unwrap_or(ISTIO);
    let own = if revision.name == "default" { "" } else { revision.name };
    let values = json!({"global": {"meshID": ident.mesh_id, "network": ident.network, "multiCluster": {"clusterName": ident.istio},
        "hub": "registry.local", "tag": tag, "istioNamespace": SPACE}, "revision": own});
    let name = format!("istio-sidecar-injector{}", revision.suffix());
    let injector = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": SPACE,
        "labels": labels}, "data": {"values": values.to_string()}});
    put(world, cluster, resources::configmaps(), injector);
}

/// The Deployment, Service and autoscaler of istiod.
pub(crate) fn istiod(world: &mut World, cluster: usize, revision: &Revision) {
    let ident = &world.clusters[cluster].ident;
    let quirks = &world.clusters[cluster].quirks;
    let mut env = vec![json!({"name": "REVISION", "value": revision.name})];
    env.extend((!quirks.without_identity).then(|| json!({"name": "CLUSTER_ID", "value": ident.istio})));
    let name = revision.istiod();
    let selector = if revision.name == "default" {
        json!({"app": "istiod", "istio": "pilot"})
    } else {
        json!({"app": "istiod", "istio.io/rev": revision.name})
    };
    let pilot = if revision.name == "default" { "pilot" } else { "istiod" };
    let helm = revision.helm_labels(&name);
    let own = json!({"app": "istiod", "istio": "pilot", "istio.io/rev": revision.name, "operator.istio.io/component": "Pilot"});
    let template =
        json!({"app": "istiod", "istio": pilot, "istio.io/rev": revision.name, "sidecar.istio.io/inject": "false"});
    let image = match revision.version {
        Some(version) => format!("registry.local/pilot:{version}"),
        None => quirks.istio_image("pilot"),
    };
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": SPACE, "labels": merged(own, &helm)},
        "spec": {"replicas": revision.replicas, "selector": {"matchLabels": selector},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "100%", "maxUnavailable": "25%"}},
            "template": {"metadata": {"labels": merged(template, &helm),
                "annotations": {"prometheus.io/scrape": "true", "prometheus.io/port": "15014"}},
                "spec": {"serviceAccountName": name, "containers": [{"name": "discovery", "image": image,
                    "args": ["discovery", "--monitoringAddr=:15014", "--log_output_level=default:info", "--domain", "cluster.local"],
                    "env": env,
                    "ports": [{"containerPort": 8080}, {"containerPort": 15010}, {"containerPort": 15012}, {"containerPort": 15014}, {"containerPort": 15017}],
                    "readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}, "initialDelaySeconds": 1, "periodSeconds": 3, "timeoutSeconds": 5}}]}}}});
    put(world, cluster, resources::deployments(), deployment);
    let ports = json!([{"name": "grpc-xds", "port": 15010}, {"name": "https-dns", "port": 15012}, {"name": "https-webhook", "port": 443, "targetPort": 15017},
        {"name": "http-monitoring", "port": 15014}]);
    let labels = json!({"app": "istiod", "istio": pilot, "istio.io/rev": revision.name});
    put(
        world,
        cluster,
        resources::services(),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": SPACE, "labels": merged(labels, &helm)},
        "spec": {"selector": selector, "ports": ports}}),
    );
    autoscaler(world, cluster, SPACE, &name, (revision.replicas, revision.maximum));
}

/// An autoscaler of a Deployment, with its least and most replicas.
pub(crate) fn autoscaler(world: &mut World, cluster: usize, namespace: &str, name: &str, (least, most): (i64, i64)) {
    let value = json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
        "spec": {"minReplicas": least, "maxReplicas": most, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}]}});
    put(world, cluster, resources::hpas(), value);
}

/// What a webhook of istiod calls.
pub(crate) fn client(service: &str, path: &str, files: &Files) -> Value {
    let root = STANDARD.encode(&files.root_cert);
    json!({"service": {"name": service, "namespace": SPACE, "path": path, "port": 443}, "caBundle": root})
}

/// A label that must be one of some values; with none it must be absent.
fn test(key: &str, operator: &str, values: &[&str]) -> Value {
    if values.is_empty() {
        json!({"key": key, "operator": operator})
    } else {
        json!({"key": key, "operator": operator, "values": values})
    }
}

/// The webhooks of a revision or a tag that select by `istio.io/rev`, and those that select by `istio-injection` where it is
/// the default.
fn injection_hooks(service: &str, name: &str, files: &Files) -> Value {
    const INJECT: &str = "sidecar.istio.io/inject";
    const REVISION: &str = "istio.io/rev";
    const LEGACY: &str = "istio-injection";
    let hook = |prefix: &str, namespace: Value, object: Value| {
        json!({"name": format!("{prefix}.sidecar-injector.istio.io"), "clientConfig": client(service, "/inject", files), "failurePolicy": "Fail",
            "sideEffects": "None", "reinvocationPolicy": "Never", "admissionReviewVersions": ["v1"],
            "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}],
            "namespaceSelector": {"matchExpressions": namespace}, "objectSelector": {"matchExpressions": object}})
    };
    let allowed = test(INJECT, "NotIn", &["false"]);
    let mut hooks = vec![
        hook(
            "rev.namespace",
            json!([test(REVISION, "In", &[name]), test(LEGACY, "DoesNotExist", &[])]),
            json!([allowed]),
        ),
        hook(
            "rev.object",
            json!([test(REVISION, "DoesNotExist", &[]), test(LEGACY, "DoesNotExist", &[])]),
            json!([allowed, test(REVISION, "In", &[name])]),
        ),
    ];
    if name == "default" {
        hooks.extend([
            hook("namespace", json!([test(LEGACY, "In", &["enabled"])]), json!([allowed])),
            hook(
                "object",
                json!([test(LEGACY, "DoesNotExist", &[]), test(REVISION, "DoesNotExist", &[])]),
                json!([test(INJECT, "In", &["true"]), test(REVISION, "DoesNotExist", &[])]),
            ),
        ]);
    }
    json!(hooks)
}

/// The webhooks of the injection of a revision.
pub(crate) fn injector(world: &mut World, cluster: usize, revision: &Revision, files: &Files) {
    let (service, suffix) = (revision.istiod(), revision.suffix());
    let labels = json!({"app": "sidecar-injector", "istio.io/rev": revision.name, "operator.istio.io/component": "Pilot", "release": service});
    let injector = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": format!("istio-sidecar-injector{suffix}"), "labels": merged(labels, &revision.helm_labels(&service))},
        "webhooks": injection_hooks(&service, revision.name, files)});
    put(world, cluster, resources::mutating_webhooks(), injector);
}

/// The webhooks of a revision, as Helm's chart creates them.
pub(crate) fn webhooks(world: &mut World, cluster: usize, revision: &Revision, files: &Files) {
    injector(world, cluster, revision, files);
    let (service, suffix) = (revision.istiod(), revision.suffix());
    let labels = json!({"app": "istiod", "istio": "istiod", "istio.io/rev": revision.name, "release": service});
    let own = json!({"matchExpressions": [test("istio.io/rev", "In", &[revision.name])]});
    validator(
        world,
        cluster,
        &format!("istio-validator{suffix}-istio-system"),
        labels,
        ("rev.validation.istio.io", own),
        &service,
        files,
    );
    if revision.name == "default" {
        let labels = json!({"app": "istiod", "istio": "istiod", "istio.io/rev": "default", "istio.io/tag": "default"});
        let others = json!({"matchExpressions": [test("istio.io/rev", "DoesNotExist", &[])]});
        validator(world, cluster, "istiod-default-validator", labels, ("validation.istio.io", others), &service, files);
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the values are built in the arguments")]
fn validator(
    world: &mut World,
    cluster: usize,
    name: &str,
    labels: Value,
    (webhook, objects): (&str, Value),
    service: &str,
    files: &Files,
) {
    let validator = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": name, "labels": labels},
        "webhooks": [{"name": webhook, "clientConfig": client(service, "/validate", files), "failurePolicy": "Fail", "sideEffects": "None",
            "admissionReviewVersions": ["v1"], "objectSelector": objects,
            "rules": [{"operations": ["CREATE", "UPDATE"], "apiGroups": ["security.istio.io", "networking.istio.io", "telemetry.istio.io", "extensions.istio.io"],
                "apiVersions": ["*"], "resources": ["*"]}]}]});
    put(world, cluster, resources::validating_webhooks(), validator);
}

/// A tag of a revision.
pub(crate) fn tag(world: &mut World, cluster: usize, tag: &str, revision: &Revision, files: &Files) {
    let labels = json!({"app": "sidecar-injector", "istio.io/tag": tag, "istio.io/rev": revision.name, "operator.istio.io/component": "Pilot"});
    let value = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": format!("istio-revision-tag-{tag}"), "labels": labels},
        "webhooks": injection_hooks(&revision.istiod(), tag, files)});
    put(world, cluster, resources::mutating_webhooks(), value);
}
