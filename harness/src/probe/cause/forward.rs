//! Why the target of a port-forward does not respond as expected.

use std::sync::Arc;

use meshdrill_checks::observe::kube::Pod;

use super::Asked;
use super::pods::found_pod_causes;
use super::routes::workload_causes;
use super::service::service_causes;
use crate::cluster::{Cluster, ForwardTarget, WorkloadKind, World, select_pods, workload_selector};
use crate::probe::admin::ADMIN_PORT;

/// The causes: its pods and, for a workload of the mesh, the workloads that it calls.
pub(super) async fn forward_causes(
    world: &World,
    cluster: &Arc<Cluster>,
    target: &ForwardTarget,
    asked: &Asked,
) -> Vec<String> {
    let ForwardTarget { namespace, name, .. } = target;
    match target.kind {
        WorkloadKind::Pod => Vec::new(),
        WorkloadKind::Service => service_causes(cluster, namespace, name).await,
        WorkloadKind::Deployment => {
            let Ok((selector, _)) = workload_selector(cluster, namespace, target.kind, name).await else {
                return Vec::new();
            };
            let Ok(pods) = select_pods(cluster, namespace, &selector).await else { return Vec::new() };
            let own = found_pod_causes(cluster, namespace, &selector, &pods).await;
            let meshed =
                pods.iter().filter_map(|pod| Pod::read(pod).ok()).any(|pod| pod.container("istio-proxy").is_some());
            if own.is_empty() && meshed && target.port != ADMIN_PORT {
                workload_causes(world, cluster, namespace, asked).await
            } else {
                own
            }
        }
    }
}
