//! kube-proxy: writes the rules of Services from time to time.

use super::proxy_rules::Rules;
use crate::world::{Event, World};

/// Schedules a sync; kube-proxy gathers changes for up to a second.
pub(crate) fn schedule(world: &mut World, c: usize) {
    if !world.clusters[c].rules.scheduled && !world.booting {
        world.clusters[c].rules.scheduled = true;
        let delay = world.rng.between(500, 1000);
        world.after(delay, Event::KubeProxy(c));
    }
}

/// Writes the rules again, from Services and `EndpointSlices`.
pub(crate) fn sync(world: &mut World, c: usize) {
    world.clusters[c].rules = Rules::read(&world.clusters[c].store);
}
