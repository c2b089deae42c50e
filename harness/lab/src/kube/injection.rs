//! What istiod's injection template adds to a pod.

use serde_json::{Map, Value, json};

use crate::mesh::control;
use crate::store::object;
use crate::store::resources;
use crate::world::Cluster;

/// Adds the sidecar to a pod.
pub(crate) fn sidecar(cluster: &Cluster, pod: &mut Value, revision: &str) {
    let variant =
        object::annotation(pod, "sidecar.istio.io/proxyImageType").map_or_else(String::new, |v| format!("-{v}"));
    let image = format!("{}{variant}", image(cluster, revision));
    let (kind, workload) = owner(cluster, pod);
    let env = environment(cluster, pod, (kind, &workload), revision);
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
    label(cluster, pod);
    let main = object::text(pod, "/spec/containers/0/name").to_owned();
    for (key, value) in [
        ("kubectl.kubernetes.io~1default-container", main.as_str()),
        ("kubectl.kubernetes.io~1default-logs-container", &main),
        // The agent serves the application's metrics together with the proxy's.
        ("prometheus.io~1path", "/stats/prometheus"),
        ("prometheus.io~1port", "15020"),
        ("prometheus.io~1scrape", "true"),
    ] {
        object::set(pod, &format!("/metadata/annotations/{key}"), json!(value));
    }
    annotate(pod, revision, &json!(["istio-init", "istio-proxy"]), &Value::Null);
}

/// Completes the proxy of a gateway pod, whose chart leaves image and arguments to the injection.
pub(crate) fn gateway(cluster: &Cluster, pod: &mut Value, revision: &str) {
    let (kind, workload) = owner(cluster, pod);
    let env = environment(cluster, pod, (kind, &workload), revision);
    let image = image(cluster, revision);
    let Some(proxy) = pod
        .pointer_mut("/spec/containers")
        .and_then(Value::as_array_mut)
        .and_then(|list| list.iter_mut().find(|container| object::text(container, "/name") == "istio-proxy"))
    else {
        return;
    };
    object::set(proxy, "/image", json!(image));
    let domain = "$(POD_NAMESPACE).svc.cluster.local";
    object::set(proxy, "/args", json!(["proxy", "router", "--domain", domain, "--proxyLogLevel=warning"]));
    let own = object::items(proxy, "/env").to_vec();
    object::set(proxy, "/env", json!([env, own].concat()));
    object::set(proxy, "/ports", json!([{"containerPort": 15090, "name": "http-envoy-prom", "protocol": "TCP"}]));
    let probe = json!({"httpGet": {"path": "/healthz/ready", "port": 15021, "scheme": "HTTP"}, "periodSeconds": 15, "failureThreshold": 4});
    object::set(proxy, "/readinessProbe", probe);
    label(cluster, pod);
    annotate(pod, revision, &Value::Null, &json!(["istio-proxy"]));
}

/// The environment of a proxy, as the templates of istiod write it.
///
/// `owner` is the kind, in plural, and the name of the workload.
pub(crate) fn environment(cluster: &Cluster, pod: &Value, owner: (&str, &str), revision: &str) -> Vec<Value> {
    let field = |name: &str, path: &str| json!({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}});
    let value = |name: &str, value: &str| json!({"name": name, "value": value});
    let namespace = object::namespace(pod);
    let (kind, workload) = owner;
    let root = control::root_namespace(&cluster.store);
    let suffix = if revision == "default" { String::new() } else { format!("-{revision}") };
    let discovery = format!("istiod{suffix}.{root}.svc:15012");
    let containers = object::items(pod, "/spec/containers").iter();
    let names: Vec<&str> =
        containers.map(|one| object::text(one, "/name")).filter(|name| *name != "istio-proxy").collect();
    let mut env = cluster.quirks.identity(&cluster.ident);
    env.extend([
        value("PILOT_CERT_PROVIDER", "istiod"),
        value("CA_ADDR", &discovery),
        field("POD_NAME", "metadata.name"),
        field("POD_NAMESPACE", "metadata.namespace"),
        field("INSTANCE_IP", "status.podIP"),
        field("SERVICE_ACCOUNT", "spec.serviceAccountName"),
        field("HOST_IP", "status.hostIP"),
        value("PROXY_CONFIG", &format!("{}\n", json!({"discoveryAddress": discovery}))),
        value("ISTIO_META_POD_PORTS", &ports(pod).to_string()),
        value("ISTIO_META_APP_CONTAINERS", &names.join(",")),
        field("ISTIO_META_NODE_NAME", "spec.nodeName"),
        value("ISTIO_META_INTERCEPTION_MODE", "REDIRECT"),
        value("ISTIO_META_WORKLOAD_NAME", workload),
        value("ISTIO_META_OWNER", &format!("kubernetes://apis/apps/v1/namespaces/{namespace}/{kind}/{workload}")),
        value("TRUST_DOMAIN", "cluster.local"),
    ]);
    env
}

/// The image of the proxy: that of the istiod of the revision.
fn image(cluster: &Cluster, revision: &str) -> String {
    let own = cluster.quirks.istio_image("proxyv2");
    let deployments = cluster.store.list(resources::deployments(), None);
    let mut control_planes = deployments.filter(|one| object::label(one, "app") == Some("istiod"));
    let found = control_planes.find(|one| object::label(one, "istio.io/rev") == Some(revision));
    let pilot = found.map(|one| object::text(one, "/spec/template/spec/containers/0/image").to_owned());
    // An image by digest names another image than that of istiod.
    pilot.filter(|image| !image.contains('@')).map_or(own, |image| image.replace("/pilot:", "/proxyv2:"))
}

/// The kind, in plural, and name of the workload that a pod belongs to.
fn owner(cluster: &Cluster, pod: &Value) -> (&'static str, String) {
    let name = object::name(pod);
    let Some((kind, uid)) = object::controller(pod) else { return ("pods", name.to_owned()) };
    let namespace = Some(object::namespace(pod));
    match kind {
        "ReplicaSet" => {
            let set = cluster.store.list(resources::replicasets(), namespace).find(|set| object::uid(set) == uid);
            let owners = set.map(|set| object::text(set, "/metadata/ownerReferences/0/name").to_owned());
            ("deployments", owners.unwrap_or_default())
        }
        "StatefulSet" => ("statefulsets", name.rsplit_once('-').map_or(name, |(name, _)| name).to_owned()),
        _ => ("pods", name.to_owned()),
    }
}

fn ports(pod: &Value) -> Value {
    let containers = object::items(pod, "/spec/containers").iter();
    json!(containers.flat_map(|one| object::items(one, "/ports")).collect::<Vec<_>>())
}

fn label(cluster: &Cluster, pod: &mut Value) {
    let network = &cluster.ident.network;
    if !network.is_empty() && object::label(pod, "topology.istio.io/network").is_none() {
        object::set(pod, "/metadata/labels/topology.istio.io~1network", json!(network));
    }
    let none = Map::new();
    let labels = object::labels(pod).unwrap_or(&none);
    let first = |keys: &[&str]| keys.iter().find_map(|key| labels.get(*key)?.as_str()).map(str::to_owned);
    let name = first(&["service.istio.io/canonical-name", "app.kubernetes.io/name", "app"]).unwrap_or_default();
    let revision = first(&["service.istio.io/canonical-revision", "app.kubernetes.io/version", "version"]);
    object::set(pod, "/metadata/labels/service.istio.io~1canonical-name", json!(name));
    let revision = revision.unwrap_or_else(|| "latest".to_owned());
    object::set(pod, "/metadata/labels/service.istio.io~1canonical-revision", json!(revision));
}

fn annotate(pod: &mut Value, revision: &str, init: &Value, containers: &Value) {
    object::set(pod, "/metadata/annotations/istio.io~1rev", json!(revision));
    let status =
        json!({"initContainers": init, "containers": containers, "volumes": ["istio-envoy"], "revision": revision});
    object::set(pod, "/metadata/annotations/sidecar.istio.io~1status", json!(status.to_string()));
}
