//! The endpoints behind a Service, from its `EndpointSlice`s.

use meshdrill_checks::observe::kube::Endpoints;

use super::ProbeError;
use crate::cluster::Cluster;

/// The endpoints of a Service; none if there is no slice for it, such as where the Service does not exist.
pub(super) async fn service_endpoints(
    cluster: &Cluster,
    namespace: &str,
    name: &str,
) -> Result<Option<Endpoints>, ProbeError> {
    let path = format!("/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices");
    let slices = cluster.list(&path, Some(&format!("kubernetes.io/service-name={name}"))).await?;
    let endpoints = Endpoints::read(&slices, name).map_err(|error| ProbeError(error.to_string()))?;
    Ok((!slices.is_empty()).then_some(endpoints))
}
