//! Who controls a pod, and how many pods that owner desires.

use super::{AccessError, Cluster, Object, ObjectName};

/// The controller of a pod: the Deployment or the Argo Rollout, not its `ReplicaSet`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner {
    /// Its API version.
    pub api_version: String,
    /// Its kind.
    pub kind: String,
    /// Its namespace: that of the pod.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
    }
}

impl Owner {
    /// The controller of a pod; none if nothing controls it.
    pub fn of(pod: &Object) -> Option<Self> {
        let (api_version, kind, name) = pod.controller()?;
        let stem = |label: &str| name.strip_suffix(pod.label(label)?)?.strip_suffix('-').map(str::to_owned);
        let owner = |api_version: &str, kind: &str, name: String| Self {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            namespace: pod.namespace().to_owned(),
            name,
        };
        Some(match kind {
            "ReplicaSet" => match (stem("pod-template-hash"), stem("rollouts-pod-template-hash")) {
                (Some(name), _) => owner("apps/v1", "Deployment", name),
                (None, Some(name)) => owner("argoproj.io/v1alpha1", "Rollout", name),
                (None, None) => owner(api_version, kind, name.to_owned()),
            },
            _ => owner(api_version, kind, name.to_owned()),
        })
    }

    /// How many pods it desires: the replicas of its spec or of its scale subresource, or, for a `DaemonSet`, the nodes it is
    /// meant to run on. None where it does not say so, where its kind is unknown to the API server, or where a custom kind may
    /// not be read.
    pub async fn desired_pods(&self, cluster: &Cluster) -> Result<Option<u64>, AccessError> {
        let named = ObjectName {
            api_version: &self.api_version,
            kind: &self.kind,
            namespace: Some(&self.namespace),
            name: &self.name,
        };
        if self.api_version == "apps/v1" {
            let path = format!("/apis/apps/v1/namespaces/{}/{}/{}", self.namespace, named.plural(), self.name);
            let object: Object = cluster.get(&path).await?;
            return Ok(match self.kind.as_str() {
                "DaemonSet" => object["status"]["desiredNumberScheduled"].as_u64(),
                _ => u64::try_from(object.replicas()).ok(),
            });
        }
        let (path, object) = match cluster.find_object(named).await {
            Ok(found) => found,
            Err(AccessError::NotFound { .. } | AccessError::Forbidden { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        match cluster.get::<Object>(&format!("{path}/scale")).await {
            Ok(scale) => Ok(scale["spec"]["replicas"].as_u64()),
            Err(AccessError::Unreachable { .. } | AccessError::Timeout { .. }) => {
                Err(cluster.other(format!("{self}: its scale could not be read")))
            }
            Err(_) => Ok(object["spec"]["replicas"].as_u64()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_owner_of_a_pod_is_what_people_scale() {
        let pod = |kind: &str, name: &str, labels: serde_json::Value| {
            let owner = json!({ "apiVersion": "apps/v1", "kind": kind, "name": name, "controller": true });
            let metadata = json!({ "namespace": "shop", "labels": labels, "ownerReferences": [owner] });
            Owner::of(&Object::from(json!({ "metadata": metadata }))).map(|owner| owner.to_string())
        };
        let hash = |label: &str| json!({ label: "6f9c" });
        assert_eq!(pod("ReplicaSet", "cart-6f9c", hash("pod-template-hash")).unwrap(), "Deployment shop/cart");
        assert_eq!(pod("ReplicaSet", "cart-6f9c", hash("rollouts-pod-template-hash")).unwrap(), "Rollout shop/cart");
        assert_eq!(pod("ReplicaSet", "cart", json!({})).unwrap(), "ReplicaSet shop/cart");
        assert_eq!(pod("StrimziPodSet", "kafka", json!({})).unwrap(), "StrimziPodSet shop/kafka");
        assert_eq!(Owner::of(&Object::default()), None);
    }
}
