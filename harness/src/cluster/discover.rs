//! Finds the gateways and the monitoring of a cluster, so that scenarios need no addresses.

use serde_json::Value;

use super::{AccessError, Cluster, ForwardTarget, Object, WorkloadKind, encode};
use crate::format::{Gateway, GatewayRole, MonitoringPlace, MonitoringSpec};

/// An HTTP endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// A base URL without a path.
    Url(String),
    /// A port-forward through the API server, and the path before those of the API; empty for most.
    Forward(ForwardTarget, String),
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Url(url) => f.write_str(url),
            Self::Forward(target, prefix) => write!(f, "forward/{target}{prefix}"),
        }
    }
}

/// The endpoint of a monitoring API, and the credentials and TLS options of the mesh file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MonitoringEndpoint {
    /// Where it is.
    pub endpoint: Endpoint,
    /// Its entry in the mesh file; without credentials where it was discovered.
    pub spec: MonitoringSpec,
}

impl From<Endpoint> for MonitoringEndpoint {
    fn from(endpoint: Endpoint) -> Self {
        Self { endpoint, spec: MonitoringSpec::default() }
    }
}

/// Selects the Services of ingress gateways by the labels that istioctl and the Helm chart set.
const INGRESS: &str = "istio in (ingressgateway,ingress)";
/// Selects the Services of east-west gateways: they have a network label.
const EAST_WEST: &str = "topology.istio.io/network";

/// The annotation of a Service that this machine reaches at another address, such as through a tunnel or a loopback port:
/// a URL, or `host:port`.
pub(crate) const RUNNER_ADDRESS: &str = "meshdrill.io/runner-address";

fn runner_address(service: &Object) -> Option<&str> {
    service.annotation(RUNNER_ADDRESS).map(|address| address.trim_end_matches('/'))
}

/// The base URLs of a cluster's ingress gateway: every load-balancer address of its Services.
pub async fn discover_ingress(cluster: &Cluster, port: Option<u16>) -> Result<Vec<String>, AccessError> {
    if !cluster.spec.ingress.is_empty() {
        return Ok(cluster.spec.ingress.clone());
    }
    let services = ingress_services(cluster).await?;
    let found = services.iter().flat_map(|service| match runner_address(service) {
        Some(url) => vec![url.to_owned()],
        None => {
            let port = port.or_else(|| http_port(service));
            let url = |address: String| Some(format!("http://{}:{}", bracketed(&address), port?));
            addresses(service).into_iter().filter_map(url).collect()
        }
    });
    let found: Vec<String> = found.collect();
    if found.is_empty() {
        let what = if services.is_empty() {
            format!("no Service matches {INGRESS}")
        } else {
            format!("Service {} has no load-balancer address (pending?) or no HTTP port", names(&services))
        };
        return Err(cluster.other(format!(
            "no ingress gateway found: {what}; set clusters.{}.ingress in the mesh file",
            cluster.key
        )));
    }
    Ok(found)
}

/// `host:port` of a cluster's east-west gateways, as the runner reaches them.
pub async fn discover_east_west(cluster: &Cluster) -> Result<Vec<String>, AccessError> {
    if !cluster.spec.east_west.is_empty() {
        return Ok(cluster.spec.east_west.clone());
    }
    let services = east_west_services(cluster).await?;
    let found = services.iter().flat_map(|service| match runner_address(service) {
        Some(address) => vec![address.rsplit('/').next().unwrap_or(address).to_owned()],
        None => advertised(service),
    });
    Ok(found.collect())
}

/// `host:port` of a cluster's east-west gateways as their Services advertise it: what proxies of other clusters connect to,
/// even where the runner uses another address.
pub async fn advertised_east_west(cluster: &Cluster) -> Result<Vec<String>, AccessError> {
    let services = east_west_services(cluster).await?;
    Ok(services.iter().flat_map(advertised).collect())
}

fn advertised(service: &Object) -> Vec<String> {
    let port = advertised_port(service);
    addresses(service).into_iter().map(|address| format!("{}:{port}", bracketed(&address))).collect()
}

/// The port at which other clusters reach an east-west gateway, by the label of its Service; 15443 without it.
pub(crate) fn advertised_port(service: &Object) -> u16 {
    let advertised = service.label("networking.istio.io/gatewayPort");
    advertised.and_then(|port| port.parse().ok()).unwrap_or(15443)
}

/// The endpoints of a cluster's Prometheus, in the order in which they are tried.
pub async fn discover_prometheus(cluster: &Cluster) -> Result<Vec<MonitoringEndpoint>, AccessError> {
    monitoring(cluster, &cluster.spec.prometheus, "prometheus", 9090, &PROMETHEUS).await
}

/// The endpoints of a cluster's Alertmanager, in the order in which they are tried.
pub async fn discover_alertmanager(cluster: &Cluster) -> Result<Vec<MonitoringEndpoint>, AccessError> {
    monitoring(cluster, &cluster.spec.alertmanager, "alertmanager", 9093, &ALERTMANAGER).await
}

/// The places that the mesh file names; without any, those of the Service that is found.
async fn monitoring(
    cluster: &Cluster,
    places: &[MonitoringPlace],
    name: &str,
    port: u16,
    marks: &[Marks],
) -> Result<Vec<MonitoringEndpoint>, AccessError> {
    if !places.is_empty() {
        return named(cluster, places);
    }
    Ok(of_service(cluster, name, port, marks).await?.into_iter().map(MonitoringEndpoint::from).collect())
}

/// The endpoints that a mesh file names: URLs, or `forward/CLUSTER/NAMESPACE/service/NAME:PORT`.
fn named(cluster: &Cluster, places: &[MonitoringPlace]) -> Result<Vec<MonitoringEndpoint>, AccessError> {
    let endpoint = |place: &MonitoringPlace| {
        let spec = place.spec();
        let endpoint = match spec.url.strip_prefix("forward/") {
            Some(rest) => {
                let target = rest.parse().map_err(|why: String| cluster.other(why))?;
                Endpoint::Forward(target, String::new())
            }
            None => Endpoint::Url(spec.url.trim_end_matches('/').to_owned()),
        };
        Ok(MonitoringEndpoint { endpoint, spec })
    };
    places.iter().map(endpoint).collect()
}

/// Labels of a Service that has an API of this kind, its port, and the path before those of the API.
type Marks = (&'static [(&'static str, &'static str)], u16, &'static str);

/// How charts and operators label what answers the API of Prometheus: the chart prometheus, kube-prometheus-stack, the
/// operator, Thanos, Mimir, `VictoriaMetrics`.
const PROMETHEUS: [Marks; 9] = [
    (&[("app.kubernetes.io/name", "prometheus")], 9090, ""),
    (&[("app", "kube-prometheus-stack-prometheus")], 9090, ""),
    (&[("operated-prometheus", "true")], 9090, ""),
    (&[("app.kubernetes.io/name", "thanos-query")], 9090, ""),
    (&[("app.kubernetes.io/name", "thanos"), ("app.kubernetes.io/component", "query")], 9090, ""),
    (&[("app.kubernetes.io/name", "mimir"), ("app.kubernetes.io/component", "query-frontend")], 8080, "/prometheus"),
    (&[("app.kubernetes.io/name", "vmsingle")], 8429, ""),
    (&[("app.kubernetes.io/name", "victoria-metrics-single")], 8428, ""),
    (&[("app.kubernetes.io/name", "vmselect")], 8481, "/select/0/prometheus"),
];

/// The same for Alertmanager.
const ALERTMANAGER: [Marks; 4] = [
    (&[("app.kubernetes.io/name", "alertmanager")], 9093, ""),
    (&[("app", "kube-prometheus-stack-alertmanager")], 9093, ""),
    (&[("operated-alertmanager", "true")], 9093, ""),
    (&[("app.kubernetes.io/name", "vmalertmanager")], 9093, ""),
];

/// A Service found by its name or by the labels of a chart: URLs if it has addresses, else a port-forward.
async fn of_service(cluster: &Cluster, name: &str, port: u16, marks: &[Marks]) -> Result<Vec<Endpoint>, AccessError> {
    let all = cluster.list("/api/v1/services", None).await?;
    let by_name = all.iter().find(|service| service.name() == name).map(|service| (service, port, ""));
    let marked = |(labels, port, prefix): &Marks| {
        let has = |service: &&Object| labels.iter().all(|(label, value)| service.label(label) == Some(value));
        all.iter().find(has).map(|service| (service, *port, *prefix))
    };
    let Some((service, port, prefix)) = by_name.or_else(|| marks.iter().find_map(marked)) else {
        return Err(cluster.other(format!(
            "no Service is named {name} or has the labels of its charts; set clusters.{}.{name} in the mesh file, to a URL or to forward/{}/NAMESPACE/service/NAME:PORT",
            cluster.key, cluster.key
        )));
    };
    let ports = service["spec"]["ports"].as_array().cloned().unwrap_or_default();
    let of_service = |one: &Value| one["port"].as_u64().and_then(|port| u16::try_from(port).ok());
    let port = ports
        .iter()
        .find_map(|one| of_service(one).filter(|found| *found == port))
        .or_else(|| ports.first().and_then(of_service))
        .unwrap_or(port);
    if let Some(url) = runner_address(service) {
        return Ok(vec![Endpoint::Url(format!("{url}{prefix}"))]);
    }
    let urls: Vec<Endpoint> = addresses(service)
        .iter()
        .map(|address| Endpoint::Url(format!("http://{}:{port}{prefix}", bracketed(address))))
        .collect();
    if !urls.is_empty() {
        return Ok(urls);
    }
    let target = ForwardTarget {
        cluster: cluster.key.clone(),
        namespace: service.namespace().to_owned(),
        kind: WorkloadKind::Service,
        name: service.name().to_owned(),
        port,
    };
    Ok(vec![Endpoint::Forward(target, prefix.to_owned())])
}

/// The Services of a cluster's ingress gateways: those of the inventory, or else those with the usual labels.
pub(crate) async fn ingress_services(cluster: &Cluster) -> Result<Vec<Object>, AccessError> {
    services_of(cluster, GatewayRole::Ingress, INGRESS).await
}

/// The Services of a cluster's east-west gateways, found as those of ingress gateways are.
pub(crate) async fn east_west_services(cluster: &Cluster) -> Result<Vec<Object>, AccessError> {
    services_of(cluster, GatewayRole::EastWest, EAST_WEST).await
}

async fn services_of(cluster: &Cluster, role: GatewayRole, selector: &str) -> Result<Vec<Object>, AccessError> {
    if cluster.gateways.is_empty() {
        return services(cluster, selector).await;
    }
    let mut found = Vec::new();
    for gateway in cluster.gateways.values().filter(|gateway| gateway.role == role) {
        found.extend(gateway_service(cluster, gateway).await?);
    }
    Ok(found)
}

/// The Service of a gateway; none if it has none, or if that does not exist.
pub(crate) async fn gateway_service(cluster: &Cluster, gateway: &Gateway) -> Result<Option<Object>, AccessError> {
    let Some(name) = &gateway.service else { return Ok(None) };
    cluster.find(&format!("/api/v1/namespaces/{}/services/{}", encode(&gateway.namespace), encode(name))).await
}

/// `host:port` of a gateway at one of its ports, at every address: those of its Service, or without them those of the nodes
/// on which it runs.
pub(crate) async fn gateway_addresses(
    cluster: &Cluster,
    gateway: &Gateway,
    port: u16,
) -> Result<Vec<String>, AccessError> {
    let Some(service) = gateway_service(cluster, gateway).await? else {
        return host_addresses(cluster, gateway, port).await;
    };
    if let Some(url) = runner_address(&service) {
        let address = url.split_once("://").map_or(url, |(_, address)| address);
        return Ok(vec![address.to_owned()]);
    }
    let found = addresses(&service);
    if found.is_empty() {
        let ports = service["spec"]["ports"].as_array().into_iter().flatten();
        let node_port = ports.filter(|one| one["port"] == port).find_map(|one| one["nodePort"].as_u64());
        return match node_port.and_then(|port| u16::try_from(port).ok()) {
            Some(node_port) if service["spec"]["type"] == "NodePort" => node_addresses(cluster, node_port).await,
            _ => Ok(Vec::new()),
        };
    }
    Ok(found.iter().map(|address| format!("{}:{port}", bracketed(address))).collect())
}

/// A node port at every address of every node.
async fn node_addresses(cluster: &Cluster, port: u16) -> Result<Vec<String>, AccessError> {
    let nodes = cluster.list("/api/v1/nodes", None).await?;
    let all = nodes.iter().flat_map(|node| addresses_of_node(node));
    Ok(all.map(|address| format!("{}:{port}", bracketed(&address))).collect())
}

/// The external addresses of a node, of both families; without one, the internal ones.
fn addresses_of_node(node: &Value) -> Vec<String> {
    let all = node["status"]["addresses"].as_array();
    let of = |kind: &str| -> Vec<String> {
        let found = all.into_iter().flatten().filter(|one| one["type"] == kind);
        found.filter_map(|one| one["address"].as_str().map(str::to_owned)).collect()
    };
    let external = of("ExternalIP");
    if external.is_empty() { of("InternalIP") } else { external }
}

/// The addresses of pods on the network of their nodes.
async fn host_addresses(cluster: &Cluster, gateway: &Gateway, port: u16) -> Result<Vec<String>, AccessError> {
    let path = format!("/api/v1/namespaces/{}/pods", encode(&gateway.namespace));
    let pods = cluster.list(&path, Some(gateway.selector.as_str())).await?;
    let on_host = pods.iter().filter(|pod| pod["spec"]["hostNetwork"] == true);
    let all = on_host.flat_map(|pod| host_addresses_of_pod(pod));
    let mut found: Vec<String> = all.map(|ip| format!("{}:{port}", bracketed(&ip))).collect();
    found.sort();
    found.dedup();
    Ok(found)
}

/// The addresses of a pod's node, of both families.
fn host_addresses_of_pod(pod: &Value) -> Vec<String> {
    let status = &pod["status"];
    let all = status["hostIPs"].as_array().into_iter().flatten().map(|one| &one["ip"]);
    let mut found: Vec<String> = Vec::new();
    for ip in all.chain([&status["hostIP"]]).filter_map(Value::as_str) {
        if !found.iter().any(|known| known == ip) {
            found.push(ip.to_owned());
        }
    }
    found
}

/// The Services of a cluster's gateways, each once, whether they were installed by istioctl, Helm or the Gateway API.
pub async fn gateway_services(cluster: &Cluster) -> Result<Vec<Object>, AccessError> {
    let mut found: Vec<Object> = Vec::new();
    for gateway in cluster.gateways.values() {
        found.extend(gateway_service(cluster, gateway).await?);
    }
    for selector in [INGRESS, EAST_WEST, "gateway.networking.k8s.io/gateway-name"] {
        let more = services(cluster, selector).await?;
        found.extend(more.into_iter().filter(|one| !found.contains(one)).collect::<Vec<_>>());
    }
    Ok(found)
}

async fn services(cluster: &Cluster, selector: &str) -> Result<Vec<Object>, AccessError> {
    cluster.list("/api/v1/services", Some(selector)).await
}

/// Every load-balancer address: IP or host name; without one, the external IPs of the Service.
fn addresses(service: &Object) -> Vec<String> {
    let ingress = service["status"]["loadBalancer"]["ingress"].as_array();
    let address = |entry: &Value| entry["ip"].as_str().or_else(|| entry["hostname"].as_str()).map(str::to_owned);
    let balanced: Vec<String> = ingress.into_iter().flatten().filter_map(address).collect();
    if !balanced.is_empty() {
        return balanced;
    }
    let external = service["spec"]["externalIPs"].as_array().into_iter().flatten();
    external.filter_map(|address| address.as_str().map(str::to_owned)).collect()
}

fn http_port(service: &Object) -> Option<u16> {
    let ports = service["spec"]["ports"].as_array()?;
    let named = |one: &&Value| {
        one["port"] == 80
            || one["name"].as_str().is_some_and(|name| name.starts_with("http") && !name.starts_with("https"))
    };
    ports.iter().find(named).and_then(|one| u16::try_from(one["port"].as_u64()?).ok())
}

fn bracketed(address: &str) -> String {
    if address.contains(':') { format!("[{address}]") } else { address.to_owned() }
}

fn names(services: &[Object]) -> String {
    services.iter().map(Object::name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nodes_and_their_pods_have_addresses_of_both_families() {
        let address = |kind: &str, address: &str| json!({ "type": kind, "address": address });
        let internal = [address("InternalIP", "10.0.0.7"), address("InternalIP", "fd00::7"), address("Hostname", "a")];
        let node = |all: &[Value]| addresses_of_node(&json!({ "status": { "addresses": all } }));
        assert_eq!(node(&internal), ["10.0.0.7", "fd00::7"]);
        let external = [address("ExternalIP", "192.0.2.7"), address("ExternalIP", "2001:db8::7")];
        assert_eq!(node(&[&internal[..], &external].concat()), ["192.0.2.7", "2001:db8::7"]);
        assert!(node(&[]).is_empty());
        let pod = json!({ "status": { "hostIP": "10.0.0.7", "hostIPs": [{ "ip": "10.0.0.7" }, { "ip": "fd00::7" }] } });
        assert_eq!(host_addresses_of_pod(&pod), ["10.0.0.7", "fd00::7"]);
        assert_eq!(host_addresses_of_pod(&json!({ "status": { "hostIP": "10.0.0.7" } })), ["10.0.0.7"]);
    }

    #[test]
    fn an_entry_of_a_load_balancer_may_have_an_address_and_a_name() {
        let service = json!({ "status": { "loadBalancer": { "ingress": [{ "ip": "192.0.2.1" }, { "hostname": "lb.example" }] } } });
        assert_eq!(addresses(&Object::from(service)), ["192.0.2.1", "lb.example"]);
    }
}
