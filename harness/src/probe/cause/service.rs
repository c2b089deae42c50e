//! Why a Service has no ready endpoint.

use super::pods::found_pod_causes;
use crate::cluster::{Cluster, Object, ObjectRef, label_selector, select_pods};
use crate::probe::slices::service_endpoints;

/// A Service; null if it may not be read, and the cause if it does not exist.
pub(super) async fn find(cluster: &Cluster, namespace: &str, name: &str) -> Result<Object, String> {
    match cluster.get::<Object>(&format!("/api/v1/namespaces/{namespace}/services/{name}")).await {
        Err(error) if error.is_not_found() => {
            Err(format!("Service {namespace}/{name} in {} does not exist", cluster.key))
        }
        found => Ok(found.unwrap_or_default()),
    }
}

/// Whether a Service has a ready endpoint; false if that is unknown.
pub(super) async fn is_served(cluster: &Cluster, namespace: &str, name: &str) -> bool {
    let found = service_endpoints(cluster, namespace, name).await;
    found.is_ok_and(|endpoints| endpoints.is_some_and(|endpoints| endpoints.ready() > 0))
}

/// Why a Service has no ready endpoint; nothing if it has one, or if that is unknown.
pub(super) async fn service_causes(cluster: &Cluster, namespace: &str, name: &str) -> Vec<String> {
    match find(cluster, namespace, name).await {
        Ok(service) => found_service_causes(cluster, &service).await,
        Err(cause) => vec![cause],
    }
}

/// The same for a Service that is already known.
pub(super) async fn found_service_causes(cluster: &Cluster, service: &Object) -> Vec<String> {
    if service.is_null() || service["spec"]["type"] == "ExternalName" {
        return Vec::new();
    }
    let of = service.object_ref();
    let endpoints = service_endpoints(cluster, &of.namespace, &of.name).await;
    if !endpoints.is_ok_and(|endpoints| endpoints.unwrap_or_default().ready() == 0) {
        return Vec::new();
    }
    let mut causes = behind(cluster, service).await;
    causes.insert(0, format!("Service {of} in {} has no ready endpoint", cluster.key));
    causes
}

/// Why no pod of a Service is ready: it selects none, or they are not ready. Nothing for a Service without a selector.
pub(in crate::probe) async fn behind(cluster: &Cluster, service: &Object) -> Vec<String> {
    let ObjectRef { namespace, name, .. } = service.object_ref();
    let selector = label_selector(&service["spec"]["selector"]);
    if selector.is_empty() {
        return Vec::new();
    }
    let Ok(pods) = select_pods(cluster, &namespace, &selector).await else { return Vec::new() };
    let mut causes = found_pod_causes(cluster, &namespace, &selector, &pods).await;
    if causes.is_empty() && pods.is_empty() {
        causes.push(format!("Service {namespace}/{name} in {} selects no pod: none has {selector}", cluster.key));
    }
    causes
}
