//! Gateways: workloads whose proxies run as routers, however they were installed and are labelled.

use indexmap::IndexMap;

use serde_json::Value;

use super::facts::{Facts, container, tcp_ports};
use super::merge::{Sighting, merged};
use crate::cluster::{Object, label_selector};
use crate::format::{ClusterChoice, Gateway, GatewayRole};

const NETWORK: &str = "topology.istio.io/network";
const API_NAME: &str = "gateway.networking.k8s.io/gateway-name";
const API_CLASS: &str = "gateway.networking.k8s.io/gateway-class-name";
/// The port at which the networks of a mesh are connected.
const PASSTHROUGH: u16 = 15443;

pub(super) fn detect(facts: &[Facts]) -> IndexMap<String, Gateway> {
    let keys: Vec<String> = facts.iter().map(|facts| facts.key.clone()).collect();
    let mut sightings = Vec::new();
    for facts in facts {
        for (word, object) in &facts.workloads {
            let pod = facts.pods_of(object).next();
            if !is_router(&object["spec"]["template"], pod) {
                continue;
            }
            let Some(gateway) = gateway(facts, word, object) else { continue };
            let twin = facts.workloads.iter().any(|(_, other)| {
                other.name() == object.name()
                    && other.namespace() != object.namespace()
                    && is_router(&other["spec"]["template"], facts.pods_of(other).next())
            });
            let name =
                if twin { format!("{}.{}", object.name(), object.namespace()) } else { object.name().to_owned() };
            sightings.push(Sighting { cluster: facts.key.clone(), name, value: gateway });
        }
    }
    merged(sightings, &keys, |gateway, clusters| Gateway { clusters, ..gateway })
}

/// Whether a workload's proxies run as routers: by the arguments of a pod or of the template, or because the template asks
/// for the injection of a gateway.
pub(super) fn is_router(template: &Value, pod: Option<&Object>) -> bool {
    let runs = |pod: &Value| {
        let arguments = container(pod, "istio-proxy").and_then(|proxy| proxy["args"].as_array());
        arguments.is_some_and(|arguments| arguments.iter().take(2).eq(["proxy", "router"].iter()))
    };
    let injected = template["metadata"]["annotations"]["inject.istio.io/templates"].as_str();
    runs(template)
        || pod.is_some_and(|pod| runs(pod))
        || injected.is_some_and(|names| names.split(',').any(|one| one.trim() == "gateway"))
}

fn gateway(facts: &Facts, word: &str, object: &Object) -> Option<Gateway> {
    let template = &object["spec"]["template"];
    let service = service_of(facts, object);
    let ports = service.map(tcp_ports).unwrap_or_default();
    Some(Gateway {
        role: role(facts, object, service, &ports),
        clusters: ClusterChoice::all(),
        namespace: object.namespace().to_owned(),
        workload: format!("{word}/{}", object.name()),
        selector: label_selector(&without_network(&object["spec"]["selector"]["matchLabels"])).parse().ok()?,
        service: service.map(|service| service.name().to_owned()),
        ports,
        deployed_for: template["metadata"]["labels"][API_NAME].as_str().map(str::to_owned),
    })
}

/// The labels without that of the network, which is another one in every cluster, where there are others.
fn without_network(labels: &Value) -> Value {
    let mut labels = labels.clone();
    if let Some(map) = labels.as_object_mut().filter(|map| map.len() > 1) {
        map.remove(NETWORK);
    }
    labels
}

/// The Service before a gateway; of several, the one that can be reached from outside.
fn service_of<'a>(facts: &'a Facts, object: &Object) -> Option<&'a Object> {
    let labels: Object = Value::from_iter([("metadata", object["spec"]["template"]["metadata"].clone())]).into();
    let own = facts
        .services
        .iter()
        .filter(|service| service.namespace() == object.namespace() && super::facts::leads_to(service, &labels));
    own.min_by_key(|service| match service["spec"]["type"].as_str() {
        Some("LoadBalancer") => 0,
        Some("NodePort") => 1,
        _ if service["spec"]["clusterIP"] == "None" => 3,
        _ => 2,
    })
}

fn role(facts: &Facts, object: &Object, service: Option<&Object>, ports: &[u16]) -> GatewayRole {
    let template = &object["spec"]["template"];
    let labels = &template["metadata"]["labels"];
    let labelled = |key: &str| labels[key].as_str().or_else(|| service.and_then(|service| service.label(key)));
    let class = labels[API_CLASS].as_str();
    let variables = |pod: &Value| {
        let environment = container(pod, "istio-proxy").and_then(|proxy| proxy["env"].as_array()).cloned();
        environment.into_iter().flatten().any(|one| {
            one["name"] == "ISTIO_META_REQUESTED_NETWORK_VIEW"
                && one["value"].as_str().is_some_and(|view| !view.is_empty())
        })
    };
    let view = variables(template) || facts.pods_of(object).any(|pod| variables(pod));
    let named_network = service.is_some_and(|service| service.label(NETWORK).is_some());
    if class == Some("istio-east-west") || view || ports.contains(&PASSTHROUGH) || named_network {
        return GatewayRole::EastWest;
    }
    let is_egress = labelled("istio").is_some_and(|value| value.contains("egress")) || object.name().contains("egress");
    let reachable = service.is_some_and(|service| service["spec"]["type"] == "LoadBalancer");
    if is_egress && !reachable { GatewayRole::Egress } else { GatewayRole::Ingress }
}
