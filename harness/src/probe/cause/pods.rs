//! Why pods are not ready or do not exist.

use meshdrill_checks::observe::kube::Pod;

use super::{SHOWN, objects};
use crate::cluster::{Cluster, Object, label_selector, select_pods};

/// Why the pods that match a selector are not ready, or why there are none.
pub(in crate::probe) async fn pod_causes(cluster: &Cluster, namespace: &str, selector: &str) -> Vec<String> {
    match select_pods(cluster, namespace, selector).await {
        Ok(found) => found_pod_causes(cluster, namespace, selector, &found).await,
        Err(_) => Vec::new(),
    }
}

/// The same for pods that are already known.
pub(super) async fn found_pod_causes(
    cluster: &Cluster,
    namespace: &str,
    selector: &str,
    found: &[Object],
) -> Vec<String> {
    let pods: Vec<Pod> = found.iter().filter_map(|pod| Pod::read(pod).ok()).collect();
    let kept = pods.iter().filter(|pod| !pod.terminating).filter_map(|pod| {
        let why = pod.hindrance()?;
        Some(format!("pod {namespace}/{} in {}: {why}", pod.name, cluster.key))
    });
    let mut causes: Vec<String> = kept.take(SHOWN).collect();
    if pods.iter().all(|pod| pod.terminating) {
        causes.extend(uncreated(cluster, namespace, selector).await);
    }
    causes
}

/// Why the owners of pods create none; none if no owner reports a reason.
async fn uncreated(cluster: &Cluster, namespace: &str, selector: &str) -> Option<String> {
    let path = format!("/apis/apps/v1/namespaces/{namespace}/replicasets");
    let sets = objects(cluster, &path, Some(selector)).await?;
    let refused = sets.iter().find_map(|set| {
        let conditions = set["status"]["conditions"].as_array()?;
        let failure = conditions.iter().find(|one| one["type"] == "ReplicaFailure" && one["status"] == "True")?;
        Some((set.name(), failure["message"].as_str()?))
    });
    if let Some((name, message)) = refused {
        return Some(format!("ReplicaSet {namespace}/{name} in {} cannot create its pods: {message}", cluster.key));
    }
    let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments");
    let deployments = objects(cluster, &path, None).await?;
    let wanted: Vec<&str> = selector.split(',').collect();
    let scaled = deployments.iter().find(|one| {
        let labels = label_selector(&one["spec"]["template"]["metadata"]["labels"]);
        one["spec"]["replicas"] == 0 && wanted.iter().all(|label| labels.split(',').any(|own| own == *label))
    });
    let name = scaled?.name();
    Some(format!("Deployment {namespace}/{name} in {} is scaled to 0", cluster.key))
}
