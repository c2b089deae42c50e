//! kube-proxy: writes the rules of Services after changes.

use super::proxy_rules::Rules;
use crate::world::{Event, World};

/// Schedules a sync; kube-proxy gathers changes for up to a second.
pub(crate) fn schedule(world: &mut World, cluster: usize) {
    if !world.clusters[cluster].rules.scheduled && !world.booting {
        world.clusters[cluster].rules.scheduled = true;
        let delay = world.rng.between(500, 1000);
        world.after(delay, Event::KubeProxy(cluster));
    }
}

/// Writes the rules again, from Services and `EndpointSlices`.
pub(crate) fn sync(world: &mut World, cluster: usize) {
    world.clusters[cluster].rules = Rules::read(&world.clusters[cluster].store);
}
