//! `services`: the services of the inventory, as the proxies of a cluster see them: each has healthy endpoints of every
//! cluster that runs it. One dump of a proxy, however many services there are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use futures::future::{BoxFuture, try_join_all};
use meshdrill_checks::observe::envoy::owner::{Known, Owner, Reach};
use meshdrill_checks::observe::envoy::{Cluster as EnvoyCluster, HealthClass};
use meshdrill_checks::observe::routing::destinations;
use meshdrill_checks::record::{Class, Series};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::answered::FirstLook;
use super::outcome::settle;
use super::owners::{self, ProxyView};
use super::role::{Observation, Observer, Role};
use super::summary::Summary;
use super::{Answer, Outcome, ProbeError, cause};
use crate::cluster::{Cluster, Object, ObjectRef, Permission, VIRTUAL_SERVICES, World, has_proxy, is_serving};
use crate::format::{ClusterChoice, DataPlane, GatewayRole, MeshService, MeshSpec, ServiceScope};

/// The services of the inventory in the proxies of a cluster: healthy endpoints of every cluster that has the service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "the keys of scenarios have their names")]
pub struct Services {
    /// The cluster of the proxies.
    pub cluster: ClusterChoice,
    /// The services as `NAME.NAMESPACE`; default all of the inventory that are called from the cluster.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<String>,
    /// Whether a proxy of every workload of the inventory is asked too, so that what any caller has ejected is missing; default
    /// false: one proxy sees them all.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub every_workload: bool,
    /// A cluster whose endpoints must have answered since the check began, where proxies send requests to them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered: Option<ClusterChoice>,
}

/// How many proxies are asked: one that sees everything, and others for namespaces that it does not see.
const MOST_PROXIES: usize = 12;
/// How many proxies are asked at once.
const AT_ONCE: usize = 8;
/// How many proxies are named.
const NAMED: usize = 3;
/// How many services are explained.
const EXPLAINED: usize = 2;

impl Observation for Services {
    fn describe(&self) -> String {
        let which = if self.services.is_empty() { "of the inventory".to_owned() } else { self.services.join(", ") };
        format!("endpoints of the services {which} ({})", self.cluster)
    }

    fn subject(&self) -> String {
        if self.services.is_empty() { "all".to_owned() } else { self.services.join("-") }
    }

    fn choices(&mut self) -> Vec<&mut ClusterChoice> {
        vec![&mut self.cluster]
    }

    fn mentioned(&self) -> Vec<ClusterChoice> {
        self.answered.iter().cloned().collect()
    }

    fn needs_all_clusters(&self) -> bool {
        true
    }

    fn permissions(&self, mesh: &MeshSpec) -> Vec<Permission> {
        let key = self.cluster.key();
        let routes = Permission::new(key, "", "networking.istio.io", "virtualservices", "list");
        let forwards = Permission::for_port_forward(key, "");
        owners::permissions(mesh, "").into_iter().chain([routes]).chain(forwards).collect()
    }

    fn prepare<'a>(&'a self, world: &'a World, _: Role) -> BoxFuture<'a, Result<Box<dyn Observer>, ProbeError>> {
        Box::pin(async move {
            let cluster = Arc::clone(world.cluster(self.cluster.key())?);
            let keys = world.keys();
            let inventory = world.inventory();
            let wanted = |name: &String| self.services.is_empty() || self.services.contains(name);
            let called = |service: &MeshService| {
                service.scope == ServiceScope::Mesh || service.clusters.includes(&cluster.key, &keys)
            };
            let services: BTreeMap<String, Wanted> = inventory
                .services
                .iter()
                .filter(|(name, service)| wanted(name) && called(service))
                .map(|(name, service)| {
                    let owners = match service.scope {
                        ServiceScope::Mesh => service.clusters.expand(&keys).0,
                        ServiceScope::Local => vec![cluster.key.clone()],
                    };
                    (name.clone(), Wanted { owners, ports: service.ports.clone() })
                })
                .collect();
            let meshed = inventory.namespaces.iter().filter(|(_, entry)| entry.data_plane == DataPlane::Sidecar);
            let namespaces = meshed.map(|(name, _)| name.clone()).collect();
            let (world, every_workload) = (world.clone(), self.every_workload);
            let answered = self.answered.as_ref().map(|choice| (choice.key().to_owned(), OnceLock::new()));
            let observer = ServicesObserver { world, cluster, services, namespaces, every_workload, answered };
            Ok(Box::new(observer) as Box<dyn Observer>)
        })
    }
}

/// What is expected of a service.
struct Wanted {
    owners: Vec<String>,
    ports: Vec<u16>,
}

struct ServicesObserver {
    world: World,
    cluster: Arc<Cluster>,
    services: BTreeMap<String, Wanted>,
    /// Namespaces whose pods have sidecars.
    namespaces: Vec<String>,
    every_workload: bool,
    /// The cluster that must answer, and what had been counted at first.
    answered: Option<(String, OnceLock<FirstLook>)>,
}

/// One proxy and the clusters that it has.
struct Seen {
    pod: ObjectRef,
    view: Arc<ProxyView>,
}

impl ServicesObserver {
    async fn ask(&self) -> Result<Outcome, ProbeError> {
        let key = &self.cluster.key;
        if self.services.is_empty() {
            return Ok(Outcome::new(
                Answer::NoData,
                format!("the inventory lists no service that is called from {key}"),
            ));
        }
        let proxies = self.proxies().await?;
        let Some((first, others)) = proxies.split_first() else {
            let why = format!("no pod in {key} has a ready proxy: neither a gateway nor a namespace of the inventory");
            return Ok(Outcome::new(Answer::Bad(Class::Unexpected), why));
        };
        // The clusters are asked once, however many proxies are.
        let known = owners::of_mesh(&self.world).await?;
        let mut seen = vec![self.look(first, &known).await?];
        if self.every_workload {
            for some in others.chunks(AT_ONCE) {
                seen.extend(try_join_all(some.iter().map(|pod| self.look(pod, &known))).await?);
            }
        }
        let routed = self.routed().await?;
        let (mut summary, mut failed) = (Summary::default(), Vec::new());
        for (name, wanted) in &self.services {
            let host = format!("{name}.svc.cluster.local");
            let mut found = seen.iter().position(|proxy| proxy.view.clusters.of_host(&host).next().is_some());
            // A `Sidecar` or an export may hide it from that proxy; one of its own namespace sees it.
            let own = name.rsplit('.').next().unwrap_or_default();
            let asked = |pod: &ObjectRef| seen.iter().any(|proxy| proxy.pod.uid == pod.uid);
            if found.is_none()
                && seen.len() < MOST_PROXIES
                && let Some(pod) = others.iter().find(|pod| pod.namespace == own && !asked(pod))
            {
                let more = self.look(pod, &known).await?;
                found = more.view.clusters.of_host(&host).next().map(|_| seen.len());
                seen.push(more);
            }
            if found.is_none() {
                failed.push(json!({ "service": name, "owners": wanted.owners }));
                let asked = seen.iter().map(|proxy| proxy.pod.to_string()).collect::<Vec<_>>().join(", ");
                summary.missed(format!("{name}: no proxy has a cluster for it (asked: {asked})"));
                continue;
            }
            // What one proxy has ejected, another may still use: without `everyWorkload`, one speaks for all.
            let know = seen.iter().filter(|proxy| proxy.view.clusters.of_host(&host).next().is_some());
            let mut judging = know.take(if self.every_workload { usize::MAX } else { 1 });
            let short =
                |proxy: &Seen| Some((self.short(proxy, &host, wanted, routed.get(&host))?, proxy.pod.to_string()));
            match judging.find_map(short) {
                None => summary.ok(),
                Some(((why, owners), pod)) => {
                    failed.push(json!({ "service": name, "owners": owners }));
                    let by = if self.every_workload { format!(", seen by {pod}") } else { String::new() };
                    summary.missed(format!("{name}: {why}{by}"));
                }
            }
        }
        let pods: Vec<String> = seen.iter().map(|proxy| proxy.pod.to_string()).collect();
        let answered = self.answered(&seen);
        let counted = format!("{} services have healthy endpoints of every cluster that runs them", summary.of());
        let by = if pods.len() > NAMED { format!("{} proxies", pods.len()) } else { pods.join(", ") };
        let flow =
            answered.as_ref().and_then(|one| one.as_ref().ok()).map_or_else(String::new, |flow| format!("; {flow}"));
        let place = format!("seen by {by} in {key}{flow}");
        let details = json!({ "services": summary.total(), "good": summary.good(), "proxies": pods, "failed": failed });
        let outcome = summary.outcome(&counted, &place, details);
        Ok(match answered {
            Some(Err(why)) => Outcome {
                answer: Answer::Bad(Class::Unexpected),
                message: format!("{why}; {}", outcome.message),
                ..outcome
            },
            _ => outcome,
        })
    }

    /// What became of requests to the cluster that must answer.
    fn answered(&self, seen: &[Seen]) -> Option<Result<String, String>> {
        let (key, first) = self.answered.as_ref()?;
        let first = first.get_or_init(|| {
            FirstLook::new(seen.iter().map(|proxy| (proxy.pod.uid.clone(), proxy.view.clusters.clone())).collect())
        });
        let is_wanted = |cluster: &EnvoyCluster| {
            let service = cluster.service.as_ref().and_then(|service| service.host.strip_suffix(".svc.cluster.local"));
            service.is_some_and(|name| self.services.contains_key(name))
        };
        let mut counted = first.nothing();
        for Seen { pod, view } in seen {
            first.add(&mut counted, &pod.uid, &view.clusters, |cluster, host| {
                is_wanted(cluster)
                    && matches!(view.known.owner(cluster, host), Owner::Cluster { cluster, .. } if self.world.key_of_istio(&cluster) == *key)
            });
        }
        Some(counted.judge(key))
    }

    /// Ready pods with a proxy: of an ingress gateway first, which sees every service that is exported to it, then one of each
    /// namespace with sidecars.
    async fn proxies(&self) -> Result<Vec<ObjectRef>, ProbeError> {
        let pods = self.cluster.list("/api/v1/pods", None).await?;
        let proxied: Vec<&Object> = pods.iter().filter(|pod| is_serving(pod) && has_proxy(pod)).collect();
        let inventory = self.world.inventory();
        let keys = self.world.keys();
        let ingress = inventory.gateways.values().filter(|gateway| {
            gateway.role == GatewayRole::Ingress && gateway.clusters.includes(&self.cluster.key, &keys)
        });
        let mut chosen: Vec<ObjectRef> = Vec::new();
        for gateway in ingress {
            let path = format!("/api/v1/namespaces/{}/pods", gateway.namespace);
            let own = self.cluster.list(&path, Some(gateway.selector.as_str())).await?;
            chosen.extend(own.iter().find(|pod| is_serving(pod)).map(Object::object_ref));
        }
        if self.every_workload {
            let mut known = BTreeSet::new();
            let meshed = proxied.iter().filter(|pod| self.namespaces.iter().any(|one| one == pod.namespace()));
            let one_of_each = meshed.filter(|pod| known.insert(controller(pod)));
            chosen.extend(one_of_each.map(|pod| pod.object_ref()));
            return Ok(chosen);
        }
        for namespace in &self.namespaces {
            chosen.extend(proxied.iter().find(|pod| pod.namespace() == namespace).map(|pod| pod.object_ref()));
        }
        Ok(chosen)
    }

    async fn look(&self, pod: &ObjectRef, known: &Known) -> Result<Seen, ProbeError> {
        let view = owners::view_of(known, &self.cluster, pod).await?;
        Ok(Seen { pod: pod.clone(), view })
    }

    /// The subsets that `VirtualServices` route to, by host.
    async fn routed(&self) -> Result<BTreeMap<String, BTreeSet<String>>, ProbeError> {
        let mut routed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let services = match self.cluster.list(VIRTUAL_SERVICES, None).await {
            Err(error) if error.is_not_found() => Vec::new(),
            listed => listed?,
        };
        for (host, subset) in services.iter().flat_map(|service| destinations(service)) {
            routed.entry(host).or_default().extend(subset);
        }
        Ok(routed)
    }

    /// What a service lacks in a proxy, and the clusters whose endpoints are missing.
    fn short(
        &self,
        proxy: &Seen,
        host: &str,
        wanted: &Wanted,
        subsets: Option<&BTreeSet<String>>,
    ) -> Option<(String, Vec<String>)> {
        for port in &wanted.ports {
            let name = |subset: &str| format!("outbound|{port}|{subset}|{host}");
            let Some(all) = proxy.view.clusters.get(&name("")) else {
                return Some((
                    format!("the proxy of {} has no cluster for port {port}", proxy.pod),
                    wanted.owners.clone(),
                ));
            };
            let healthy = self.healthy(proxy, all);
            let missing: Vec<String> =
                wanted.owners.iter().filter(|owner| !healthy.contains_key(*owner)).cloned().collect();
            if !missing.is_empty() {
                let there: Vec<String> = healthy.iter().map(|(owner, count)| format!("{owner} {count}")).collect();
                let there = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
                let why = format!("no healthy endpoint of {} at port {port} (healthy: {there})", missing.join(", "));
                return Some((why, missing));
            }
            if let Some(pod) = self.out_of_reach(proxy, all) {
                return Some((pod, wanted.owners.clone()));
            }
            for subset in subsets.into_iter().flatten() {
                let of_subset = proxy.view.clusters.get(&name(subset)).map(|cluster| self.healthy(proxy, cluster));
                if of_subset.is_none_or(|healthy| healthy.is_empty()) {
                    let why = format!("subset {subset} is routed to and has no healthy endpoint at port {port}");
                    return Some((why, wanted.owners.clone()));
                }
            }
        }
        None
    }

    /// The healthy endpoints by the key of their cluster.
    fn healthy(&self, proxy: &Seen, cluster: &EnvoyCluster) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for host in &cluster.hosts {
            if matches!(host.health.class(), HealthClass::Healthy | HealthClass::Degraded) {
                let owner = match proxy.view.known.owner(cluster, host) {
                    Owner::Cluster { cluster, .. } => self.world.key_of_istio(&cluster),
                    Owner::Disputed(_) => "disputed".to_owned(),
                    Owner::Unknown => "unknown".to_owned(),
                };
                *counts.entry(owner).or_default() += 1;
            }
        }
        counts
    }

    /// An endpoint of another network that has the address of a pod.
    fn out_of_reach(&self, proxy: &Seen, cluster: &EnvoyCluster) -> Option<String> {
        let network = |key: &str| self.world.clusters.get(key).and_then(|one| one.spec.network.clone());
        let here = network(&self.cluster.key);
        cluster.hosts.iter().find_map(|host| {
            let Owner::Cluster { cluster: owner, .. } = proxy.view.known.owner(cluster, host) else { return None };
            let owner = self.world.key_of_istio(&owner);
            let apart = owner != self.cluster.key && network(&owner) != here;
            (apart && proxy.view.known.reach(host) == Reach::Pod).then(|| {
                format!(
                    "endpoint {} of {owner} is a pod address, which another network cannot reach: {owner} has no east-west gateway with an address",
                    host.address
                )
            })
        })
    }
}

/// The UID of the controller of a pod, or its own.
fn controller(pod: &Object) -> String {
    let owners = pod["metadata"]["ownerReferences"].as_array().into_iter().flatten();
    let controller = owners.filter(|owner| owner["controller"] == true).find_map(|owner| owner["uid"].as_str());
    controller.unwrap_or_else(|| pod.uid()).to_owned()
}

impl Observer for ServicesObserver {
    fn observe(&self, _: Series) -> BoxFuture<'_, Outcome> {
        Box::pin(async move { settle(self.ask().await) })
    }

    fn causes<'a>(&'a self, outcome: &'a Outcome) -> BoxFuture<'a, Vec<String>> {
        Box::pin(async move {
            let mut causes = Vec::new();
            for one in outcome.seen["failed"].as_array().into_iter().flatten().take(EXPLAINED) {
                let owners = one["owners"].as_array().into_iter().flatten().filter_map(|key| key.as_str());
                let host = format!("{}.svc.cluster.local", one["service"].as_str().unwrap_or_default());
                let short = owners.map(str::to_owned).collect();
                let subsets = BTreeSet::from([String::new()]);
                causes.extend(cause::endpoint_causes(&self.world, &self.cluster, &host, &subsets, &short).await);
            }
            causes
        })
    }
}
