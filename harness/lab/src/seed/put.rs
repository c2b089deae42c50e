//! Creates objects while the mesh is set up.

use serde_json::Value;

use crate::engine::settle;
use crate::kube::admission;
use crate::store::Resource;
use crate::world::World;

/// Creates an object as the API server does, with admission.
pub(crate) fn put(world: &mut World, cluster: usize, resource: &'static Resource, mut value: Value) {
    if admission::admit(world, cluster, resource, &mut value).is_ok() {
        world.create(cluster, resource, value);
        settle(world);
    }
}
