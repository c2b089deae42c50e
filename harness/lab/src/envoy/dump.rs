//! `/config_dump`, `/server_info`, `/listeners` and `/certs`: the parts a harness reads.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::clusters::{ShownCluster, shown};
use super::format::pretty;
use crate::api::query::Query;
use crate::clock;
use crate::kube::service_port::target_port;
use crate::mesh::control;
use crate::mesh::snapshot::{Server, Snapshot, upstream_name};
use crate::mesh::virtual_service::{Destination, Route};
use crate::store::selector::Selector;
use crate::store::{object, resources};
use crate::world::{Pod, World};

const VERSION: &str = "9e5580933739775e8bce696a57a2e1bc99368f23/1.36.3/Clean/RELEASE/BoringSSL";

fn node(world: &World, cluster: usize, pod: &Pod) -> Value {
    let (here, ident) = (&world.clusters[cluster], &world.clusters[cluster].ident);
    let kind = if pod.gateway() { "router" } else { "sidecar" };
    let ip = pod.ip.map(|ip| ip.to_string()).unwrap_or_default();
    let mut metadata = json!({"ISTIO_VERSION": control::version(here, pod), "NAMESPACE": pod.namespace, "NAME": pod.name, "LABELS": pod.labels});
    // What the environment of the proxy tells the agent.
    let object = world.pod_object(cluster, &pod.uid);
    let lists = ["/spec/containers", "/spec/initContainers"].into_iter();
    let containers = object.into_iter().flat_map(|object| lists.clone().flat_map(|list| object::items(object, list)));
    for one in
        containers.filter(|one| object::text(one, "/name") == "istio-proxy").flat_map(|one| object::items(one, "/env"))
    {
        if let (Some(name), Some(value)) = (object::text(one, "/name").strip_prefix("ISTIO_META_"), one.get("value")) {
            metadata[name] = value.clone();
        }
    }
    json!({"id": format!("{kind}~{ip}~{}.{}~{}.svc.cluster.local", pod.name, pod.namespace, pod.namespace),
        "cluster": format!("{}.{}", pod.label("app"), pod.namespace),
        "metadata": metadata,
        "locality": {"region": ident.region, "zone": ident.zone}, "user_agent_name": "envoy"})
}

/// `/server_info`.
pub(super) fn server_info(world: &World, cluster: usize, pod: &Pod) -> Value {
    let up = (world.now - pod.started) / 1000;
    let state = if pod.terminating() {
        "DRAINING"
    } else if pod.proxy.as_ref().is_some_and(|p| p.snapshot.is_some()) {
        "LIVE"
    } else {
        "PRE_INITIALIZING"
    };
    json!({"version": VERSION, "state": state, "uptime_current_epoch": format!("{up}s"), "uptime_all_epochs": format!("{up}s"),
        "hot_restart_version": "11.104", "command_line_options": {"concurrency": 2, "config_path": "etc/istio/proxy/envoy-rev.json"}, "node": node(world, cluster, pod)})
}

/// `/listeners`.
pub(super) fn listeners(world: &World, cluster: usize, pod: &Pod) -> Value {
    let mut ports: Vec<(String, u16)> = vec![("0.0.0.0_15021".into(), 15021), ("0.0.0.0_15090".into(), 15090)];
    if pod.gateway() {
        let servers =
            pod.proxy.as_ref().and_then(|p| p.snapshot.as_ref()).map(|s| s.servers.clone()).unwrap_or_default();
        for server in servers.iter().filter(|s| s.selector.matches(Some(&pod.labels))) {
            let port = bound_port(world, cluster, pod, server.port);
            ports.push((format!("0.0.0.0_{port}"), port));
        }
    } else {
        ports.extend([("virtualOutbound".into(), 15001), ("virtualInbound".into(), 15006)]);
        ports.extend(near_ports(pod).into_iter().map(|port| (format!("0.0.0.0_{port}"), port)));
    }
    let list: Vec<Value> = ports
        .iter()
        .map(|(name, port)| json!({"name": name, "local_address": {"socket_address": {"address": "0.0.0.0", "port_value": port}}}))
        .collect();
    json!({"listener_statuses": list})
}

/// The port of the pod on which a gateway serves a port of its Service.
fn bound_port(world: &World, cluster: usize, pod: &Pod, number: u16) -> u16 {
    let mut services = world.clusters[cluster].store.list(resources::services(), Some(&pod.namespace));
    let target = services.find_map(|service| {
        let map = service.pointer("/spec/selector").filter(|map| map.is_object())?;
        let own = Selector::map(Some(map)).matches(Some(&pod.labels));
        let mut ports = object::items(service, "/spec/ports").iter().filter(|_| own);
        ports.find(|port| object::int(port, "/port") == Some(number.into())).map(target_port)
    });
    target.unwrap_or(if number == 80 { 8080 } else { number })
}

/// The ports of the Services in the namespace of a pod.
fn near_ports(pod: &Pod) -> BTreeSet<u16> {
    let Some(snapshot) = pod.proxy.as_ref().and_then(|p| p.snapshot.as_ref()) else { return BTreeSet::new() };
    let near = |host: &str| host.split('.').nth(1) == Some(pod.namespace.as_str());
    snapshot.hosts.iter().filter(|(host, _)| near(host)).flat_map(|(_, ports)| ports.iter().copied()).collect()
}

/// `/certs`.
pub(super) fn certs(world: &World, cluster: usize) -> Value {
    let valid = json!({"valid_from": world.dates.seconds(-3_600_000), "expiration_time": world.dates.seconds(82_800_000), "days_until_expiration": "0"});
    let root = world.clusters[cluster]
        .store
        .get(resources::secrets(), control::root_namespace(&world.clusters[cluster].store), "cacerts")
        .map(|s| crate::rng::hash_name(object::text(s, "/data/root-cert.pem"), 32));
    json!({"certificates": [{"ca_cert": [{"path": "<inline>", "serial_number": root, "days_until_expiration": "3650"}], "cert_chain": [valid]}]})
}

/// `/config_dump`, filtered by `resource`, with endpoints if `include_eds` is set.
pub(super) fn config(world: &World, cluster: usize, pod: &Pod, query: &Query) -> String {
    let resource = query.get("resource").unwrap_or("");
    let eds = query.get("include_eds").is_some();
    let dynamic = shown(cluster, pod, None);
    let clusters: Vec<Value> = dynamic
        .iter()
        .map(|s| {
            let mut here = json!({"@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", "name": s.name, "type": "EDS",
                "eds_cluster_config": {"eds_config": {"ads": {}}, "service_name": s.name}, "connect_timeout": "10s", "lb_policy": "LEAST_REQUEST"});
            if let Some(o) = s.upstream.policy.outlier {
                here["outlier_detection"] = json!({"consecutive_5xx": o.consecutive, "interval": format!("{}s", o.interval / 1000),
                    "base_ejection_time": format!("{}s", o.base / 1000), "max_ejection_percent": o.max_percent});
            }
            if !s.upstream.policy.rule.is_empty() {
                let (namespace, name) = s.upstream.policy.rule.split_once('/').unwrap_or_default();
                here["metadata"] = json!({"filter_metadata": {"istio": {"config": format!("/apis/networking.istio.io/v1/namespaces/{namespace}/destination-rule/{name}")}}});
            }
            json!({"version_info": version(pod), "cluster": here})
        })
        .collect();
    let endpoints: Vec<Value> = dynamic.iter().map(assignment).collect();
    let routes = routes(world, cluster, pod);
    let admin = |what: &str| format!("type.googleapis.com/envoy.admin.v3.{what}");
    let bootstrap = json!({"@type": admin("BootstrapConfigDump"), "bootstrap": {"node": node(world, cluster, pod)}});
    // A named resource is dumped entry by entry, everything else in one dump per kind.
    let each = |kind: &str, list: Vec<Value>| -> Vec<Value> {
        let typed = |mut entry: Value| {
            let mut with = json!({"@type": admin(kind)});
            if let (Value::Object(with), Value::Object(entry)) = (&mut with, &mut entry) {
                with.append(entry);
            }
            with
        };
        list.into_iter().map(typed).collect()
    };
    let configs = match resource {
        "bootstrap" => vec![bootstrap],
        "dynamic_active_clusters" => each("ClustersConfigDump.DynamicCluster", clusters),
        "dynamic_endpoint_configs" if eds => each("EndpointsConfigDump.DynamicEndpointConfig", endpoints),
        "dynamic_route_configs" => each("RoutesConfigDump.DynamicRouteConfig", routes),
        "" => {
            let mut all = vec![
                bootstrap,
                json!({"@type": admin("ClustersConfigDump"), "version_info": version(pod), "dynamic_active_clusters": clusters}),
            ];
            if eds {
                all.push(json!({"@type": admin("EndpointsConfigDump"), "dynamic_endpoint_configs": endpoints}));
            }
            all.push(json!({"@type": admin("RoutesConfigDump"), "dynamic_route_configs": routes}));
            all
        }
        _ => Vec::new(),
    };
    if configs.is_empty() {
        return pretty(&json!({}));
    }
    pretty(&json!({"configs": configs}))
}

fn version(pod: &Pod) -> String {
    let snapshot = pod.proxy.as_ref().and_then(|p| p.snapshot.as_ref());
    format!("lab/{}", snapshot.map_or(0, |s| s.version))
}

/// Region, zone, weight, priority and endpoints of one locality.
type Group<'a> = (&'a str, &'a str, Option<u32>, u32, Vec<Value>);

fn assignment(s: &ShownCluster) -> Value {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for e in &s.endpoints {
        let lb = json!({"endpoint": {"address": {"socket_address": {"address": e.ip.to_string(), "port_value": e.port}}, "health_check_config": {}},
            "health_status": "HEALTHY", "load_balancing_weight": e.weight,
            "metadata": {"filter_metadata": {"istio": {"workload": e.workload}, "envoy.transport_socket_match": {"tlsMode": "istio"}}}});
        match groups.iter_mut().find(|g| g.0 == e.region && g.3 == e.priority) {
            Some(group) => group.4.push(lb),
            None => groups.push((e.region, &e.zone, e.share, e.priority, vec![lb])),
        }
    }
    let endpoints: Vec<Value> = groups
        .into_iter()
        .map(|(region, zone, share, priority, list)| {
            let weight = share.unwrap_or_else(|| u32::try_from(list.len()).unwrap_or(1));
            let mut group = json!({"locality": {"region": region, "zone": zone}, "lb_endpoints": list, "load_balancing_weight": weight});
            if priority > 0 {
                group["priority"] = json!(priority);
            }
            group
        })
        .collect();
    json!({"endpoint_config": {"@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment", "cluster_name": s.name,
        "endpoints": endpoints, "policy": {"overprovisioning_factor": 140}}})
}

fn routes(world: &World, cluster: usize, pod: &Pod) -> Vec<Value> {
    let Some(snapshot) = pod.proxy.as_ref().and_then(|p| p.snapshot.as_ref()) else { return Vec::new() };
    // The virtual hosts of each route configuration.
    let mut tables: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    if pod.gateway() {
        let serves = |s: &&Server| !s.passthrough && !s.tls && s.selector.matches(Some(&pod.labels));
        for server in snapshot.servers.iter().filter(serves) {
            let name = format!("http.{}", bound_port(world, cluster, pod, server.port));
            for host in server.hosts(&pod.namespace) {
                let routes: Vec<Value> =
                    server.routes_of_host(host, &pod.namespace).map(|r| route(snapshot, server.port, r)).collect();
                let host = json!({"name": format!("{host}:{}", server.port), "domains": [host], "routes": routes});
                tables.entry(name.clone()).or_default().push(host);
            }
        }
    } else {
        for host in snapshot.routed() {
            let Some(list) = snapshot.routes(host, &pod.namespace) else { continue };
            let port = snapshot.hosts.get(host).and_then(|p| p.first()).copied().unwrap_or(80);
            let routes: Vec<Value> = list.iter().map(|r| route(snapshot, port, r)).collect();
            let host = json!({"name": format!("{host}:{port}"), "domains": [host, host.split('.').next().unwrap_or(host)], "routes": routes});
            tables.entry(port.to_string()).or_default().push(host);
        }
        tables.values_mut().for_each(|hosts| hosts.sort_by_key(|h| h["name"].as_str().unwrap_or("").to_owned()));
    }
    let table = |(name, hosts): (String, Vec<Value>)| json!({"version_info": version(pod), "route_config": {"@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration", "name": name, "virtual_hosts": hosts}});
    tables.into_iter().map(table).collect()
}

fn route(snapshot: &Snapshot, port: u16, route: &Route) -> Value {
    let target = |d: &Destination| {
        // The port of the destination, else that of the request, else the only one.
        let known = snapshot.hosts.get(&d.host);
        let own = known
            .map_or(port, |ports| if ports.contains(&port) { port } else { ports.first().copied().unwrap_or(port) });
        upstream_name(d.port.unwrap_or(own), &d.subset, &d.host)
    };
    let weighted: Vec<Value> =
        route.destinations.iter().map(|d| json!({"name": target(d), "weight": d.weight})).collect();
    let mut action = if let [one] = route.destinations.as_slice() {
        json!({"cluster": target(one)})
    } else {
        json!({"weighted_clusters": {"clusters": weighted}})
    };
    action["timeout"] = json!(format!("{}s", clock::seconds(route.timeout.unwrap_or(0))));
    let r = &route.retries;
    let mut on = vec![];
    for (yes, word) in [(r.on_5xx, "5xx"), (r.on_reset, "reset"), (r.on_connect, "connect-failure")] {
        if yes {
            on.push(word);
        }
    }
    on.push("refused-stream");
    action["retry_policy"] = json!({"retry_on": on.join(","), "num_retries": r.attempts});
    if let Some(per_try) = r.per_try {
        action["retry_policy"]["per_try_timeout"] = json!(format!("{}s", clock::seconds(per_try)));
    }
    let (namespace, name) = &route.origin;
    let group = if route.kind == "http-route" { "gateway.networking.k8s.io" } else { "networking.istio.io" };
    let config = format!("/apis/{group}/v1/namespaces/{namespace}/{}/{name}", route.kind);
    let mut value = json!({"match": {"prefix": "/"}, "route": action, "metadata": {"filter_metadata": {"istio": {"config": config}}}});
    if !route.name.is_empty() {
        value["name"] = json!(route.name);
    }
    let fault = &route.fault;
    if fault.delay.is_some() || fault.abort.is_some() {
        let mut filter = json!({"@type": "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault"});
        if let Some((ms, share)) = fault.delay {
            filter["delay"] = json!({"fixed_delay": format!("{}s", clock::seconds(ms)), "percentage": {"numerator": (share * 1_000_000.0) as u64, "denominator": "MILLION"}});
        }
        if let Some((status, share)) = fault.abort {
            filter["abort"] = json!({"http_status": status, "percentage": {"numerator": (share * 1_000_000.0) as u64, "denominator": "MILLION"}});
        }
        value["typed_per_filter_config"] = json!({"envoy.filters.http.fault": filter});
    }
    value
}
