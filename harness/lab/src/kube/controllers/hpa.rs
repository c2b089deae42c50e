//! `HorizontalPodAutoscalers`. They are disabled at 0 replicas, and report that they have no metrics.

use serde_json::json;

use crate::store::{object, resources};
use crate::world::World;

/// Writes the status of every autoscaler of a namespace.
pub(crate) fn refresh(world: &mut World, cluster: usize, namespace: &str) {
    let all: Vec<_> = world.clusters[cluster].store.list(resources::hpas(), Some(namespace)).cloned().collect();
    for hpa in all {
        let target = object::text(&hpa, "/spec/scaleTargetRef/name");
        let Some(deployment) = world.clusters[cluster].store.get(resources::deployments(), namespace, target).cloned()
        else {
            continue;
        };
        let replicas = object::int(&deployment, "/spec/replicas").unwrap_or(1);
        let minimum = object::int(&hpa, "/spec/minReplicas").unwrap_or(1);
        let maximum = object::int(&hpa, "/spec/maxReplicas").unwrap_or(5);
        let date = world.date();
        let active = if replicas == 0 {
            json!({"type": "ScalingActive", "status": "False", "reason": "ScalingDisabled",
                "message": "scaling is disabled since the replica count of the target is zero", "lastTransitionTime": date})
        } else {
            json!({"type": "ScalingActive", "status": "False", "reason": "FailedGetResourceMetric",
                "message": "the HPA was unable to compute the replica count: failed to get cpu utilization: unable to get metrics for resource cpu: unable to \
                    fetch metrics from resource metrics API: the server could not find the requested resource (get pods.metrics.k8s.io)",
                "lastTransitionTime": date})
        };
        let old =
            object::items(&hpa, "/status/conditions").iter().find(|x| object::text(x, "/type") == "ScalingActive");
        let same = old.is_some_and(|o| object::text(o, "/reason") == object::text(&active, "/reason"));
        if !same || object::int(&hpa, "/status/currentReplicas") != Some(replicas) {
            let status = json!({"currentReplicas": replicas, "desiredReplicas": 0, "conditions": [
                {"type": "AbleToScale", "status": "True", "reason": "SucceededGetScale", "message": "the HPA controller was able to get the target's current scale", "lastTransitionTime": date}, active]});
            world
                .edit(cluster, resources::hpas(), namespace, object::name(&hpa), |h| object::set(h, "/status", status));
        }
        // Even without metrics an autoscaler keeps replica counts other than 0 between minimum and maximum.
        let never_disabled = world.clusters[cluster].quirks.never_disabled.iter().any(|n| n == object::name(&hpa));
        if (replicas > 0 || never_disabled) && !(minimum..=maximum).contains(&replicas) && !world.booting {
            let to = replicas.clamp(minimum, maximum);
            world.edit(cluster, resources::deployments(), namespace, target, |d| {
                object::set(d, "/spec/replicas", json!(to))
            });
        }
    }
}
