//! Fills an empty world, with an hour of history.

use super::build::kubernetes;
use super::meshes::seed_of;
use super::pki;
use crate::config::LabConfig;
use crate::defects::DefectPlan;
use crate::engine::settle;
use crate::error::LabError;
use crate::kube::controllers::endpoints;
use crate::kube::kube_proxy;
use crate::mesh::push;
use crate::prom::{history, scrape};
use crate::store::{object, resources};
use crate::world::{Cluster, World};

/// How long the mesh has been up.
const UP: i64 = 3_600_000;

/// The empty clusters of a lab.
pub(crate) fn clusters(config: &LabConfig) -> Vec<Cluster> {
    let seed = seed_of(config.mesh);
    let count = if seed.resizable { config.clusters } else { seed.clusters.len() };
    let names = seed.clusters.iter().take(count).enumerate();
    names
        .map(|(index, names)| {
            let mut cluster = Cluster::new(index, config.seed, names, seed.mesh_id);
            cluster.quirks.webhooks = vec![seed.webhook];
            cluster
        })
        .collect()
}

/// Fills an empty world.
pub(crate) fn boot(world: &mut World, config: &LabConfig) -> Result<(), LabError> {
    world.clusters = clusters(config);
    let seed = seed_of(config.mesh);
    let defects = DefectPlan::new(world, config.mesh, &config.defects)?;
    world.now = -UP;
    world.booting = true;
    defects.before_objects(world)?;
    let pki = pki::make(world).map_err(|e| LabError::Certificates(e.to_string()))?;
    for (cluster, files) in pki.iter().enumerate() {
        kubernetes::system_namespaces(world, cluster);
        (seed.fill)(world, cluster, files);
    }
    settle(world);
    defects.in_objects(world)?;
    settle(world);
    for cluster in 0..world.clusters.len() {
        let spaces: Vec<String> = world.clusters[cluster]
            .store
            .list(resources::namespaces(), None)
            .map(|n| object::name(n).to_owned())
            .collect();
        for space in spaces {
            endpoints::write(world, cluster, &space);
        }
        kube_proxy::sync(world, cluster);
    }
    push::connect_all(world);
    world.clear_queue();
    defects.in_proxies(world)?;
    settle(world);
    history::backfill(world);
    world.booting = false;
    world.now = 0;
    defects.at_start(world)?;
    settle(world);
    for cluster in 0..world.clusters.len() {
        world.clusters[cluster].grants.strict = config.least_privilege;
        scrape::begin(world, cluster);
    }
    Ok(())
}

/// Creates the clusters alone, without a mesh: their names and uids.
pub(crate) fn outline(world: &mut World, config: &LabConfig) {
    world.clusters = clusters(config);
    (world.now, world.booting) = (-UP, true);
    for cluster in 0..world.clusters.len() {
        kubernetes::system_namespaces(world, cluster);
    }
}
