//! Admission: defaults, and the webhooks of istiod.

use serde_json::{Value, json};

use crate::store::{Resource, object, resources};
use crate::world::World;

/// Why admission rejected an object: the internal error of a failed webhook call.
pub(crate) type AdmissionError = String;

/// Fills defaults and calls the webhooks that apply to a new object.
pub(crate) fn admit(
    world: &mut World,
    cluster: usize,
    resource: &Resource,
    value: &mut Value,
) -> Result<(), AdmissionError> {
    match (resource.group, resource.plural) {
        ("", "pods") => {
            pod_defaults(value, "/spec");
            object::default(value, "/status/phase", json!("Pending"));
            inject(world, cluster, value)?;
        }
        ("apps", "deployments" | "replicasets" | "statefulsets" | "daemonsets") => {
            if resource.plural != "daemonsets" {
                object::default(value, "/spec/replicas", json!(1));
            }
            if resource.plural == "deployments" {
                deployment_defaults(value);
            }
            pod_defaults(value, "/spec/template/spec");
        }
        ("batch", "jobs") => pod_defaults(value, "/spec/template/spec"),
        ("", "services") => service_defaults(world, cluster, value),
        ("", "namespaces") => {
            object::default(value, "/spec/finalizers", json!(["kubernetes"]));
            object::default(value, "/status/phase", json!("Active"));
            let name = object::name(value).to_owned();
            object::set(value, "/metadata/labels/kubernetes.io~1metadata.name", json!(name));
        }
        ("networking.istio.io" | "security.istio.io" | "telemetry.istio.io", _) => validate(world, cluster)?,
        _ => {}
    }
    Ok(())
}

/// Validates Istio configuration; rejected while istiod is not ready.
pub(crate) fn validate(world: &World, cluster: usize) -> Result<(), AdmissionError> {
    if world.booting || world.clusters[cluster].istiod_serving() {
        return Ok(());
    }
    Err("Internal error occurred: failed calling webhook \"rev.validation.istio.io\": failed to call webhook: Post \
         \"https://istiod.istio-system.svc:443/validate?timeout=10s\": no endpoints available for service \"istiod\""
        .into())
}

/// Adds the sidecar where a label of the namespace or the pod enables it. Without a ready istiod the pod is rejected.
fn inject(world: &mut World, cluster: usize, pod: &mut Value) -> Result<(), AdmissionError> {
    let cluster = &world.clusters[cluster];
    let space = cluster.store.get(resources::namespaces(), "", object::namespace(pod)).cloned();
    let enabled = space.as_deref().and_then(|n| object::label(n, "istio-injection")) == Some("enabled");
    let label =
        object::label(pod, "sidecar.istio.io/inject").or_else(|| object::annotation(pod, "sidecar.istio.io/inject"));
    if !(label == Some("true") || enabled && label != Some("false")) || has(pod, "istio-proxy") {
        return Ok(());
    }
    if !world.booting && !cluster.istiod_serving() {
        return Err("Internal error occurred: failed calling webhook \"namespace.sidecar-injector.istio.io\": failed to call \
                    webhook: Post \"https://istiod.istio-system.svc:443/inject?timeout=10s\": no endpoints available for service \
                    \"istiod\""
            .into());
    }
    let network = cluster.ident.network.clone();
    let variant =
        object::annotation(pod, "sidecar.istio.io/proxyImageType").map_or_else(String::new, |v| format!("-{v}"));
    let image = format!("{}{variant}", cluster.quirks.istio_image("proxyv2"));
    let mut env = cluster.quirks.identity(&cluster.ident);
    env.push(json!({"name": "PILOT_CERT_PROVIDER", "value": "istiod"}));
    let proxy = json!({
        "name": "istio-proxy", "image": image, "imagePullPolicy": "IfNotPresent", "restartPolicy": "Always",
        "args": ["proxy", "sidecar", "--domain", "$(POD_NAMESPACE).svc.cluster.local", "--proxyLogLevel=warning"],
        "env": env,
        "ports": [{"containerPort": 15090, "name": "http-envoy-prom", "protocol": "TCP"}],
        "readinessProbe": {"httpGet": {"path": "/healthz/ready", "port": 15021, "scheme": "HTTP"}, "periodSeconds": 15, "failureThreshold": 4},
        "startupProbe": {"httpGet": {"path": "/healthz/ready", "port": 15021, "scheme": "HTTP"}, "periodSeconds": 1, "failureThreshold": 600},
        "securityContext": {"runAsUser": 1337, "runAsGroup": 1337, "runAsNonRoot": true, "capabilities": {"drop": ["ALL"]}},
        "resources": {"requests": {"cpu": "5m", "memory": "32Mi"}},
    });
    let init = json!({"name": "istio-init", "image": image, "imagePullPolicy": "IfNotPresent",
        "args": ["istio-iptables", "-p", "15001", "-z", "15006", "-u", "1337", "-m", "REDIRECT", "-i", "*", "-x", "", "-b", "*"]});
    let mut list = vec![init, proxy];
    list.extend(object::items(pod, "/spec/initContainers").iter().cloned());
    object::set(pod, "/spec/initContainers", json!(list));
    object::set(pod, "/metadata/labels/security.istio.io~1tlsMode", json!("istio"));
    object::set(pod, "/metadata/labels/topology.istio.io~1network", json!(network));
    let app = object::label(pod, "app").unwrap_or("").to_owned();
    object::set(pod, "/metadata/labels/service.istio.io~1canonical-name", json!(app));
    let revision = object::label(pod, "version").unwrap_or("latest").to_owned();
    object::set(pod, "/metadata/labels/service.istio.io~1canonical-revision", json!(revision));
    let main = object::text(pod, "/spec/containers/0/name").to_owned();
    for (key, value) in [
        ("istio.io~1rev", "default"),
        ("kubectl.kubernetes.io~1default-container", &main),
        ("kubectl.kubernetes.io~1default-logs-container", &main),
        // The agent serves the application's metrics together with the proxy's.
        ("prometheus.io~1path", "/stats/prometheus"),
        ("prometheus.io~1port", "15020"),
        ("prometheus.io~1scrape", "true"),
    ] {
        object::set(pod, &format!("/metadata/annotations/{key}"), json!(value));
    }
    let status = json!({"initContainers": ["istio-init", "istio-proxy"], "containers": null, "volumes": ["istio-envoy"], "revision": "default"});
    object::set(pod, "/metadata/annotations/sidecar.istio.io~1status", json!(status.to_string()));
    Ok(())
}

fn has(pod: &Value, container: &str) -> bool {
    ["/spec/containers", "/spec/initContainers"]
        .iter()
        .any(|list| object::items(pod, list).iter().any(|one| object::text(one, "/name") == container))
}

fn pod_defaults(value: &mut Value, spec: &str) {
    for (field, default) in [
        ("restartPolicy", json!("Always")),
        ("terminationGracePeriodSeconds", json!(30)),
        ("dnsPolicy", json!("ClusterFirst")),
        ("serviceAccountName", json!("default")),
        ("schedulerName", json!("default-scheduler")),
        ("securityContext", json!({})),
    ] {
        object::default(value, &format!("{spec}/{field}"), default);
    }
    let Some(containers) = value.pointer_mut(&format!("{spec}/containers")).and_then(Value::as_array_mut) else {
        return;
    };
    for container in containers {
        object::default(container, "/imagePullPolicy", json!("IfNotPresent"));
        object::default(container, "/resources", json!({}));
        if let Some(ports) = container.get_mut("ports").and_then(Value::as_array_mut) {
            for port in ports {
                object::default(port, "/protocol", json!("TCP"));
            }
        }
    }
}

fn deployment_defaults(value: &mut Value) {
    object::default(value, "/spec/strategy/type", json!("RollingUpdate"));
    if object::text(value, "/spec/strategy/type") == "RollingUpdate" {
        object::default(value, "/spec/strategy/rollingUpdate/maxSurge", json!("25%"));
        object::default(value, "/spec/strategy/rollingUpdate/maxUnavailable", json!("25%"));
    }
    object::default(value, "/spec/progressDeadlineSeconds", json!(600));
    object::default(value, "/spec/revisionHistoryLimit", json!(10));
}

fn service_defaults(world: &mut World, cluster: usize, value: &mut Value) {
    object::default(value, "/spec/type", json!("ClusterIP"));
    object::default(value, "/spec/sessionAffinity", json!("None"));
    object::default(value, "/spec/internalTrafficPolicy", json!("Cluster"));
    object::default(value, "/spec/ipFamilies", json!(["IPv4"]));
    object::default(value, "/spec/ipFamilyPolicy", json!("SingleStack"));
    object::default(value, "/status", json!({"loadBalancer": {}}));
    let cluster = &mut world.clusters[cluster];
    if object::text(value, "/spec/clusterIP").is_empty() && object::text(value, "/spec/type") != "ExternalName" {
        cluster.next_service = cluster.next_service.wrapping_add(1);
        let ip = cluster.ident.service_ip(cluster.next_service).to_string();
        object::set(value, "/spec/clusterIP", json!(ip));
    }
    let ip = object::text(value, "/spec/clusterIP").to_owned();
    object::set(value, "/spec/clusterIPs", json!([ip]));
    let balanced = object::text(value, "/spec/type") != "ClusterIP";
    let base = 30_000 + i64::from(cluster.next_service) * 10;
    let Some(ports) = value.pointer_mut("/spec/ports").and_then(Value::as_array_mut) else { return };
    for (node_port, port) in (base..).zip(ports) {
        object::default(port, "/protocol", json!("TCP"));
        let number = port.get("port").cloned().unwrap_or(Value::Null);
        object::default(port, "/targetPort", number);
        if balanced {
            object::default(port, "/nodePort", json!(node_port));
        }
    }
}
