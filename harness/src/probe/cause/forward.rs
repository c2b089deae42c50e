//! Why what a port-forward leads to does not answer as expected.

use std::sync::Arc;

use meshdrill_checks::observe::kube::Pod;

use super::Asked;
use super::pods::of_found;
use super::routes::of_inside;
use super::service::of_service;
use crate::cluster::{Cluster, ForwardTarget, WorkloadKind, World, select_pods, selector_of};
use crate::probe::admin::ADMIN_PORT;

/// Why it does not answer: its pods, and for a workload of the mesh what stands behind it.
pub(super) async fn of_target(
    world: &World,
    cluster: &Arc<Cluster>,
    target: &ForwardTarget,
    asked: &Asked,
) -> Vec<String> {
    let ForwardTarget { namespace, name, .. } = target;
    match target.kind {
        WorkloadKind::Pod => Vec::new(),
        WorkloadKind::Service => of_service(cluster, namespace, name).await,
        WorkloadKind::Deployment => {
            let Ok((selector, _)) = selector_of(cluster, namespace, target.kind, name).await else { return Vec::new() };
            let Ok(pods) = select_pods(cluster, namespace, &selector).await else { return Vec::new() };
            let own = of_found(cluster, namespace, &selector, &pods).await;
            let meshed =
                pods.iter().filter_map(|pod| Pod::read(pod).ok()).any(|pod| pod.container("istio-proxy").is_some());
            if own.is_empty() && meshed && target.port != ADMIN_PORT {
                of_inside(world, cluster, namespace, asked).await
            } else {
                own
            }
        }
    }
}
