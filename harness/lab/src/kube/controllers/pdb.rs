//! `PodDisruptionBudgets`: how many pods may still be evicted.

use serde_json::{Value, json};

use super::replicaset::is_ready;
use crate::store::selector::Selector;
use crate::store::{object, resources};
use crate::world::World;

/// Writes the status of every budget of a namespace.
pub(crate) fn refresh(world: &mut World, cluster: usize, namespace: &str) {
    let budgets: Vec<_> = world.clusters[cluster].store.list(resources::pdbs(), Some(namespace)).cloned().collect();
    for budget in budgets {
        let selector = budget.pointer("/spec/selector").map(Selector::object).unwrap_or_default();
        let pods: Vec<_> = world.clusters[cluster]
            .store
            .list(resources::pods(), Some(namespace))
            .filter(|p| selector.matches(object::labels(p)))
            .collect();
        let expected = to_count(pods.iter().filter(|p| !object::deleting(p)).count());
        let healthy = to_count(pods.iter().filter(|p| is_ready(p) && !object::deleting(p)).count());
        let resolve = |value: &Value| match value {
            Value::String(s) => (expected * s.trim_end_matches('%').parse::<i64>().unwrap_or(0) + 99) / 100,
            other => other.as_i64().unwrap_or(0),
        };
        let desired = match (budget.pointer("/spec/minAvailable"), budget.pointer("/spec/maxUnavailable")) {
            (Some(minimum), _) => resolve(minimum),
            (None, Some(maximum)) => expected - resolve(maximum),
            (None, None) => 0,
        };
        let generation = object::int(&budget, "/metadata/generation");
        let status = json!({"currentHealthy": healthy, "desiredHealthy": desired, "expectedPods": expected,
            "disruptionsAllowed": (healthy - desired).max(0), "observedGeneration": generation});
        world.edit(cluster, resources::pdbs(), namespace, object::name(&budget), |b| object::set(b, "/status", status));
    }
}

fn to_count(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The budget that forbids evicting a pod now.
pub(crate) fn blocking_budget(world: &World, cluster: usize, pod: &Value) -> Option<(String, Value)> {
    let budgets = world.clusters[cluster].store.list(resources::pdbs(), Some(object::namespace(pod)));
    budgets
        .filter(|b| b.pointer("/spec/selector").map(Selector::object).unwrap_or_default().matches(object::labels(pod)))
        .find(|b| object::int(b, "/status/disruptionsAllowed").unwrap_or(0) < 1)
        .map(|b| (object::name(b).to_owned(), b.pointer("/status").cloned().unwrap_or_default()))
}
