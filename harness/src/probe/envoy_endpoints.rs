//! `envoyEndpoints`: the endpoints of one service as one proxy sees them: who owns them, whether they are healthy, and
//! whether requests to them were answered. Presence is not health, and health is not flow.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::future::BoxFuture;
use indexmap::IndexMap;
use meshdrill_checks::observe::envoy::owner::{Known, Owner, Reach};
use meshdrill_checks::observe::envoy::{self, Clusters, HealthClass, Select, config_dump, flow};
use meshdrill_checks::observe::routing::{destinations, full_host};
use meshdrill_checks::record::Series;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::Mutex;

use super::admin::{ADMIN_PORT, ProxyAdmin};
use super::outcome::settle;
use super::role::{Observation, Observer, Role, SpecError};
use super::{Outcome, ProbeError, cause};
use crate::cluster::{Cluster, Permission, VIRTUAL_SERVICES, World, advertised_east_west};
use crate::format::{ClusterChoice, Comparison, MeshSpec, Selector};

/// Endpoints of one service seen by one proxy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnvoyEndpoints {
    /// The cluster of the proxy.
    pub cluster: ClusterChoice,
    /// The namespace of the proxy.
    pub namespace: String,
    /// The pod of the proxy, by label; the first ready one.
    pub selector: Selector,
    /// The service: a name in the same namespace, or `NAME.NAMESPACE`, or a full host name.
    pub service: String,
    /// The port of the service.
    pub port: u16,
    /// The subsets to look at: `routed` (those the mesh's routes use, or none if they use none), or a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subsets: Option<Subsets>,
    /// What must be seen.
    #[serde(default)]
    pub expect: EndpointsExpect,
}

/// Which subsets are looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Subsets {
    /// The word `routed`.
    Routed(RoutedWord),
    /// These.
    These(Vec<String>),
}

/// The word `routed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RoutedWord {
    /// As written.
    Routed,
}

/// What must be seen.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EndpointsExpect {
    /// The clusters that must own endpoints, in every subset looked at; all clusters of the mesh without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owners: Option<ClusterChoice>,
    /// How many healthy endpoints each of them must own per subset; at least 1 without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healthy: Option<Comparison>,
    /// Clusters whose endpoints must have answered a request since the observation before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow: Option<ClusterChoice>,
}

impl EnvoyEndpoints {
    fn host(&self) -> String {
        full_host(&self.service, &self.namespace)
    }
}

impl Observation for EnvoyEndpoints {
    fn describe(&self) -> String {
        format!(
            "endpoints of {}:{} as the proxy of {}/{} in {} sees them",
            self.host(),
            self.port,
            self.namespace,
            self.selector,
            self.cluster
        )
    }

    fn subject(&self) -> String {
        self.service.split('.').next().unwrap_or_default().to_owned()
    }

    fn choices(&mut self) -> Vec<&mut ClusterChoice> {
        vec![&mut self.cluster]
    }

    fn spec_errors(&self) -> Vec<SpecError> {
        let empty = self.service.is_empty();
        empty.then(|| SpecError::new("service", "no service is named", "write its name")).into_iter().collect()
    }

    fn permissions(&self, mesh: &MeshSpec) -> Vec<Permission> {
        let mut all = Permission::for_port_forward(self.cluster.key(), &self.namespace);
        if !matches!(self.subsets, Some(Subsets::These(_))) {
            let (group, routes) = ("networking.istio.io", "virtualservices");
            all.push(Permission::new(self.cluster.key(), "", group, routes, "list"));
        }
        // Whose an endpoint is, the clusters' own APIs tell.
        for key in mesh.clusters.keys() {
            let need = |namespace: &str, resource| Permission::new(key, namespace, "", resource, "list");
            let host = self.host();
            let namespace = host.split('.').nth(1).unwrap_or_default();
            all.extend([need("", "services"), need("", "nodes"), need(namespace, "pods")]);
        }
        all
    }

    fn prepare<'a>(&'a self, world: &'a World, _: Role) -> BoxFuture<'a, Result<Box<dyn Observer>, ProbeError>> {
        Box::pin(async move {
            let cluster = Arc::clone(world.cluster(self.cluster.key())?);
            let subsets = match &self.subsets {
                Some(Subsets::These(subsets)) if subsets.is_empty() => vec![String::new()],
                Some(Subsets::These(subsets)) => subsets.clone(),
                Some(Subsets::Routed(_)) | None => routed_subsets(&cluster, &self.host()).await?,
            };
            let admin = ProxyAdmin::new(Arc::clone(&cluster), &self.namespace, &self.selector, ADMIN_PORT);
            let state = Mutex::new(State { known: None, before: None });
            let observer = EndpointsObserver { world: world.clone(), admin, spec: self.clone(), subsets, state };
            Ok(Box::new(observer) as Box<dyn Observer>)
        })
    }
}

/// The subsets of a host that `VirtualServices` of the mesh route to; the empty name if routes name none.
async fn routed_subsets(cluster: &Cluster, host: &str) -> Result<Vec<String>, ProbeError> {
    let services = cluster.list(VIRTUAL_SERVICES, None).await?;
    let routed = services.iter().flat_map(|service| destinations(service)).filter(|(name, _)| name == host);
    let mut subsets: BTreeSet<String> = routed.map(|(_, subset)| subset.unwrap_or_default()).collect();
    if subsets.is_empty() {
        subsets.insert(String::new());
    }
    Ok(subsets.into_iter().collect())
}

struct State {
    known: Option<Known>,
    before: Option<(String, Clusters)>,
}

struct EndpointsObserver {
    world: World,
    admin: ProxyAdmin,
    spec: EnvoyEndpoints,
    subsets: Vec<String>,
    state: Mutex<State>,
}

/// What was counted for one owner.
#[derive(Debug, Default, Clone, PartialEq, Eq, Hash, Serialize)]
struct Count {
    healthy: usize,
    unhealthy: usize,
}

impl EndpointsObserver {
    async fn ask(&self) -> Result<Outcome, ProbeError> {
        let host = self.spec.host();
        let filter = crate::cluster::encode(&regex::escape(&host));
        let (body, pod) = self.admin.get(&format!("/clusters?format=json&filter={filter}")).await?;
        let clusters =
            envoy::parse(&body, Select::Host(&host)).map_err(|error| ProbeError(format!("{pod}: {error}")))?;
        let mut state = self.state.lock().await;
        let unknown = |known: &Known| {
            clusters
                .clusters
                .iter()
                .any(|cluster| cluster.hosts.iter().any(|host| known.owner(cluster, host) == Owner::Unknown))
        };
        if state.known.as_ref().is_none_or(unknown) {
            state.known = Some(self.learn().await?);
        }
        let Some(known) = &state.known else { return Err(ProbeError("nothing is known of the mesh".to_owned())) };
        let flows = state
            .before
            .as_ref()
            .filter(|(before, _)| *before == pod.uid)
            .map(|(_, before)| flow::between(before, &clusters));
        let outcome = self.judge(&clusters, known, flows.as_deref(), &pod.to_string());
        state.before = Some((pod.uid, clusters));
        Ok(outcome)
    }

    /// What the clusters' own APIs say of gateways, localities and pods, and what the control plane told the proxy.
    async fn learn(&self) -> Result<Known, ProbeError> {
        let (dump, _) = self.admin.get("/config_dump?include_eds&resource=dynamic_endpoint_configs").await?;
        let mut known = Known { endpoints: config_dump::parse(&dump).unwrap_or_default(), ..Known::default() };
        for cluster in self.world.clusters.values() {
            let id = cluster.istio_id().to_owned();
            for address in advertised_east_west(cluster).await? {
                let resolved = match address.parse() {
                    Ok(socket) => vec![socket],
                    Err(_) => tokio::net::lookup_host(&address).await.map(Iterator::collect).unwrap_or_default(),
                };
                for socket in resolved {
                    known.gateways.entry(socket).or_default().insert(id.clone());
                }
            }
            for node in cluster.list("/api/v1/nodes", None).await? {
                let label = |name: &str| node.labels()[name].as_str().unwrap_or_default().to_owned();
                let locality = (label("topology.kubernetes.io/region"), label("topology.kubernetes.io/zone"));
                known.localities.entry((locality.0.clone(), String::new())).or_default().insert(id.clone());
                known.localities.entry(locality).or_default().insert(id.clone());
            }
            let namespace = self.spec.host().split('.').nth(1).unwrap_or_default().to_owned();
            for pod in cluster.list(&format!("/api/v1/namespaces/{namespace}/pods"), None).await? {
                if let Some(ip) = pod["status"]["podIP"].as_str().and_then(|ip| ip.parse().ok()) {
                    known.pods.entry(ip).or_default().insert(id.clone());
                }
            }
        }
        Ok(known)
    }

    fn judge(&self, clusters: &Clusters, known: &Known, flows: Option<&[flow::HostFlow]>, pod: &str) -> Outcome {
        let spec = &self.spec;
        let own = spec.cluster.key();
        let (owners, healthy) = (self.owners(), self.healthy());
        let several_networks = self.several_networks();
        let mut faults = Vec::new();
        let mut short: IndexMap<(&String, Count), Vec<&str>> = IndexMap::new();
        let mut table: BTreeMap<&str, BTreeMap<String, Count>> = BTreeMap::new();
        let mut answered: BTreeMap<String, u64> = BTreeMap::new();
        let mut answered_by_subset: BTreeMap<String, u64> = BTreeMap::new();
        for subset in &self.subsets {
            let name = format!("outbound|{}|{subset}|{}", spec.port, spec.host());
            let Some(cluster) = clusters.get(&name) else {
                faults.push(format!("the proxy has no cluster {name}"));
                continue;
            };
            let counts = table.entry(subset).or_default();
            for host in &cluster.hosts {
                let owner = match known.owner(cluster, host) {
                    Owner::Cluster { cluster, .. } => self.world.key_of_istio(&cluster),
                    Owner::Disputed(opinions) => {
                        faults.push(format!("{}: sources disagree on its owner: {}", host.address, json!(opinions)));
                        "disputed".to_owned()
                    }
                    Owner::Unknown => "unknown".to_owned(),
                };
                let by_pod = known.reach(host) == Reach::Pod;
                if owner != own && several_networks && by_pod && owner != "unknown" {
                    faults.push(format!("{} of {owner} is a pod address on a mesh of several networks: {owner} has no east-west gateway with an address", host.address));
                }
                let class = host.health.class();
                let count = counts.entry(owner.clone()).or_default();
                if class == HealthClass::Healthy || class == HealthClass::Degraded {
                    count.healthy += 1
                } else {
                    count.unhealthy += 1
                }
                let mut counted = flows.into_iter().flatten();
                if let Some(flow) = counted.find(|flow| flow.cluster == name && flow.address == host.address) {
                    *answered.entry(owner).or_default() += flow.success;
                    *answered_by_subset.entry(subset.clone()).or_default() += flow.success;
                }
            }
            for owner in &owners {
                let count = counts.get(owner).cloned().unwrap_or_default();
                if !healthy.holds(count.healthy as f64) {
                    short.entry((owner, count)).or_default().push(subset);
                }
            }
        }
        for ((owner, count), subsets) in short {
            let of = match subsets.as_slice() {
                [""] => String::new(),
                [subset] => format!(" in subset {subset}"),
                subsets => format!(" in each of the subsets {}", subsets.join(", ")),
            };
            let sick = match count.unhealthy {
                0 => String::new(),
                unhealthy => format!(" ({unhealthy} ejected or unhealthy)"),
            };
            faults.push(format!("{} healthy endpoints of {owner}{of}{sick}, expected {healthy}", count.healthy));
        }
        if let Some(choice) = &spec.expect.flow {
            for owner in choice.expand(&self.all()).0 {
                match (flows, answered.get(&owner)) {
                    (None, _) => faults.push("one observation tells no flow yet".to_owned()),
                    (_, Some(count)) if *count > 0 => {}
                    _ => faults
                        .push(format!("no request to endpoints of {owner} was answered since the observation before")),
                }
            }
        }
        faults.dedup();
        let seen = json!({ "pod": pod, "endpoints": table, "flow": answered, "flowSubsets": answered_by_subset });
        let words = table.iter().map(|(subset, counts)| {
            let owners =
                counts.iter().map(|(owner, count)| format!("{owner} {}", count.healthy)).collect::<Vec<_>>().join(", ");
            if subset.is_empty() { owners } else { format!("{subset}: {owners}") }
        });
        let summary = words.collect::<Vec<_>>().join("; ");
        match faults.as_slice() {
            [] => Outcome::judged(true, format!("healthy endpoints {summary}"), seen),
            faults => Outcome::judged(false, format!("{} (seen by {pod}: {summary})", faults.join("; ")), seen),
        }
    }

    fn all(&self) -> Vec<String> {
        self.world.clusters.keys().cloned().collect()
    }

    /// The clusters that must own endpoints.
    fn owners(&self) -> Vec<String> {
        let all = self.all();
        self.spec.expect.owners.as_ref().map_or_else(|| all.clone(), |choice| choice.expand(&all).0)
    }

    /// How many healthy endpoints each of them must own.
    fn healthy(&self) -> Comparison {
        self.spec.expect.healthy.unwrap_or(Comparison::at_least(1.0))
    }

    fn several_networks(&self) -> bool {
        let networks: BTreeSet<_> =
            self.world.clusters.values().filter_map(|cluster| cluster.spec.network.as_deref()).collect();
        networks.len() > 1
    }
}

impl Observer for EndpointsObserver {
    fn observe(&self, _: Series) -> BoxFuture<'_, Outcome> {
        Box::pin(async move { settle(self.ask().await) })
    }

    fn causes<'a>(&'a self, outcome: &'a Outcome) -> BoxFuture<'a, Vec<String>> {
        Box::pin(async move {
            let (mut subsets, mut short) = (BTreeSet::new(), BTreeSet::new());
            if !outcome.seen["endpoints"].is_object() {
                return Vec::new();
            }
            for subset in &self.subsets {
                for owner in self.owners() {
                    let count = outcome.seen["endpoints"][subset][&owner]["healthy"].as_u64().unwrap_or(0);
                    if !self.healthy().holds(count as f64) {
                        subsets.insert(subset.clone());
                        short.insert(owner);
                    }
                }
            }
            match self.world.cluster(self.spec.cluster.key()) {
                Ok(at) => cause::endpoint_causes(&self.world, at, &self.spec.host(), &subsets, &short).await,
                Err(_) => Vec::new(),
            }
        })
    }
}
