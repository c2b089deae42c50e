//! Event objects, as `kubectl describe` lists them.

use serde_json::{Value, json};

use crate::store::{object, resources};
use crate::world::World;

/// Records an event about an object; a repetition increments its count.
pub(crate) fn record(
    world: &mut World,
    cluster: usize,
    about: &Value,
    kind: &str,
    warning: bool,
    reason: &str,
    message: &str,
) {
    if world.booting {
        return;
    }
    let namespace = if object::namespace(about).is_empty() { "default" } else { object::namespace(about) };
    let tail = crate::rng::hash_name(&format!("{}{reason}{message}", object::uid(about)), 16);
    let name = format!("{}.{tail}", object::name(about));
    let date = world.date();
    if world.clusters[cluster].store.get(resources::events(), namespace, &name).is_some() {
        world.edit(cluster, resources::events(), namespace, &name, |event| {
            let count = object::int(event, "/count").unwrap_or(1) + 1;
            object::set(event, "/count", json!(count));
            object::set(event, "/lastTimestamp", json!(date));
        });
        return;
    }
    let value = json!({
        "apiVersion": "v1", "kind": "Event",
        "metadata": {"name": name, "namespace": namespace},
        "involvedObject": {"apiVersion": about.get("apiVersion").cloned().unwrap_or_else(|| json!("v1")), "kind": kind,
            "name": object::name(about), "namespace": object::namespace(about), "uid": object::uid(about)},
        "reason": reason, "message": message, "type": if warning { "Warning" } else { "Normal" },
        "firstTimestamp": date, "lastTimestamp": date, "count": 1, "eventTime": null,
        "source": {"component": "lab"}, "reportingComponent": "lab", "reportingInstance": "",
    });
    world.create(cluster, resources::events(), value);
}
