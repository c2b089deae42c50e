//! Admission: defaults, and the webhooks of istiod.

use serde_json::{Value, json};

use super::injection;
use crate::mesh::control;
use crate::store::selector::Selector;
use crate::store::{Resource, object, resources};
use crate::world::{Cluster, World};

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
    let here = &world.clusters[cluster];
    if world.booting || !control::instances(world, cluster).is_empty() {
        return Ok(());
    }
    let webhook = here.store.list(resources::validating_webhooks(), None).next();
    let (namespace, service) = service_of(webhook.map_or(&Value::Null, |found| &**found), "/webhooks/0");
    Err(webhook_failure("rev.validation.istio.io", "validate", &namespace, &service))
}

/// The error of a webhook call to a Service without endpoints.
fn webhook_failure(webhook: &str, path: &str, namespace: &str, service: &str) -> AdmissionError {
    format!(
        "Internal error occurred: failed calling webhook \"{webhook}\": failed to call webhook: Post \
         \"https://{service}.{namespace}.svc:443/{path}?timeout=10s\": no endpoints available for service \"{service}\""
    )
}

/// Namespace and name of the Service that a webhook calls.
fn service_of(configuration: &Value, webhook: &str) -> (String, String) {
    let text = |field: &str| object::text(configuration, &format!("{webhook}/clientConfig/service/{field}")).to_owned();
    let (namespace, name) = (text("namespace"), text("name"));
    if name.is_empty() { ("istio-system".to_owned(), "istiod".to_owned()) } else { (namespace, name) }
}

/// The webhook that injects a pod: its name, the revision, and namespace and name of its Service.
struct Injector {
    webhook: String,
    revision: String,
    service: (String, String),
}

/// The webhook whose selectors match the namespace and the pod.
fn injector(cluster: &Cluster, namespace: &Value, pod: &Value) -> Option<Injector> {
    let matches = |selector: Option<&Value>, labels: &Value| {
        selector.is_none_or(|selector| Selector::object(selector).matches(object::labels(labels)))
    };
    cluster.store.list(resources::mutating_webhooks(), None).find_map(|configuration| {
        let webhooks = object::items(configuration, "/webhooks");
        let place = webhooks.iter().position(|webhook| {
            matches(webhook.get("namespaceSelector"), namespace) && matches(webhook.get("objectSelector"), pod)
        })?;
        Some(Injector {
            webhook: object::text(&webhooks[place], "/name").to_owned(),
            revision: object::label(configuration, "istio.io/rev").unwrap_or("default").to_owned(),
            service: service_of(configuration, &format!("/webhooks/{place}")),
        })
    })
}

/// Adds the sidecar where a label of the namespace or the pod enables it, or completes the proxy of a gateway. Without a ready
/// istiod the pod is rejected.
fn inject(world: &mut World, cluster: usize, pod: &mut Value) -> Result<(), AdmissionError> {
    let index = cluster;
    let cluster = &world.clusters[cluster];
    let space = cluster.store.get(resources::namespaces(), "", object::namespace(pod)).cloned().unwrap_or_default();
    let enabled = object::label(&space, "istio-injection") == Some("enabled");
    let label =
        object::label(pod, "sidecar.istio.io/inject").or_else(|| object::annotation(pod, "sidecar.istio.io/inject"));
    let gateway = object::annotation(pod, "inject.istio.io/templates") == Some("gateway");
    let found = injector(cluster, &space, pod);
    let wanted = label == Some("true") || (enabled || found.is_some()) && label != Some("false");
    if !wanted || has(pod, "istio-proxy") && !gateway {
        return Ok(());
    }
    // A namespace or pod that is labelled for injection gets it even where the selectors of the webhook are gone.
    let injector = found.unwrap_or_else(|| Injector {
        webhook: "namespace.sidecar-injector.istio.io".to_owned(),
        revision: "default".to_owned(),
        service: ("istio-system".to_owned(), "istiod".to_owned()),
    });
    let (namespace, service) = &injector.service;
    if !world.booting && !control::webhook_answers(world, index, namespace, service) {
        return Err(webhook_failure(&injector.webhook, "inject", namespace, service));
    }
    if gateway {
        injection::gateway(cluster, pod, &injector.revision);
    } else {
        injection::sidecar(cluster, pod, &injector.revision);
    }
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
