//! istiod as a controller of the Gateway API: deploys the proxies of Gateways, and writes the status of every object.

use serde_json::{Value, json};

use super::{admission, injection};
use crate::mesh::control;
use crate::mesh::gateway_routes::{GATEWAY_NAME, allows, attaches, backends, hosts, refers, unresolved};
use crate::store::{Resource, object, resources};
use crate::world::World;

const CONTROLLER: &str = "istio.io/gateway-controller";
const API: &str = "gateway.networking.k8s.io/v1";
/// The class of gateways to other networks; the names of their workloads have no suffix.
const EAST_WEST: &str = "istio-east-west";

/// Brings workloads and status up to date, if a cluster has the Gateway API and a ready istiod.
pub(crate) fn reconcile(world: &mut World, cluster: usize) {
    let here = &world.clusters[cluster];
    let served = here.store.serves(resources::api_gateways());
    if !served || !(world.booting || control::serves(world, cluster, "default")) {
        return;
    }
    let gateways: Vec<Value> = list(world, cluster, resources::api_gateways());
    for gateway in &gateways {
        if is_deployed(gateway) {
            deploy(world, cluster, gateway);
        }
    }
    for gateway in list(world, cluster, resources::gateway_classes()) {
        let accepted = json!({"conditions": [condition(world, &gateway, ("Accepted", true), "Accepted", "Handled by Istio controller")]});
        write(world, cluster, resources::gateway_classes(), &gateway, accepted);
    }
    for gateway in gateways {
        let status = gateway_status(world, cluster, &gateway);
        write(world, cluster, resources::api_gateways(), &gateway, status);
    }
    for route in list(world, cluster, resources::httproutes()) {
        let status = route_status(world, cluster, &route);
        write(world, cluster, resources::httproutes(), &route, status);
    }
}

fn list(world: &World, cluster: usize, resource: &'static Resource) -> Vec<Value> {
    world.clusters[cluster].store.list(resource, None).map(|one| (**one).clone()).collect()
}

fn write(world: &mut World, cluster: usize, resource: &'static Resource, value: &Value, status: Value) {
    world.edit(cluster, resource, object::namespace(value), object::name(value), |one| {
        object::set(one, "/status", status);
    });
}

/// Whether istiod deploys the proxies: the class is Istio's, and no address of a Service is given.
fn is_deployed(gateway: &Value) -> bool {
    let class = object::text(gateway, "/spec/gatewayClassName");
    (class == "istio" || class == EAST_WEST) && object::items(gateway, "/spec/addresses").is_empty()
}

/// The name of the Deployment and the Service of a Gateway.
fn workload(gateway: &Value) -> String {
    let (name, class) = (object::name(gateway), object::text(gateway, "/spec/gatewayClassName"));
    match object::annotation(gateway, "gateway.istio.io/name-override") {
        Some(name) => name.to_owned(),
        None if class == EAST_WEST => name.to_owned(),
        None => format!("{name}-{class}"),
    }
}

/// A condition; it keeps its date as long as its status is the same.
fn condition(world: &World, object: &Value, (kind, on): (&str, bool), reason: &str, message: &str) -> Value {
    dated(world, object, "/status/conditions", (kind, on), reason, message)
}

fn dated(world: &World, object: &Value, list: &str, (kind, on): (&str, bool), reason: &str, message: &str) -> Value {
    let status = if on { "True" } else { "False" };
    let before = object::items(object, list).iter().find(|one| object::text(one, "/type") == kind);
    let kept = before.filter(|one| object::text(one, "/status") == status);
    let date = kept.map_or_else(|| world.date(), |one| object::text(one, "/lastTransitionTime").to_owned());
    json!({"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": date,
        "observedGeneration": object::int(object, "/metadata/generation")})
}

/// Creates the account, Deployment and Service of a Gateway; a changed Gateway changes the ports of the Service.
fn deploy(world: &mut World, cluster: usize, gateway: &Value) {
    let (namespace, name) = (object::namespace(gateway), workload(gateway));
    let class = object::text(gateway, "/spec/gatewayClassName");
    let own = object::labels(gateway).cloned().unwrap_or_default();
    let mut labels = Value::Object(own);
    labels[GATEWAY_NAME] = json!(object::name(gateway));
    labels["gateway.networking.k8s.io/gateway-class-name"] = json!(class);
    let owner =
        json!([{"apiVersion": API, "kind": "Gateway", "name": object::name(gateway), "uid": object::uid(gateway)}]);
    let meta =
        |labels: &Value| json!({"name": name, "namespace": namespace, "labels": labels, "ownerReferences": owner});
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta(&labels)});
    create(world, cluster, resources::serviceaccounts(), account);
    let mut managed = labels.clone();
    managed["gateway.istio.io/managed"] =
        json!(if class == EAST_WEST { "istio.io-eastwest-controller" } else { "istio.io-gateway-controller" });
    let mut pod = managed.clone();
    for (key, value) in [
        ("istio.io/gateway-name", object::name(gateway)),
        ("sidecar.istio.io/inject", "false"),
        ("service.istio.io/canonical-name", name.as_str()),
        ("service.istio.io/canonical-revision", "latest"),
    ] {
        pod[key] = json!(value);
    }
    managed["istio.io/gateway-name"] = json!(object::name(gateway));
    let here = &world.clusters[cluster];
    let mut env = injection::environment(here, gateway, ("deployments", &name), "default");
    if let Some(network) = object::label(gateway, "topology.istio.io/network") {
        env.push(json!({"name": "ISTIO_META_REQUESTED_NETWORK_VIEW", "value": network}));
    }
    let probe = |failures: i64, period: i64| json!({"httpGet": {"path": "/healthz/ready", "port": 15021, "scheme": "HTTP"}, "failureThreshold": failures, "periodSeconds": period});
    let selector = json!({ GATEWAY_NAME: object::name(gateway) });
    let container = json!({"name": "istio-proxy", "image": here.quirks.istio_image("proxyv2"),
        "args": ["proxy", "router", "--domain", "$(POD_NAMESPACE).svc.cluster.local", "--proxyLogLevel", "warning"], "env": env,
        "ports": [{"containerPort": 15020, "name": "metrics"}, {"containerPort": 15021, "name": "status-port"}, {"containerPort": 15090, "name": "http-envoy-prom"}],
        "startupProbe": probe(30, 1), "readinessProbe": probe(4, 15),
        "securityContext": {"capabilities": {"drop": ["ALL"]}, "runAsUser": 1337, "runAsGroup": 1337, "runAsNonRoot": true}});
    let annotations = json!({"istio.io/rev": "default", "prometheus.io/path": "/stats/prometheus", "prometheus.io/port": "15020", "prometheus.io/scrape": "true"});
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta(&managed),
        "spec": {"selector": {"matchLabels": selector}, "template": {"metadata": {"labels": pod, "annotations": annotations},
            "spec": {"serviceAccountName": name, "containers": [container]}}}});
    create(world, cluster, resources::deployments(), deployment);
    let mut ports = vec![json!({"name": "status-port", "port": 15021, "protocol": "TCP", "appProtocol": "tcp"})];
    ports.extend(object::items(gateway, "/spec/listeners").iter().map(|listener| {
        json!({"name": listener["name"], "port": listener["port"], "protocol": "TCP", "appProtocol": object::text(listener, "/protocol").to_lowercase()})
    }));
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": meta(&labels),
        "spec": {"type": "LoadBalancer", "ipFamilyPolicy": "PreferDualStack", "selector": selector, "ports": ports}});
    create(world, cluster, resources::services(), service);
}

/// Creates an object that does not exist yet.
fn create(world: &mut World, cluster: usize, resource: &'static Resource, mut value: Value) {
    let known = world.clusters[cluster].store.get(resource, object::namespace(&value), object::name(&value));
    if known.is_none() && admission::admit(world, cluster, resource, &mut value).is_ok() {
        world.create(cluster, resource, value);
    }
}

fn gateway_status(world: &World, cluster: usize, gateway: &Value) -> Value {
    let here = &world.clusters[cluster];
    let (namespace, name) = (object::namespace(gateway), workload(gateway));
    let service = here.store.get(resources::services(), namespace, &name);
    let addresses: Vec<&str> = service
        .map(|service| object::items(service, "/status/loadBalancer/ingress"))
        .unwrap_or_default()
        .iter()
        .map(|one| object::text(one, "/ip"))
        .collect();
    let host = format!("{name}.{namespace}.svc.cluster.local");
    let ready = here.pods.values().any(|pod| {
        pod.namespace == namespace
            && pod.ready
            && !pod.terminating()
            && pod.label(GATEWAY_NAME) == object::name(gateway)
    });
    let ports = object::items(gateway, "/spec/listeners").iter().filter_map(|one| object::int(one, "/port"));
    let at: Vec<String> = ports.map(|port| format!("{host}:{port}")).collect();
    let programmed = if !ready {
        ("Invalid", format!("Failed to assign to any requested addresses: no instances found for hostname {host:?}"))
    } else if addresses.is_empty() {
        let text = format!(
            "Assigned to service(s) {}, but failed to assign to all requested addresses: address pending for hostname {host:?}",
            at.join(" and ")
        );
        ("AddressNotAssigned", text)
    } else {
        ("Programmed", format!("Resource programmed, assigned to service(s) {}", at.join(" and ")))
    };
    let listeners = object::items(gateway, "/spec/listeners").iter().map(|one| listener(world, cluster, gateway, one));
    let on = programmed.0 == "Programmed";
    json!({
        "addresses": addresses.iter().map(|ip| json!({"type": "IPAddress", "value": ip})).collect::<Vec<_>>(),
        "conditions": [condition(world, gateway, ("Accepted", true), "Accepted", "Resource accepted"),
            condition(world, gateway, ("Programmed", on), programmed.0, &programmed.1)],
        "listeners": listeners.collect::<Vec<_>>(),
    })
}

fn listener(world: &World, cluster: usize, gateway: &Value, listener: &Value) -> Value {
    let store = &world.clusters[cluster].store;
    let attached = store.list(resources::httproutes(), None).filter(|route| attaches(store, route, gateway, listener));
    let old = object::items(gateway, "/status/listeners").iter().position(|one| one["name"] == listener["name"]);
    let list = format!("/status/listeners/{}/conditions", old.unwrap_or(usize::MAX));
    let one = |kind: &str, on: bool, reason: &str, text: &str| dated(world, gateway, &list, (kind, on), reason, text);
    let kinds = match object::text(listener, "/protocol") {
        "HTTP" | "HTTPS" => {
            json!([{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute"}, {"group": "gateway.networking.k8s.io", "kind": "GRPCRoute"}])
        }
        "TLS" => json!([{"group": "gateway.networking.k8s.io", "kind": "TLSRoute"}]),
        _ => json!([]),
    };
    json!({"name": listener["name"], "attachedRoutes": attached.count(), "supportedKinds": kinds, "conditions": [
        one("Accepted", true, "Accepted", "No errors found"), one("Conflicted", false, "NoConflicts", "No errors found"),
        one("Programmed", true, "Programmed", "No errors found"), one("ResolvedRefs", true, "ResolvedRefs", "No errors found")]})
}

fn route_status(world: &World, cluster: usize, route: &Value) -> Value {
    let store = &world.clusters[cluster].store;
    let wrong = backends(route).find_map(|backend| unresolved(store, route, backend));
    let parents = object::items(route, "/spec/parentRefs").iter().enumerate().filter_map(|(place, parent)| {
        let list = format!("/status/parents/{place}/conditions");
        let one = |kind: &str, on: bool, reason: &str, text: &str| dated(world, route, &list, (kind, on), reason, text);
        let (reason, text) = accepted(world, cluster, route, parent)?;
        let resolved = match &wrong {
            Some((reason, text)) => one("ResolvedRefs", false, reason, text),
            None => one("ResolvedRefs", true, "ResolvedRefs", "All references resolved"),
        };
        Some(json!({"controllerName": CONTROLLER, "parentRef": parent,
            "conditions": [one("Accepted", reason == "Accepted", reason, text), resolved]}))
    });
    json!({"parents": parents.collect::<Vec<_>>()})
}

/// Reason and message of the condition `Accepted` for one parent of a route; none if no Gateway of Istio is named.
fn accepted(world: &World, cluster: usize, route: &Value, parent: &Value) -> Option<(&'static str, &'static str)> {
    if object::text(parent, "/kind") == "Service" {
        return Some(("Accepted", "Route was valid"));
    }
    let store = &world.clusters[cluster].store;
    let mut named = store
        .list(resources::api_gateways(), None)
        .flat_map(|gateway| object::items(gateway, "/spec/listeners").iter().map(move |listener| (gateway, listener)));
    let own = |(gateway, listener): &(&std::sync::Arc<Value>, &Value)| refers(parent, route, gateway, listener);
    let all: Vec<_> = named.by_ref().filter(own).collect();
    if all.is_empty() {
        let namespace = object::text(parent, "/namespace");
        let namespace = if namespace.is_empty() { object::namespace(route) } else { namespace };
        let exists = store.get(resources::api_gateways(), namespace, object::text(parent, "/name")).is_some();
        return exists.then_some(("NoMatchingParent", "No listener of the parent matches the reference"));
    }
    let allowed: Vec<_> = all.into_iter().filter(|(gateway, one)| allows(store, route, gateway, one)).collect();
    if allowed.is_empty() {
        return Some(("NotAllowedByListeners", "The listener does not allow routes of this namespace"));
    }
    if allowed.iter().all(|(_, listener)| hosts(route, listener).is_empty()) {
        return Some(("NoMatchingListenerHostname", "No hostnames matched the parent hostname"));
    }
    Some(("Accepted", "Route was valid"))
}
