//! `envoyEndpoints`: the endpoints of one service in one proxy: their cluster, their health, and whether requests to them
//! were answered. An endpoint that exists may be unhealthy, and a healthy one may get no requests.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::future::BoxFuture;
use meshdrill_checks::observe::envoy::flow::HostFlow;
use meshdrill_checks::observe::envoy::owner::{Known, Owner, Reach};
use meshdrill_checks::observe::envoy::{self, Cluster as EnvoyCluster, Clusters, HealthClass, Host, Select, flow};
use meshdrill_checks::observe::routing::{destinations, full_host};
use meshdrill_checks::record::Series;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::Mutex;

use super::admin::{ADMIN_PORT, ProxyAdmin};
use super::outcome::settle;
use super::role::{Observation, Observer, Role, SpecError};
use super::{Outcome, ProbeError, cause, owners};
use crate::cluster::{Cluster, Permission, VIRTUAL_SERVICES, World};
use crate::format::{ClusterChoice, Comparison, MeshSpec, Selector};

/// The endpoints of one service in one proxy: their clusters, their health, and whether requests to them were answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnvoyEndpoints {
    /// The cluster of the proxy.
    pub cluster: ClusterChoice,
    /// The namespace of the proxy.
    pub namespace: String,
    /// The pod of the proxy, by label; the first ready one is used.
    pub selector: Selector,
    /// The service: a name in the same namespace, `NAME.NAMESPACE`, or a fully qualified name.
    pub service: String,
    /// The port of the service.
    pub port: u16,
    /// The subsets: `routed` for those that the mesh's routes use (or no subset if they use none), or a list such as
    /// `[v1, v2]`; default `routed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subsets: Option<Subsets>,
    /// The expectations.
    #[serde(default)]
    pub expect: EndpointsExpect,
}

/// A choice of subsets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Subsets {
    /// The word `routed`.
    Routed(RoutedWord),
    /// These subsets.
    These(Vec<String>),
}

/// The word `routed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RoutedWord {
    /// As written.
    Routed,
}

/// The expectations of the endpoints.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EndpointsExpect {
    /// The clusters that must have endpoints in every subset; by default all clusters of the mesh.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owners: Option<ClusterChoice>,
    /// The number of healthy endpoints per cluster and subset, such as `>= 3`; default at least 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healthy: Option<Comparison>,
    /// The clusters whose endpoints must have answered a request since the last observation.
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
            "endpoints of {}:{} in the proxy of {}/{} ({})",
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
        empty.then(|| SpecError::new("service", "the service is missing", "write its name")).into_iter().collect()
    }

    fn mentioned(&self) -> Vec<ClusterChoice> {
        self.expect.owners.iter().chain(&self.expect.flow).cloned().collect()
    }

    fn needs_all_clusters(&self) -> bool {
        true
    }

    fn permissions(&self, mesh: &MeshSpec) -> Vec<Permission> {
        let mut all = Permission::for_port_forward(self.cluster.key(), &self.namespace);
        if !matches!(self.subsets, Some(Subsets::These(_))) {
            let (group, routes) = ("networking.istio.io", "virtualservices");
            all.push(Permission::new(self.cluster.key(), "", group, routes, "list"));
        }
        // The APIs of the clusters show which cluster an endpoint belongs to.
        let host = self.host();
        all.extend(owners::permissions(mesh, host.split('.').nth(1).unwrap_or_default()));
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

/// The subsets of a host that `VirtualServices` route to; the empty name if they name none.
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

/// The endpoints of one cluster in one subset.
#[derive(Debug, Default, Clone, PartialEq, Eq, Hash, Serialize)]
struct Count {
    healthy: usize,
    unhealthy: usize,
}

/// The endpoints of all subsets in one response of the proxy.
#[derive(Default)]
struct Tally<'a> {
    /// By subset and cluster.
    table: BTreeMap<&'a str, BTreeMap<String, Count>>,
    /// Answered requests since the last observation, by cluster.
    answered: BTreeMap<String, u64>,
    answered_by_subset: BTreeMap<String, u64>,
    faults: Vec<String>,
}

/// The healthy endpoints by subset and cluster, such as `v1: east 2, west 1 (1 ejected or unhealthy)`.
fn summary(table: &BTreeMap<&str, BTreeMap<String, Count>>, owners: &[String]) -> String {
    let subsets = table.iter().map(|(subset, counts)| {
        let keys: BTreeSet<&String> = owners.iter().chain(counts.keys()).collect();
        let words = keys.into_iter().map(|key| match counts.get(key) {
            None => format!("{key} 0"),
            Some(Count { healthy, unhealthy: 0 }) => format!("{key} {healthy}"),
            Some(Count { healthy, unhealthy }) => format!("{key} {healthy} ({unhealthy} ejected or unhealthy)"),
        });
        let words = words.collect::<Vec<_>>().join(", ");
        if subset.is_empty() { words } else { format!("{subset}: {words}") }
    });
    let subsets = subsets.collect::<Vec<_>>().join("; ");
    if subsets.is_empty() { "none".to_owned() } else { subsets }
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
            let host = self.spec.host();
            let namespace = host.split('.').nth(1).unwrap_or_default();
            state.known = Some(owners::learn(&self.world, &self.admin, Some(namespace)).await?);
        }
        let Some(known) = &state.known else {
            return Err(ProbeError("the endpoints of the clusters are not known".to_owned()));
        };
        let flows = state
            .before
            .as_ref()
            .filter(|(before, _)| *before == pod.uid)
            .map(|(_, before)| flow::between(before, &clusters));
        let outcome = self.judge(&clusters, known, flows.as_deref(), &pod.to_string());
        state.before = Some((pod.uid, clusters));
        Ok(outcome)
    }

    fn judge(&self, clusters: &Clusters, known: &Known, flows: Option<&[HostFlow]>, pod: &str) -> Outcome {
        let Tally { table, answered, answered_by_subset, mut faults } = self.tally(clusters, known, flows);
        faults.extend(self.missing_flow(flows.is_some(), &answered));
        faults.dedup();
        let (owners, healthy) = (self.owners(), self.healthy());
        let is_short = |counts: &BTreeMap<String, Count>| {
            owners.iter().any(|owner| !healthy.holds(counts.get(owner).map_or(0, |count| count.healthy) as f64))
        };
        let short = table.values().any(is_short);
        let mut counts = format!("healthy endpoints: {}", summary(&table, &owners));
        if short {
            let each = if owners == self.all() { "each".to_owned() } else { owners.join(", ") };
            counts = format!("{counts}; expected {healthy} of {each}");
        }
        let seen = json!({ "pod": pod, "endpoints": table, "flow": answered, "flowSubsets": answered_by_subset });
        if !short && faults.is_empty() {
            return Outcome::judged(true, counts, seen);
        }
        faults.push(counts);
        Outcome::judged(false, format!("{} (proxy of pod {pod})", faults.join("; ")), seen)
    }

    /// Counts the endpoints by subset and cluster.
    fn tally<'a>(&'a self, clusters: &Clusters, known: &Known, flows: Option<&[HostFlow]>) -> Tally<'a> {
        let mut tally = Tally::default();
        for subset in &self.subsets {
            let name = format!("outbound|{}|{subset}|{}", self.spec.port, self.spec.host());
            let Some(cluster) = clusters.get(&name) else {
                tally.faults.push(format!("the proxy has no cluster {name}"));
                continue;
            };
            tally.table.entry(subset).or_default();
            for host in &cluster.hosts {
                let owner = self.owner(&mut tally, known, cluster, host);
                let class = host.health.class();
                let count = tally.table.entry(subset).or_default().entry(owner.clone()).or_default();
                if class == HealthClass::Healthy || class == HealthClass::Degraded {
                    count.healthy += 1
                } else {
                    count.unhealthy += 1
                }
                let mut flows = flows.into_iter().flatten();
                if let Some(flow) = flows.find(|flow| flow.cluster == name && flow.address == host.address) {
                    *tally.answered.entry(owner).or_default() += flow.success;
                    *tally.answered_by_subset.entry(subset.clone()).or_default() += flow.success;
                }
            }
        }
        tally
    }

    /// The key of the cluster that an endpoint belongs to.
    fn owner(&self, tally: &mut Tally<'_>, known: &Known, cluster: &EnvoyCluster, host: &Host) -> String {
        let owner = match known.owner(cluster, host) {
            Owner::Cluster { cluster, .. } => self.world.key_of_istio(&cluster),
            Owner::Disputed(opinions) => {
                let opinions = opinions.iter().map(|one| {
                    let clusters = one.clusters.iter().map(String::as_str).collect::<Vec<_>>().join(" or ");
                    format!("{clusters} by {:?}", one.source)
                });
                let opinions = opinions.collect::<Vec<_>>().join(", ");
                tally.faults.push(format!("the cluster of endpoint {} is disputed: {opinions}", host.address));
                "disputed".to_owned()
            }
            Owner::Unknown => "unknown".to_owned(),
        };
        let by_pod = known.reach(host) == Reach::Pod;
        if owner != self.spec.cluster.key() && self.several_networks() && by_pod && owner != "unknown" {
            tally.faults.push(format!(
                "endpoint {} of {owner} is a pod address, which another network cannot reach: {owner} has no east-west gateway with an address",
                host.address
            ));
        }
        owner
    }

    /// Reports clusters whose endpoints have answered no request since the last observation.
    fn missing_flow(&self, compared: bool, answered: &BTreeMap<String, u64>) -> Vec<String> {
        let Some(choice) = &self.spec.expect.flow else { return Vec::new() };
        if !compared {
            return vec!["answered requests are known only from the second observation on".to_owned()];
        }
        let owners = choice.expand(&self.all()).0.into_iter();
        let silent = owners.filter(|owner| answered.get(owner).is_none_or(|count| *count == 0));
        silent
            .map(|owner| format!("no request to endpoints of {owner} was answered since the last observation"))
            .collect()
    }

    fn all(&self) -> Vec<String> {
        self.world.clusters.keys().cloned().collect()
    }

    /// The clusters that must have endpoints.
    fn owners(&self) -> Vec<String> {
        let all = self.all();
        self.spec.expect.owners.as_ref().map_or_else(|| all.clone(), |choice| choice.expand(&all).0)
    }

    /// The number of healthy endpoints that each must have.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_a_sentence() {
        let count = |healthy, unhealthy| Count { healthy, unhealthy };
        let counts = BTreeMap::from([("ap".to_owned(), count(2, 0)), ("eu".to_owned(), count(1, 1))]);
        let owners = ["ap".to_owned(), "eu".to_owned(), "us".to_owned()];
        let table = BTreeMap::from([("", counts)]);
        assert_eq!(summary(&table, &owners), "ap 2, eu 1 (1 ejected or unhealthy), us 0");
        let table = BTreeMap::from([("v1", BTreeMap::from([("ap".to_owned(), count(2, 0))])), ("v2", BTreeMap::new())]);
        assert_eq!(summary(&table, &owners[..1]), "v1: ap 2; v2: ap 0");
        assert_eq!(summary(&BTreeMap::new(), &owners), "none");
    }
}
