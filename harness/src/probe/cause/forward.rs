//! Why what a port-forward leads to does not answer as expected.

use meshdrill_checks::observe::kube::Pod;

use super::routes::of_inside;
use super::service::of_service;
use super::{Asked, of_pods};
use crate::cluster::{Cluster, ForwardTarget, WorkloadKind, World, select_pods, selector_of};
use crate::probe::admin::ADMIN_PORT;

/// Why it does not answer: its pods, and for a workload of the mesh what stands behind it.
pub(super) async fn of_target(world: &World, cluster: &Cluster, target: &ForwardTarget, asked: &Asked) -> Vec<String> {
    let ForwardTarget { namespace, name, .. } = target;
    match target.kind {
        WorkloadKind::Pod => Vec::new(),
        WorkloadKind::Service => of_service(cluster, namespace, name).await,
        WorkloadKind::Deployment => {
            let Ok((selector, _)) = selector_of(cluster, namespace, target.kind, name).await else { return Vec::new() };
            let own = of_pods(cluster, namespace, &selector).await;
            let pods = select_pods(cluster, namespace, &selector).await.unwrap_or_default();
            let meshed = |pod: &Pod| pod.container("istio-proxy").is_some();
            let meshed = pods.iter().any(|pod| Pod::read(pod).is_ok_and(|pod| meshed(&pod)));
            if own.is_empty() && meshed && target.port != ADMIN_PORT {
                of_inside(world, cluster, namespace, asked.status).await
            } else {
                own
            }
        }
    }
}
