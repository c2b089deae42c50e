//! The mesh as it is when the lab starts: the objects the quick-start guide's set-up leaves behind, and an hour of history.

mod apps;
mod cluster;
mod istio;
mod observability;
mod pki;

use serde_json::Value;

use crate::defects::Plan;
use crate::lab::{LabConfig, LabError};
use crate::store::{Resource, object, resources};
use crate::world::{Cluster, World};

/// How long the mesh has been up.
const UP: i64 = 3_600_000;

/// Fills an empty world.
pub(crate) fn boot(world: &mut World, config: &LabConfig) -> Result<(), LabError> {
    world.clusters = (0..config.clusters).map(|index| Cluster::new(index, config.seed)).collect();
    let defects = Plan::new(world, &config.defects)?;
    world.now = -UP;
    world.booting = true;
    defects.before_objects(world);
    let pki = pki::make(world).map_err(|e| LabError::Certificates(e.to_string()))?;
    for (c, files) in pki.iter().enumerate() {
        cluster::seed(world, c);
        istio::seed(world, c, files);
        apps::seed(world, c);
        observability::seed(world, c);
    }
    world.settle();
    defects.in_objects(world);
    world.settle();
    for c in 0..world.clusters.len() {
        let spaces: Vec<String> =
            world.clusters[c].store.list(resources::namespaces(), None).map(|n| object::name(n).to_owned()).collect();
        for space in spaces {
            crate::kube::controllers::endpoints::write(world, c, &space);
        }
        crate::kube::proxy_rules::sync(world, c);
    }
    crate::mesh::istiod::connect_all(world);
    world.clear_queue();
    defects.in_proxies(world);
    world.settle();
    crate::prom::history::rehearse(world);
    world.booting = false;
    world.now = 0;
    defects.at_start(world);
    world.settle();
    for c in 0..world.clusters.len() {
        world.clusters[c].grants.strict = config.least_privilege;
        crate::prom::scrape::begin(world, c);
    }
    Ok(())
}

/// The clusters alone, as they are named and pinned.
pub(crate) fn outline(world: &mut World, config: &LabConfig) {
    world.clusters = (0..config.clusters).map(|index| Cluster::new(index, config.seed)).collect();
    (world.now, world.booting) = (-UP, true);
    for c in 0..world.clusters.len() {
        cluster::seed(world, c);
    }
}

/// Creates an object as the API server would, admission included.
pub(crate) fn put(world: &mut World, c: usize, resource: &'static Resource, mut value: Value) {
    if crate::kube::admission::admit(world, c, resource, &mut value).is_ok() {
        world.create(c, resource, value);
        world.settle();
    }
}
