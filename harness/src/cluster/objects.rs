//! The API path of an object of any kind.

use kube::core::GroupVersionKind;
use kube::discovery::Scope;

use super::{AccessError, Cluster, Object, ObjectName};

/// The API path of all `VirtualServices` of a cluster.
pub(crate) const VIRTUAL_SERVICES: &str = "/apis/networking.istio.io/v1/virtualservices";

impl Cluster {
    /// The path of the collection of an object; not found if the cluster has no such kind.
    pub async fn collection_path(&self, object: ObjectName<'_>) -> Result<String, AccessError> {
        let (group, version) = object.api_version.split_once('/').unwrap_or(("", object.api_version));
        let gvk = GroupVersionKind::gvk(group, version, object.kind);
        let discovered = self.bounded(kube::discovery::pinned_kind(&self.client, &gvk)).await;
        let (resource, capabilities) = discovered.map_err(|error| match error {
            AccessError::Unreachable { .. } | AccessError::Timeout { .. } | AccessError::Unauthorized { .. } => error,
            other => AccessError::NotFound {
                cluster: self.key.clone(),
                why: format!("there is no kind {} in {} ({other})", object.kind, object.api_version),
            },
        })?;
        let base = if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") };
        match (capabilities.scope, object.namespace) {
            (Scope::Namespaced, Some(namespace)) => Ok(format!("{base}/namespaces/{namespace}/{}", resource.plural)),
            (Scope::Namespaced, None) => Err(self.other(format!("{object} needs a namespace"))),
            (Scope::Cluster, _) => Ok(format!("{base}/{}", resource.plural)),
        }
    }

    /// An object and its path; not found also if the cluster has no such kind.
    pub async fn find_object(&self, object: ObjectName<'_>) -> Result<(String, Object), AccessError> {
        let path = format!("{}/{}", self.collection_path(object).await?, object.name);
        let found = self.get(&path).await?;
        Ok((path, found))
    }

    /// An object that must be there, and its path. If it is not, the error has the nearest name.
    pub async fn find_named_object(&self, object: ObjectName<'_>) -> Result<(String, Object), AccessError> {
        let collection = self.collection_path(object).await?;
        let found = self.get_named(&collection, object.name).await?;
        Ok((format!("{collection}/{}", object.name), found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plurals_are_those_of_the_api() {
        let plural = |kind| ObjectName { api_version: "v1", kind, namespace: None, name: "" }.plural();
        let kinds =
            ["NetworkPolicy", "Gateway", "Ingress", "Endpoints", "PodChaos", "DestinationRule", "Mesh", "Proxy"];
        let plurals = [
            "networkpolicies",
            "gateways",
            "ingresses",
            "endpoints",
            "podchaos",
            "destinationrules",
            "meshes",
            "proxies",
        ];
        assert_eq!(kinds.map(plural), plurals);
    }
}
