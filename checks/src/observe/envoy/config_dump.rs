//! Which mesh cluster each endpoint belongs to, as the control plane configured the proxy: `/config_dump?include_eds`.
//!
//! The fifth field of the endpoint metadata `istio.workload` is the Istio cluster id. It is there for pods and for
//! east-west gateways alike (`;;;;secondary-cluster`), and in neither form of `/clusters`.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use serde::Deserialize;

use super::json::JsonAddress;
use super::{Address, EnvoyError, dump};

/// What the control plane configured for one endpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EndpointInfo {
    /// Istio cluster ids; more than one only where one address stands for several, none where none was configured.
    pub clusters: Arc<BTreeSet<String>>,
    /// Names of the workloads behind it; empty for a gateway.
    pub workloads: Arc<BTreeSet<String>>,
    /// Whether the endpoint takes mutual TLS.
    pub tls: bool,
}

/// The endpoints of all EDS clusters of one proxy, by name of the load assignment and address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Endpoints {
    assignments: HashMap<String, BTreeMap<Address, EndpointInfo>>,
}

impl Endpoints {
    /// What was said about an address in an assignment, which has the name of its cluster's `eds_service_name`.
    pub fn get(&self, assignment: &str, address: &Address) -> Option<&EndpointInfo> {
        self.assignments.get(assignment)?.get(address)
    }

    /// All endpoints of one assignment; `None` if the proxy does not have it.
    pub fn of(&self, assignment: &str) -> Option<&BTreeMap<Address, EndpointInfo>> {
        self.assignments.get(assignment)
    }

    /// All assignments, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &BTreeMap<Address, EndpointInfo>)> {
        self.assignments.iter().map(|(name, endpoints)| (name.as_str(), endpoints))
    }

    /// Keeps equal names once: a large mesh has thousands of endpoints of few clusters.
    fn intern(&mut self) {
        let mut known: HashSet<Arc<BTreeSet<String>>> = HashSet::new();
        for info in self.assignments.values_mut().flat_map(BTreeMap::values_mut) {
            for names in [&mut info.clusters, &mut info.workloads] {
                match known.get(names) {
                    Some(equal) => *names = Arc::clone(equal),
                    None => drop(known.insert(Arc::clone(names))),
                }
            }
        }
    }

    /// Number of assignments.
    pub fn len(&self) -> usize {
        self.assignments.len()
    }

    /// Whether there is none: the dump was probably asked for without `include_eds`.
    pub fn is_empty(&self) -> bool {
        self.assignments.is_empty()
    }
}

/// Reads the dump, whole or of `resource=dynamic_endpoint_configs` alone.
pub fn parse(body: &[u8]) -> Result<Endpoints, EnvoyError> {
    let configs: Vec<Config<'_>> = dump::configs(body, "/config_dump?include_eds")?;
    let mut endpoints = Endpoints::default();
    for config in configs {
        let listed = config.dynamic_endpoint_configs.into_iter().chain(config.static_endpoint_configs);
        let listed = listed.map(|c| c.assignment).chain(config.alone);
        for assignment in listed {
            let known = endpoints.assignments.entry(assignment.cluster_name.into_owned()).or_default();
            for endpoint in assignment.endpoints.into_iter().flat_map(|locality| locality.lb_endpoints) {
                endpoint.note(known);
            }
        }
    }
    endpoints.intern();
    Ok(endpoints)
}

/// Any configuration; only those of endpoints have these fields.
#[derive(Deserialize)]
struct Config<'a> {
    #[serde(borrow, default)]
    dynamic_endpoint_configs: Vec<EndpointConfig<'a>>,
    #[serde(borrow, default)]
    static_endpoint_configs: Vec<EndpointConfig<'a>>,
    #[serde(borrow, rename = "endpoint_config")]
    alone: Option<Assignment<'a>>,
}

#[derive(Deserialize)]
struct EndpointConfig<'a> {
    #[serde(borrow, rename = "endpoint_config")]
    assignment: Assignment<'a>,
}

#[derive(Deserialize)]
struct Assignment<'a> {
    #[serde(borrow, default)]
    cluster_name: Cow<'a, str>,
    #[serde(borrow, default)]
    endpoints: Vec<LocalityEndpoints<'a>>,
}

#[derive(Deserialize)]
struct LocalityEndpoints<'a> {
    #[serde(borrow, default)]
    lb_endpoints: Vec<LbEndpoint<'a>>,
}

#[derive(Deserialize)]
struct LbEndpoint<'a> {
    #[serde(borrow)]
    endpoint: Option<Endpoint<'a>>,
    #[serde(borrow, default)]
    metadata: Metadata<'a>,
}

impl LbEndpoint<'_> {
    fn note(self, known: &mut BTreeMap<Address, EndpointInfo>) {
        let Some(address) = self.endpoint.and_then(|e| e.address) else { return };
        let info = known.entry(address.into_address()).or_default();
        let filters = self.metadata.filter_metadata;
        info.tls |= filters.transport_socket_match.is_some_and(|m| m.tls_mode == "istio");
        let Some(istio) = filters.istio else { return };
        let mut fields = istio.workload.split(';');
        if let Some(workload) = fields.next().filter(|name| !name.is_empty()) {
            Arc::make_mut(&mut info.workloads).insert(workload.to_owned());
        }
        if let Some(cluster) = fields.nth(3).filter(|id| !id.is_empty()) {
            Arc::make_mut(&mut info.clusters).insert(cluster.to_owned());
        }
    }
}

#[derive(Deserialize)]
struct Endpoint<'a> {
    #[serde(borrow)]
    address: Option<JsonAddress<'a>>,
}

#[derive(Default, Deserialize)]
struct Metadata<'a> {
    #[serde(borrow, default)]
    filter_metadata: FilterMetadata<'a>,
}

#[derive(Default, Deserialize)]
struct FilterMetadata<'a> {
    #[serde(borrow)]
    istio: Option<IstioMetadata<'a>>,
    #[serde(borrow, rename = "envoy.transport_socket_match")]
    transport_socket_match: Option<SocketMatch<'a>>,
}

#[derive(Deserialize)]
struct IstioMetadata<'a> {
    #[serde(borrow, default)]
    workload: Cow<'a, str>,
}

#[derive(Deserialize)]
struct SocketMatch<'a> {
    #[serde(borrow, default, rename = "tlsMode")]
    tls_mode: Cow<'a, str>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DUMP: &[u8] = include_bytes!("../../../tests/captures/envoy/config_dump_include_eds.json");
    const REVIEWS: &str = "outbound|9080||reviews.bookinfo.svc.cluster.local";

    fn clusters_of(endpoints: &Endpoints, assignment: &str, address: &str) -> Vec<String> {
        let info = endpoints.get(assignment, &Address::parse(address)).unwrap();
        info.clusters.iter().cloned().collect()
    }

    #[test]
    fn pods_and_gateways_name_their_cluster() {
        let endpoints = parse(DUMP).unwrap();
        assert_eq!(clusters_of(&endpoints, REVIEWS, "10.0.10.119:9080"), ["primary-cluster"]);
        assert_eq!(clusters_of(&endpoints, REVIEWS, "10.1.1.87:9080"), ["secondary-cluster"]);
        let ratings = "outbound|9080||ratings.bookinfo.svc.cluster.local";
        assert_eq!(clusters_of(&endpoints, ratings, "170.9.229.9:15443"), ["secondary-cluster"]);
        let gateway = endpoints.get(ratings, &Address::parse("170.9.229.9:15443")).unwrap();
        assert!(gateway.workloads.is_empty() && gateway.tls);
        assert_eq!(endpoints.of(REVIEWS).unwrap().len(), 6);
        let details = "outbound|9080||details.bookinfo.svc.cluster.local";
        assert!(clusters_of(&endpoints, details, "10.0.10.145:9080").is_empty());
    }

    #[test]
    fn one_resource_alone_has_another_shape() {
        let body = br#"{"configs":[{"@type":"x","endpoint_config":{"cluster_name":"c","endpoints":[{"lb_endpoints":[
            {"endpoint":{"address":{"socket_address":{"address":"::1","port_value":9}}},
             "metadata":{"filter_metadata":{"istio":{"workload":"w;n;w;v1;a"}}}}]}]}}]}"#;
        let endpoints = parse(body).unwrap();
        assert_eq!(clusters_of(&endpoints, "c", "[::1]:9"), ["a"]);
        assert_eq!(endpoints.len(), 1);
    }

    #[test]
    fn what_is_not_a_dump_is_an_error() {
        for body in [&b"{}"[..], b"<html>", b"", b"[]"] {
            assert!(parse(body).is_err());
        }
        assert!(parse(br#"{"configs":[]}"#).unwrap().is_empty());
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(body in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(parse(&body).is_err());
        }

        #[test]
        fn a_damaged_dump_is_survived(at in 0usize..30_000, byte in any::<u8>()) {
            let mut body = DUMP.to_vec();
            body[at] = byte;
            let _ = parse(&body);
        }
    }
}
