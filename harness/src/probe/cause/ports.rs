//! Wrong ports: from routes to Services, and from Services to their pods.

use std::collections::BTreeSet;
use std::ops::Range;

use futures::future::join_all;
use meshdrill_checks::observe::kube::{Port, Service};
use meshdrill_checks::observe::routing::{configured_host, has_routes, hosts, is_for_sidecars, named_ports};
use serde_json::Value;

use super::service::find;
use super::{SHOWN, objects};
use crate::cluster::{Cluster, Object};

/// Ports on which proxies listen in their pods, declared or not.
const OF_PROXIES: Range<u64> = 15_000..15_100;

/// What is wrong with the ports of the Services in these namespaces, and with the ports that routes name.
pub(super) async fn port_causes(cluster: &Cluster, routes: &[&Object], namespaces: &BTreeSet<String>) -> Vec<String> {
    let found = namespaces.iter().map(|namespace| async move {
        let of = |kind: &str| format!("/api/v1/namespaces/{namespace}/{kind}");
        let (services, pods) = (of("services"), of("pods"));
        let (services, pods) = tokio::join!(objects(cluster, &services, None), objects(cluster, &pods, None));
        let (services, pods) = (services.unwrap_or_default(), pods.unwrap_or_default());
        services
            .iter()
            .filter_map(|service| Service::read(service).ok())
            .flat_map(|service| misfit(&service, routes, &pods))
            .collect::<Vec<_>>()
    });
    let found: Vec<String> = join_all(found).await.concat();
    found.into_iter().take(SHOWN).map(|what| format!("{what} ({})", cluster.key)).collect()
}

/// Reports a Service that names a port differently in two clusters: proxies match endpoints of other clusters by port name.
pub(super) async fn port_name_cause(at: &Cluster, other: &Cluster, namespace: &str, name: &str) -> Option<String> {
    let (here, there) = tokio::join!(find(at, namespace, name), find(other, namespace, name));
    let (here, there) = (here.ok()?, there.ok()?);
    let (here, there) = (Service::read(&here).ok()?, Service::read(&there).ok()?);
    let differs = |port: &Port| {
        there.port(port.port).filter(|other| other.name != port.name).map(|other| (port.clone(), other.clone()))
    };
    let (own, its) = here.ports.iter().find_map(differs)?;
    Some(format!(
        "Service {namespace}/{name} calls port {} `{}` in {} and `{}` in {}; endpoints of the other cluster match only by that name",
        own.port, own.name, at.key, its.name, other.key
    ))
}

/// What is wrong with the ports of one Service.
fn misfit(service: &Service, routes: &[&Object], pods: &[Object]) -> Vec<String> {
    if service.kind == "ExternalName" {
        return Vec::new();
    }
    let mut causes = unknown(service, routes);
    causes.extend(opaque(service, routes));
    causes.extend(undeclared(service, pods));
    causes
}

/// Reports routes to ports that a Service does not have.
fn unknown(service: &Service, routes: &[&Object]) -> Vec<String> {
    let Service { namespace, name, .. } = service;
    let own = configured_host(name, namespace);
    let named = routes.iter().flat_map(|route| named_ports(route).into_iter().map(move |to| (route, to)));
    let wrong = named.filter(|(_, (host, port))| *host == own && service.port(*port).is_none());
    let messages = wrong.map(|(route, (_, port))| {
        let route = route.object_ref();
        format!("VirtualService {route} leads to port {port} of Service {namespace}/{name}, which has no such port")
    });
    messages.collect()
}

/// Reports a Service without an HTTP port, though sidecars have HTTP routes for it.
fn opaque(service: &Service, routes: &[&Object]) -> Option<String> {
    let Service { namespace, name, .. } = service;
    let own = configured_host(name, namespace);
    let counts = |route: &&&Object| is_for_sidecars(route) && has_routes(route, "http") && hosts(route).contains(&own);
    let route = routes.iter().find(counts)?.object_ref();
    let ports = service.ports.iter().filter(|port| port.protocol == "TCP");
    let declared: Vec<String> =
        ports.map(|port| Some(format!("port {} as {}", port.port, port.opaque()?))).collect::<Option<_>>()?;
    let declared = Some(declared.join(", ")).filter(|declared| !declared.is_empty())?;
    Some(format!(
        "Service {namespace}/{name} declares {declared}, so the HTTP routes of VirtualService {route} do not apply"
    ))
}

/// Reports target ports that no container of the pods declares. A missing name is always wrong; a missing number only where
/// the pods declare ports and the Service leads to none of them.
fn undeclared(service: &Service, pods: &[Object]) -> Vec<String> {
    let Service { namespace, name, selector, .. } = service;
    let selected = |pod: &&Object| {
        let labels = &pod.labels();
        !selector.is_empty() && selector.iter().all(|(key, value)| labels[key] == value.as_str())
    };
    let pods: Vec<&Object> = pods.iter().filter(selected).collect();
    let of = |kind: &'static str| pods.iter().flat_map(move |pod| pod["spec"][kind].as_array().into_iter().flatten());
    let sidecars = of("initContainers").filter(|container| container["restartPolicy"] == "Always");
    let containers: Vec<&Value> = of("containers").chain(sidecars).collect();
    let ports = containers.iter().map(|container| container["ports"].as_array().into_iter().flatten());
    let declared: Vec<&Value> = ports.flatten().collect();
    let leads = |port: &Port, to: &Value| {
        to["name"] == port.target.as_str()
            || to["containerPort"].as_u64().is_some_and(|own| own.to_string() == port.target)
    };
    // The ports of a proxy show nothing about the application's.
    let own = |to: &Value| to["containerPort"].as_u64().is_some_and(|own| !OF_PROXIES.contains(&own));
    let some_fit = service.ports.iter().any(|port| declared.iter().any(|to| own(to) && leads(port, to)));
    let may_guess = declared.iter().any(|to| own(to)) && !some_fit && !service.cluster_ips.is_empty();
    let missed = service.ports.iter().filter(|port| !declared.iter().any(|to| leads(port, to)));
    let missed = missed.filter(|port| match port.target.parse().ok() {
        Some(number) => may_guess && !OF_PROXIES.contains(&number),
        None => !containers.is_empty(),
    });
    let messages = missed.map(|port| {
        format!(
            "Service {namespace}/{name} leads port {} to port {}, which no container of its pods declares",
            port.port, port.target
        )
    });
    messages.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn service(ports: &Value) -> Service {
        Service::read(&json!({ "metadata": { "namespace": "shop", "name": "cart" },
            "spec": { "clusterIP": "10.0.0.1", "selector": { "app": "cart" }, "ports": ports } }))
        .unwrap()
    }

    fn pods(ports: &Value) -> [Object; 2] {
        let proxy = json!({ "name": "istio-proxy", "restartPolicy": "Always", "ports": [{ "containerPort": 15090, "name": "http-envoy-prom" }] });
        [
            json!({ "metadata": { "labels": { "app": "cart", "version": "v1" } },
                "spec": { "initContainers": [proxy], "containers": [{ "name": "cart", "ports": ports }] } }),
            json!({ "metadata": { "labels": { "app": "other" } },
                "spec": { "containers": [{ "name": "other", "ports": [{ "containerPort": 9999 }] }] } }),
        ]
        .map(Object::from)
    }

    #[test]
    fn a_service_leads_to_ports_that_its_pods_declare() {
        let causes = |target: Value, declared: &Value| {
            !undeclared(&service(&json!([{ "port": 80, "targetPort": target }])), &pods(declared)).is_empty()
        };
        let declared = json!([{ "containerPort": 9080, "name": "http" }]);
        assert!(causes(json!(9999), &declared) && causes(json!("web"), &declared));
        assert!(!causes(json!(9080), &declared) && !causes(json!("http"), &declared));
        assert!(!causes(json!(9999), &json!([])), "who declares nothing may listen anywhere");
        assert!(causes(json!("web"), &json!([])), "a name leads nowhere");
        assert!(!causes(json!("http-envoy-prom"), &declared) && !causes(json!(15020), &declared));
        let both = service(&json!([{ "port": 80, "targetPort": 9080 }, { "port": 81, "targetPort": 9081 }]));
        assert!(undeclared(&both, &pods(&declared)).is_empty(), "not all ports must be declared");
        assert!(undeclared(&both, &[]).is_empty(), "no pods are another matter");
    }

    #[test]
    fn http_routes_count_at_some_ports_only() {
        let route = json!({ "metadata": { "namespace": "shop", "name": "split" },
            "spec": { "hosts": ["cart"], "http": [{ "route": [{ "destination": { "host": "cart", "port": { "number": 81 } } }] }] } });
        let route = Object::from(route);
        let causes = |ports: Value| opaque(&service(&ports), &[&route]);
        let tcp = json!({ "name": "tcp-cart", "port": 80 });
        assert_eq!(
            causes(json!([tcp])).unwrap(),
            "Service shop/cart declares port 80 as tcp, so the HTTP routes of VirtualService shop/split do not apply"
        );
        assert_eq!(causes(json!([tcp, { "name": "http", "port": 81 }])), None, "they may be for the other");
        assert_eq!(causes(json!([])), None);
        let streams =
            json!({ "metadata": { "namespace": "shop", "name": "tcp" }, "spec": { "hosts": ["cart"], "http": [] } });
        assert_eq!(opaque(&service(&json!([tcp])), &[&streams.into()]), None);
        assert_eq!(
            unknown(&service(&json!([tcp])), &[&route]),
            ["VirtualService shop/split leads to port 81 of Service shop/cart, which has no such port"]
        );
        assert!(unknown(&service(&json!([{ "port": 81 }])), &[&route]).is_empty());
    }
}
