//! Pods by selector or by their workload.

use std::net::IpAddr;

use serde_json::Value;

use super::{AccessError, Cluster, Object, WorkloadKind};

/// The pods that match a selector, without those that have ended. An error if there are none because there is no such namespace.
pub async fn select_pods(cluster: &Cluster, namespace: &str, selector: &str) -> Result<Vec<Object>, AccessError> {
    let mut pods = cluster.list(&format!("/api/v1/namespaces/{namespace}/pods"), Some(selector)).await?;
    if pods.is_empty() {
        cluster.may_have_namespace(namespace).await?;
    }
    pods.retain(|pod| !matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed")));
    Ok(pods)
}

/// The ready pods that match a selector, without those that are terminating.
pub async fn ready_pods(cluster: &Cluster, namespace: &str, selector: &str) -> Result<Vec<Object>, AccessError> {
    let mut pods = select_pods(cluster, namespace, selector).await?;
    pods.retain(is_serving);
    Ok(pods)
}

/// All addresses of a pod: two in a dual-stack cluster.
pub(crate) fn pod_addresses(pod: &Value) -> Vec<IpAddr> {
    let status = &pod["status"];
    let all = status["podIPs"].as_array().into_iter().flatten().map(|one| &one["ip"]);
    let mut found: Vec<IpAddr> = all.chain([&status["podIP"]]).filter_map(|ip| ip.as_str()?.parse().ok()).collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// Whether a pod has a sidecar, be it a native one, or is a gateway.
pub(crate) fn has_proxy(pod: &Value) -> bool {
    let lists = ["containers", "initContainers"].into_iter().filter_map(|list| pod["spec"][list].as_array());
    lists.flatten().any(|container| container["name"] == "istio-proxy")
}

/// Whether a pod is ready and not terminating.
pub(crate) fn is_serving(pod: &Object) -> bool {
    !pod.is_terminating() && is_ready(pod)
}

/// Whether a pod or a node is ready.
pub(crate) fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array();
    conditions.into_iter().flatten().any(|one| one["type"] == "Ready" && one["status"] == "True")
}

/// The label selector of a workload, as `key=value,…`.
pub(crate) async fn workload_selector(
    cluster: &Cluster,
    namespace: &str,
    kind: WorkloadKind,
    name: &str,
) -> Result<(String, Object), AccessError> {
    let collection = match kind {
        WorkloadKind::Deployment => format!("/apis/apps/v1/namespaces/{namespace}/deployments"),
        WorkloadKind::Service | WorkloadKind::Pod => format!("/api/v1/namespaces/{namespace}/services"),
    };
    let object = cluster.get_named(&collection, name).await?;
    let labels = match kind {
        WorkloadKind::Deployment => &object["spec"]["selector"]["matchLabels"],
        WorkloadKind::Service | WorkloadKind::Pod => &object["spec"]["selector"],
    };
    let selector = label_selector(labels);
    if selector.is_empty() {
        return Err(cluster.other(format!("{namespace}/{name} has no selector, so it has no pods")));
    }
    Ok((selector, object))
}

/// A map of labels as the label selector `key=value,…`.
pub(crate) fn label_selector(labels: &Value) -> String {
    let labels = labels.as_object().into_iter().flatten();
    labels.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect::<Vec<_>>().join(",")
}
