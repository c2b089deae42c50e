//! Why what a port-forward leads to does not answer as expected.

use serde_json::Value;

use super::of_pods;
use super::routes::of_inside;
use super::service::of_service;
use crate::cluster::{Cluster, ForwardTarget, WorkloadKind, label_selector};
use crate::probe::admin::ADMIN_PORT;

/// Why it does not answer: its pods, and for a workload of the mesh what stands behind it.
pub(super) async fn of_target(cluster: &Cluster, target: &ForwardTarget, status: Option<u64>) -> Vec<String> {
    let ForwardTarget { namespace, name, .. } = target;
    match target.kind {
        WorkloadKind::Pod => Vec::new(),
        WorkloadKind::Service => of_service(cluster, namespace, name).await,
        WorkloadKind::Deployment => {
            let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments/{name}");
            let Ok(object) = cluster.get::<Value>(&path).await else { return Vec::new() };
            let own = of_pods(cluster, namespace, &label_selector(&object["spec"]["selector"]["matchLabels"])).await;
            if own.is_empty() && target.port != ADMIN_PORT { of_inside(cluster, namespace, status).await } else { own }
        }
    }
}
