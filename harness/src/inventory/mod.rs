//! What a mesh consists of, found out from its clusters: for `mesh init`, `mesh init --update` and `mesh diff`.
//!
//! One list per kind and cluster. What may not be read is `unknown`, with the verb that is missing, and never absent.

mod applications;
mod compare;
mod control_planes;
mod entrypoints;
mod facts;
mod gateways;
mod merge;
mod monitoring;

use std::sync::Arc;

use futures::future::join_all;

pub use self::compare::changes;
use self::facts::Facts;
use crate::cluster::{Cluster, World};
use crate::format::{DrillTargets, GatewayRole, Inventory, MonitoringPlace, Topology};

/// What drills may be allowed to break, as a proposal: the gateways of the entry points, and the workloads behind them.
pub fn proposed_targets(inventory: &Inventory, first_hops: &[(String, String)]) -> DrillTargets {
    let mut targets = DrillTargets::default();
    for entry in inventory.entrypoints.values() {
        if !targets.gateways.contains(&entry.gateway) {
            targets.gateways.push(entry.gateway.clone());
        }
        let behind = first_hops.iter().filter(|(route, _)| entry.route.as_ref() == Some(route));
        for (_, workload) in behind {
            if !targets.workloads.contains(workload) {
                targets.workloads.push(workload.clone());
            }
        }
    }
    targets
}

/// What was found, and where monitoring is that the usual labels do not show.
#[derive(Debug, Default)]
pub struct Detected {
    /// The inventory, without entry points and monitoring until [`ask`] has filled them in.
    pub inventory: Inventory,
    /// By cluster, a Service that may be before a Prometheus.
    pub prometheus: Vec<(String, MonitoringPlace)>,
    /// By route, the workloads that it leads to, as `NAME.NAMESPACE`.
    pub first_hops: Vec<(String, String)>,
}

/// Looks at every cluster, by lists alone.
pub async fn detect(clusters: &[Arc<Cluster>]) -> Detected {
    let facts: Vec<Facts> = join_all(clusters.iter().map(|cluster| Facts::of(cluster))).await;
    let mut inventory = Inventory::default();
    for facts in &facts {
        for (part, why) in &facts.unknown {
            let known = inventory.unknown.entry((*part).to_owned()).or_insert_with(|| why.clone());
            if !known.contains(why.as_str()) {
                *known = format!("{known}; {why}");
            }
        }
    }
    inventory.control_planes = control_planes::detect(&facts);
    inventory.gateways = gateways::detect(&facts);
    inventory.topology = topology(&inventory, &facts);
    (inventory.namespaces, inventory.services) = applications::detect(&facts);
    inventory.dashboards = monitoring::dashboards(&facts);
    inventory.entrypoints = entrypoints::candidates(&facts, &inventory);
    Detected { inventory, prometheus: monitoring::places(&facts), first_hops: entrypoints::first_hops(&facts) }
}

/// Asks what lists do not show: what entry points answer, and what each Prometheus has. By cluster, the places of
/// Alertmanagers that the usual labels do not show.
pub async fn ask(world: &World, inventory: &mut Inventory) -> Vec<(String, MonitoringPlace)> {
    entrypoints::ask(world, inventory).await;
    let alertmanagers = monitoring::ask(world, inventory).await;
    inventory.absent = absent(inventory, world.clusters.len());
    alertmanagers
}

fn topology(inventory: &Inventory, facts: &[Facts]) -> Option<Topology> {
    let keys: Vec<String> = facts.iter().map(|facts| facts.key.clone()).collect();
    if inventory.control_planes.is_empty() {
        None
    } else if keys.len() == 1 {
        Some(Topology::SingleCluster)
    } else if inventory.primaries(&keys).len() == keys.len() {
        Some(Topology::MultiPrimary)
    } else {
        Some(Topology::PrimaryRemote)
    }
}

/// The parts that the mesh does not have, as far as they are known.
fn absent(inventory: &Inventory, clusters: usize) -> Vec<String> {
    let has = |role| inventory.gateways.values().any(|gateway| gateway.role == role);
    let prometheus = || inventory.prometheus.values();
    let parts = [
        ("controlPlanes", "control plane", inventory.control_planes.is_empty()),
        ("gateways", "ingress gateway", !has(GatewayRole::Ingress)),
        ("gateways", "east-west gateway", clusters > 1 && !has(GatewayRole::EastWest)),
        ("entrypoints", "entry point", inventory.entrypoints.is_empty()),
        ("namespaces", "application", inventory.namespaces.is_empty()),
        ("prometheus", "Prometheus", inventory.prometheus.is_empty()),
        ("prometheus", "federation", clusters > 1 && prometheus().all(|one| one.federates.is_empty())),
        ("prometheus", "alerting rules", prometheus().all(|one| !one.rules)),
        ("prometheus", "Alertmanager", prometheus().all(|one| !one.alertmanager)),
        ("dashboards", "dashboard", inventory.dashboards.is_empty()),
    ];
    let missing = parts.into_iter().filter(|(part, _, gone)| *gone && !inventory.unknown.contains_key(*part));
    missing.map(|(_, name, _)| name.to_owned()).collect()
}
