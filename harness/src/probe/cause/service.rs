//! Why nothing answers behind a Service.

use serde_json::Value;

use super::of_pods;
use crate::cluster::{Cluster, PodRef, label_selector, select_pods};
use crate::probe::service::endpoints_of;

/// Why nothing ready stands behind a Service; nothing if something does, or if that may not be asked.
pub(super) async fn of_service(cluster: &Cluster, namespace: &str, name: &str) -> Vec<String> {
    let path = format!("/api/v1/namespaces/{namespace}/services/{name}");
    let place = format!("Service {namespace}/{name} in {}", cluster.key);
    let service: Value = match cluster.get(&path).await {
        Ok(service) => service,
        Err(error) if error.is_not_found() => return vec![format!("{place} does not exist")],
        Err(_) => return Vec::new(),
    };
    let empty = match endpoints_of(cluster, namespace, name).await {
        Ok(endpoints) => endpoints.unwrap_or_default().ready() == 0,
        Err(_) => false,
    };
    if !empty || service["spec"]["type"] == "ExternalName" {
        return Vec::new();
    }
    let mut causes = behind(cluster, &service).await;
    causes.insert(0, format!("{place} has no ready endpoint"));
    causes
}

/// Why no pod of a Service is ready: that it selects none, or what keeps them. Nothing of one whose endpoints somebody else sets.
pub(in crate::probe) async fn behind(cluster: &Cluster, service: &Value) -> Vec<String> {
    let PodRef { namespace, name, .. } = PodRef::of(service);
    let selector = label_selector(&service["spec"]["selector"]);
    if selector.is_empty() {
        return Vec::new();
    }
    let mut causes = of_pods(cluster, &namespace, &selector).await;
    if causes.is_empty() && select_pods(cluster, &namespace, &selector).await.is_ok_and(|pods| pods.is_empty()) {
        causes.push(format!("Service {namespace}/{name} in {} selects no pod: none has {selector}", cluster.key));
    }
    causes
}
