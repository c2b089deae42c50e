//! Entry points: hosts and paths that ingress gateways serve, by Istio's routes or by the Gateway API, and what they answer.

use std::collections::BTreeMap;

use futures::future::join_all;
use indexmap::IndexMap;
use meshdrill_checks::observe::gateways::Gateway as IstioGateway;
use meshdrill_checks::observe::routing::{destinations, matches_host, service_of};
use serde_json::Value;

use super::facts::{Facts, leads_to};
use super::merge::{Sighting, merged};
use crate::cluster::{Object, World};
use crate::format::{ClusterChoice, Entrypoint, EntrypointExpect, Gateway, GatewayRole, Inventory};
use crate::probe::ask_entrypoint;

/// How many paths of one host and route are tried, and how many of them become entry points.
const TRIED: usize = 4;
const KEPT: usize = 2;

/// A listener of a gateway that takes HTTP.
struct Listener<'a> {
    /// The gateway of the inventory.
    gateway: &'a str,
    /// The port of its Service.
    port: u16,
    tls: bool,
    hosts: Vec<String>,
}

/// What may be asked, before anything was: one entry per host and path of a route.
pub(super) fn candidates(facts: &[Facts], inventory: &Inventory) -> IndexMap<String, Entrypoint> {
    let keys: Vec<String> = facts.iter().map(|facts| facts.key.clone()).collect();
    let mut sightings = Vec::new();
    for facts in facts {
        let here: Vec<(&String, &Gateway)> = inventory
            .gateways
            .iter()
            .filter(|(_, gateway)| gateway.role == GatewayRole::Ingress && gateway.clusters.includes(&facts.key, &keys))
            .collect();
        let mut found = of_istio(facts, &here);
        found.extend(of_gateway_api(facts, &here));
        let mut used: BTreeMap<String, usize> = BTreeMap::new();
        for (name, entry) in found {
            let count = used.entry(name.clone()).or_default();
            *count += 1;
            let name = if *count > 1 { format!("{name}-{count}") } else { name };
            sightings.push(Sighting { cluster: facts.key.clone(), name, value: entry });
        }
    }
    merged(sightings, &keys, |entry, clusters| Entrypoint { clusters, ..entry })
}

fn of_istio(facts: &Facts, here: &[(&String, &Gateway)]) -> Vec<(String, Entrypoint)> {
    let mut found = Vec::new();
    for object in &facts.gateways {
        let read = IstioGateway::read(object);
        let listeners: Vec<Listener<'_>> = here
            .iter()
            .filter(|(_, gateway)| labels_of(facts, gateway).is_some_and(|labels| read.selects(&labels)))
            .flat_map(|(name, gateway)| servers(facts, object, name, gateway))
            .collect();
        let bound = facts.virtual_services.iter().filter(|route| read.is_bound(route));
        for route in bound {
            let place = format!("VirtualService {}/{}", route.namespace(), route.name());
            let written = strings(&route["spec"]["hosts"]);
            let paths = istio_paths(route);
            for listener in &listeners {
                for host in written.iter().flat_map(|host| hosts_at(host, &listener.hosts)) {
                    found.extend(entries(listener, route.name(), host.as_deref(), &paths, &place));
                }
            }
        }
    }
    found
}

/// The HTTP servers of an Istio `Gateway` at a gateway that it configures.
fn servers<'a>(facts: &Facts, object: &Object, name: &'a str, gateway: &Gateway) -> Vec<Listener<'a>> {
    let servers = object["spec"]["servers"].as_array().into_iter().flatten();
    let listener = |server: &Value| {
        let protocol = server["port"]["protocol"].as_str().unwrap_or_default().to_ascii_uppercase();
        let mode = server["tls"]["mode"].as_str();
        let tls = match (protocol.as_str(), mode) {
            ("HTTP" | "HTTP2", _) if server["tls"]["httpsRedirect"] != true => false,
            ("HTTPS", Some("SIMPLE" | "OPTIONAL_MUTUAL")) => true,
            _ => return None,
        };
        let number = u16::try_from(server["port"]["number"].as_u64()?).ok()?;
        let hosts = strings(&server["hosts"]);
        let hosts = hosts.into_iter().map(|host| host.rsplit('/').next().unwrap_or_default().to_owned()).collect();
        Some(Listener { gateway: name, port: service_port(facts, gateway, number), tls, hosts })
    };
    servers.filter_map(listener).collect()
}

/// The port of the Service that leads to a port of the proxy: that of the same number, or the one with that target.
fn service_port(facts: &Facts, gateway: &Gateway, number: u16) -> u16 {
    if gateway.ports.contains(&number) {
        return number;
    }
    let service = facts
        .services
        .iter()
        .find(|service| service.namespace() == gateway.namespace && Some(service.name()) == gateway.service.as_deref());
    let ports = service.and_then(|service| service["spec"]["ports"].as_array()).into_iter().flatten();
    let leading = ports.filter(|port| port["targetPort"] == number).find_map(|port| port["port"].as_u64());
    leading.and_then(|port| u16::try_from(port).ok()).unwrap_or(number)
}

fn labels_of(facts: &Facts, gateway: &Gateway) -> Option<BTreeMap<String, String>> {
    let name = gateway.workload.rsplit('/').next()?;
    let (_, workload) =
        facts.workloads.iter().find(|(_, object)| object.namespace() == gateway.namespace && object.name() == name)?;
    // Labels that injection adds are on the pods only.
    let pod =
        facts.pods_of(workload).next().map_or(&workload["spec"]["template"]["metadata"]["labels"], |pod| pod.labels());
    let labels = pod.as_object()?;
    Some(labels.iter().filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect())
}

/// The paths that a `VirtualService` has a route for, those of exact matches first. Routes for some headers or methods only
/// are left out.
fn istio_paths(route: &Value) -> Vec<String> {
    let (mut exact, mut prefixes) = (Vec::new(), Vec::new());
    for http in route["spec"]["http"].as_array().into_iter().flatten() {
        let matches = http["match"].as_array().filter(|all| !all.is_empty());
        let Some(matches) = matches else {
            prefixes.push("/".to_owned());
            continue;
        };
        for one in matches.iter().filter(|one| is_for_any_request(one)) {
            match (one["uri"]["exact"].as_str(), one["uri"]["prefix"].as_str()) {
                (Some(path), _) => exact.push(path.to_owned()),
                (_, Some(path)) => prefixes.push(path.to_owned()),
                (None, None) if one["uri"].is_null() => prefixes.push("/".to_owned()),
                (None, None) => {}
            }
        }
    }
    distinct(exact, prefixes)
}

fn is_for_any_request(one: &Value) -> bool {
    ["headers", "method", "queryParams", "scheme", "authority", "sourceLabels"].iter().all(|key| one[*key].is_null())
}

fn distinct(exact: Vec<String>, prefixes: Vec<String>) -> Vec<String> {
    let mut paths: Vec<String> = Vec::new();
    for path in exact.into_iter().chain(prefixes) {
        if path.starts_with('/') && !paths.contains(&path) {
            paths.push(path);
        }
    }
    paths.truncate(TRIED);
    paths
}

fn of_gateway_api(facts: &Facts, here: &[(&String, &Gateway)]) -> Vec<(String, Entrypoint)> {
    let mut found = Vec::new();
    for object in &facts.api_gateways {
        let Some((name, _)) = here.iter().find(|(_, gateway)| serves(object, gateway)) else { continue };
        for listener in object["spec"]["listeners"].as_array().into_iter().flatten() {
            let tls = match listener["protocol"].as_str() {
                Some("HTTP") => false,
                Some("HTTPS") if listener["tls"]["mode"] != "Passthrough" => true,
                _ => continue,
            };
            let Some(port) = listener["port"].as_u64().and_then(|port| u16::try_from(port).ok()) else { continue };
            let hosts =
                listener["hostname"].as_str().map_or_else(|| vec!["*".to_owned()], |host| vec![host.to_owned()]);
            let at = Listener { gateway: name, port, tls, hosts };
            let routes = facts.api_routes.iter().filter(|route| {
                route["kind"] == "HTTPRoute" && is_parent(route, object, listener["name"].as_str().unwrap_or_default())
            });
            for route in routes {
                let place = format!("HTTPRoute {}/{}", route.namespace(), route.name());
                let mut written = strings(&route["spec"]["hostnames"]);
                if written.is_empty() {
                    written.push("*".to_owned());
                }
                let paths = api_paths(route);
                for host in written.iter().flat_map(|host| hosts_at(host, &at.hosts)) {
                    found.extend(entries(&at, route.name(), host.as_deref(), &paths, &place));
                }
            }
        }
    }
    found
}

/// Whether a gateway was deployed for a Gateway, or that is attached to its Service by an address.
fn serves(object: &Object, gateway: &Gateway) -> bool {
    let deployed = gateway.deployed_for.as_deref() == Some(object.name()) && gateway.namespace == object.namespace();
    let addresses = object["spec"]["addresses"].as_array().into_iter().flatten();
    let host = format!("{}.{}.svc", gateway.service.as_deref().unwrap_or_default(), gateway.namespace);
    deployed || addresses.filter_map(|one| one["value"].as_str()).any(|value| value.starts_with(&host))
}

fn is_parent(route: &Object, gateway: &Object, section: &str) -> bool {
    let parents = route["spec"]["parentRefs"].as_array().into_iter().flatten();
    parents.into_iter().any(|parent| {
        parent["name"] == gateway.name()
            && parent["namespace"].as_str().unwrap_or_else(|| route.namespace()) == gateway.namespace()
            && parent["sectionName"].as_str().is_none_or(|name| name == section)
    })
}

fn api_paths(route: &Value) -> Vec<String> {
    let (mut exact, mut prefixes) = (Vec::new(), Vec::new());
    for rule in route["spec"]["rules"].as_array().into_iter().flatten() {
        let matches = rule["matches"].as_array().filter(|all| !all.is_empty());
        let Some(matches) = matches else {
            prefixes.push("/".to_owned());
            continue;
        };
        for one in
            matches.iter().filter(|one| ["headers", "method", "queryParams"].iter().all(|key| one[*key].is_null()))
        {
            let path = one["path"]["value"].as_str().unwrap_or("/").to_owned();
            match one["path"]["type"].as_str() {
                Some("Exact") => exact.push(path),
                Some("RegularExpression") => {}
                _ => prefixes.push(path),
            }
        }
    }
    distinct(exact, prefixes)
}

/// The hosts by which a route is reached at a listener: none stands for any. Any name is taken for a pattern.
fn hosts_at(route: &str, listener: &[String]) -> Vec<Option<String>> {
    let named = |host: &str| match host {
        "*" => None,
        host => Some(host.replace('*', "any")),
    };
    let meeting = listener.iter().filter_map(|pattern| {
        if matches_host(pattern, route) {
            Some(named(route))
        } else if matches_host(route, pattern) {
            Some(named(pattern))
        } else {
            None
        }
    });
    let mut hosts: Vec<Option<String>> = Vec::new();
    meeting.for_each(|host| {
        if !hosts.contains(&host) {
            hosts.push(host);
        }
    });
    hosts
}

fn entries(
    listener: &Listener<'_>,
    name: &str,
    host: Option<&str>,
    paths: &[String],
    place: &str,
) -> Vec<(String, Entrypoint)> {
    let default = if listener.tls { 443 } else { 80 };
    let entry = |path: &String| Entrypoint {
        gateway: listener.gateway.to_owned(),
        clusters: ClusterChoice::all(),
        host: host.map(str::to_owned),
        port: Some(listener.port).filter(|port| *port != default),
        tls: listener.tls,
        ca: None,
        sla: None,
        path: path.clone(),
        expect: EntrypointExpect::default(),
        route: Some(place.to_owned()),
    };
    paths.iter().map(|path| (name.to_owned(), entry(path))).collect()
}

fn strings(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(|one| Some(one.as_str()?.to_owned())).collect()
}

/// The workloads that routes lead to, by the Services that they name.
pub(super) fn first_hops(facts: &[Facts]) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    for facts in facts {
        let istio = facts.virtual_services.iter().flat_map(|route| {
            let place = format!("VirtualService {}/{}", route.namespace(), route.name());
            destinations(route).into_iter().filter_map(move |(host, _)| {
                let (namespace, name) = service_of(&host)?;
                Some((place.clone(), namespace.to_owned(), name.to_owned()))
            })
        });
        let api = facts.api_routes.iter().flat_map(|route| {
            let place = format!("HTTPRoute {}/{}", route.namespace(), route.name());
            let rules = route["spec"]["rules"].as_array().into_iter().flatten();
            rules.flat_map(|rule| rule["backendRefs"].as_array().into_iter().flatten()).map(move |backend| {
                let namespace = backend["namespace"].as_str().unwrap_or_else(|| route.namespace());
                (place.clone(), namespace.to_owned(), backend["name"].as_str().unwrap_or_default().to_owned())
            })
        });
        for (place, namespace, name) in istio.chain(api) {
            let Some(service) = facts.services.iter().find(|one| one.namespace() == namespace && one.name() == name)
            else {
                continue;
            };
            let behind = facts.pods.iter().filter(|pod| pod.namespace() == namespace && leads_to(service, pod));
            for pod in behind {
                if let Some((_, workload)) = facts.workload_of(pod) {
                    let hop = (place.clone(), format!("{}.{namespace}", workload.name()));
                    if !found.contains(&hop) {
                        found.push(hop);
                    }
                }
            }
        }
    }
    found
}

/// Asks every candidate once in every cluster that serves it, and keeps of each route and host what answers best. What answers
/// 404, 5xx or not at all is left for a person to confirm.
pub(super) async fn ask(world: &World, inventory: &mut Inventory) {
    let keys = world.keys();
    let asked = inventory.entrypoints.iter().map(|(name, entry)| {
        let clusters = inventory.clusters_of_entrypoint(entry, &keys);
        async move {
            let answers = clusters.iter().map(|key| ask_entrypoint(world, name, key));
            (name.clone(), one_answer(join_all(answers).await))
        }
    });
    let answers: BTreeMap<String, Result<u16, String>> = join_all(asked).await.into_iter().collect();
    let mut groups: IndexMap<_, Vec<(String, Entrypoint)>> = IndexMap::new();
    for (name, entry) in std::mem::take(&mut inventory.entrypoints) {
        let group = (entry.gateway.clone(), entry.host.clone(), entry.port(), entry.route.clone());
        groups.entry(group).or_default().push((name, entry));
    }
    for (_, mut entries) in groups {
        let rank = |name: &String| match answers.get(name) {
            Some(Ok(200..=299)) => 0,
            Some(Ok(300..=399)) => 1,
            Some(Ok(401 | 403 | 405)) => 2,
            Some(Ok(_)) => 3,
            _ => 4,
        };
        entries.sort_by_key(|(name, _)| rank(name));
        let good = entries.iter().filter(|(name, _)| rank(name) < 3).count();
        entries.truncate(good.clamp(1, KEPT));
        for (name, mut entry) in entries {
            if let Some(Ok(status)) = answers.get(&name) {
                entry.expect.status = *status;
            }
            if rank(&name) > 2 {
                inventory.unconfirmed.push(format!("entrypoints.{name}"));
            }
            inventory.entrypoints.insert(name, entry);
        }
    }
}

/// The status that all clusters answer with.
fn one_answer(answers: Vec<Result<u16, String>>) -> Result<u16, String> {
    let mut each = answers.into_iter();
    let first = each.next().unwrap_or_else(|| Err("no cluster serves it".to_owned()))?;
    each.try_fold(first, |first, next| match next? {
        same if same == first => Ok(first),
        other => Err(format!("one cluster answers {first} and another {other}")),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn hosts_of_a_route_meet_those_of_a_listener() {
        let at = |route: &str, listener: &[&str]| {
            hosts_at(route, &listener.iter().map(|host| (*host).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(at("*", &["*"]), [None]);
        assert_eq!(at("a.example", &["*"]), [Some("a.example".to_owned())]);
        assert_eq!(at("*", &["a.example", "b.example"]).len(), 2);
        assert_eq!(at("*.example", &["*"]), [Some("any.example".to_owned())]);
        assert_eq!(at("a.example", &["b.example"]), Vec::<Option<String>>::new());
    }

    #[test]
    fn paths_of_exact_matches_come_first_and_conditions_are_left_out() {
        let route = json!({ "spec": { "http": [
            { "match": [{ "uri": { "prefix": "/api" } }, { "uri": { "exact": "/page" } }] },
            { "match": [{ "uri": { "exact": "/beta" }, "headers": { "x": { "exact": "1" } } }] },
            { "route": [] }] } });
        assert_eq!(istio_paths(&route), ["/page", "/api", "/"]);
        let route = json!({ "spec": { "rules": [{ "matches": [{ "path": { "type": "PathPrefix", "value": "/shop" } }] }, {}] } });
        assert_eq!(api_paths(&route), ["/shop", "/"]);
    }

    #[test]
    fn clusters_that_answer_differently_are_no_answer() {
        assert_eq!(one_answer(vec![Ok(200), Ok(200)]), Ok(200));
        assert!(one_answer(vec![Ok(200), Ok(503)]).is_err());
        assert!(one_answer(vec![Ok(200), Err("refused".to_owned())]).is_err() && one_answer(Vec::new()).is_err());
    }
}
