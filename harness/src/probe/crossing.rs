//! `crossing`: a proxy of one cluster connects to endpoints of another, at the addresses that it would send requests to: the
//! other cluster's gateway, or its pods. Needs no shell and no application that answers.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::future::{BoxFuture, join_all};
use meshdrill_checks::observe::envoy::HealthClass;
use meshdrill_checks::observe::envoy::owner::Owner;
use meshdrill_checks::record::{Class, Series};
use meshdrill_checks::units::TimeSpan;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::exec::exec_permissions;
use super::from_proxy::{FromProxy, ProxyPlace, pod_with_proxy};
use super::outcome::settle;
use super::role::{Observation, Observer, Role, Timing};
use super::{Answer, Outcome, ProbeError, owners};
use crate::cluster::{Cluster, Object, Permission, World};
use crate::format::{ClusterChoice, MeshSpec, ServiceScope};

/// Connections of a proxy in one cluster to endpoints of the mesh's services in another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Crossing {
    /// The cluster of the proxy.
    pub cluster: ClusterChoice,
    /// The cluster of the endpoints.
    pub to: ClusterChoice,
}

/// How many addresses are tried.
const TRIED: usize = 2;
/// The timeout of a connection.
const CONNECT: TimeSpan = TimeSpan::secs(3);

impl Observation for Crossing {
    fn describe(&self) -> String {
        format!("connections from a proxy of {} to endpoints of {}", self.cluster, self.to)
    }

    fn subject(&self) -> String {
        format!("{}-{}", self.cluster.key(), self.to.key())
    }

    fn choices(&mut self) -> Vec<&mut ClusterChoice> {
        vec![&mut self.cluster, &mut self.to]
    }

    fn timing(&self) -> Timing {
        Timing { timeout: TimeSpan::secs(20), slow: TimeSpan::secs(20), ..Timing::api() }
    }

    fn is_vacuous(&self) -> bool {
        self.cluster == self.to
    }

    fn needs_all_clusters(&self) -> bool {
        true
    }

    fn permissions(&self, mesh: &MeshSpec) -> Vec<Permission> {
        let key = self.cluster.key();
        let exec = exec_permissions(key, "");
        owners::permissions(mesh, "").into_iter().chain(Permission::for_port_forward(key, "")).chain(exec).collect()
    }

    fn prepare<'a>(&'a self, world: &'a World, _: Role) -> BoxFuture<'a, Result<Box<dyn Observer>, ProbeError>> {
        Box::pin(async move {
            let cluster = Arc::clone(world.cluster(self.cluster.key())?);
            world.cluster(self.to.key())?;
            Ok(Box::new(CrossingObserver { world: world.clone(), cluster, spec: self.clone() }) as Box<dyn Observer>)
        })
    }
}

struct CrossingObserver {
    world: World,
    cluster: Arc<Cluster>,
    spec: Crossing,
}

impl CrossingObserver {
    async fn ask(&self) -> Result<Outcome, ProbeError> {
        let (from, to) = (&self.cluster.key, self.spec.to.key());
        let keys = self.world.keys();
        let inventory = self.world.inventory();
        let there = inventory
            .services
            .iter()
            .filter(|(_, service)| service.scope == ServiceScope::Mesh && service.clusters.includes(to, &keys));
        let hosts: BTreeSet<String> = there.map(|(name, _)| format!("{name}.svc.cluster.local")).collect();
        if hosts.is_empty() {
            let why = format!("the inventory lists no service that {to} shares with the mesh");
            return Ok(Outcome::new(Answer::NoData, why));
        }
        let pods = self.cluster.list("/api/v1/pods", None).await?;
        let Some(pod) = pod_with_proxy(&inventory, &pods, |_| true) else {
            return Ok(Outcome::new(Answer::Bad(Class::Unexpected), format!("no pod in {from} has a ready proxy")));
        };
        let known = owners::of_mesh(&self.world).await?;
        let view = owners::view_of(&known, &self.cluster, &pod.object_ref()).await?;
        let mut addresses: BTreeSet<String> = BTreeSet::new();
        for cluster in
            view.clusters.clusters.iter().filter(|one| one.service.as_ref().is_some_and(|s| hosts.contains(&s.host)))
        {
            let healthy = cluster
                .hosts
                .iter()
                .filter(|host| matches!(host.health.class(), HealthClass::Healthy | HealthClass::Degraded));
            for host in healthy {
                let of_other = matches!(view.known.owner(cluster, host), Owner::Cluster { cluster, .. } if self.world.key_of_istio(&cluster) == to);
                if let Some(socket) = host.address.socket().filter(|_| of_other) {
                    addresses.insert(socket.to_string());
                }
            }
        }
        let name = pod.object_ref().to_string();
        if addresses.is_empty() {
            let why =
                format!("the proxy of {name} in {from} has no healthy endpoint of {to} for any service of the mesh");
            return Ok(Outcome::judged(false, why, json!({ "proxy": name })));
        }
        self.connect(pod, addresses.into_iter().take(TRIED).collect()).await
    }

    /// Connects from a proxy to addresses; all must be reached.
    async fn connect(&self, pod: &Object, addresses: Vec<String>) -> Result<Outcome, ProbeError> {
        let (from, to) = (&self.cluster.key, self.spec.to.key());
        let place = ProxyPlace::of_pod(self.spec.cluster.clone(), pod)?;
        let tries = addresses.iter().map(|address| {
            let observer = FromProxy {
                cluster: Arc::clone(&self.cluster),
                place: place.clone(),
                address: address.clone(),
                timeout: CONNECT.0,
                late_after: None,
            };
            async move { observer.observe(Series::New).await }
        });
        let outcomes = join_all(tries).await;
        let seen = json!({ "proxy": pod.object_ref().to_string(), "addresses": addresses });
        let failed = outcomes.iter().find(|outcome| outcome.answer != Answer::Good);
        Ok(match failed {
            Some(outcome) => {
                Outcome { seen, message: format!("{from} to {to}: {}", outcome.message), ..outcome.clone() }
            }
            None => Outcome::judged(
                true,
                format!(
                    "the proxy of {} in {from} connects to {} of {to}: {}",
                    pod.object_ref(),
                    if addresses.len() == 1 {
                        "the address".to_owned()
                    } else {
                        format!("{} addresses", addresses.len())
                    },
                    addresses.join(", ")
                ),
                seen,
            ),
        })
    }
}

impl Observer for CrossingObserver {
    fn observe(&self, _: Series) -> BoxFuture<'_, Outcome> {
        Box::pin(async move { settle(self.ask().await) })
    }
}
