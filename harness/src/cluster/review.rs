//! Access reviews: asks the API server whether something is permitted.

use serde_json::{Value, json};

use super::{AccessError, Cluster, Permission};

impl Cluster {
    /// An error if the credentials lack one of these permissions.
    pub async fn must_permit(&self, permissions: &[Permission]) -> Result<(), AccessError> {
        for permission in permissions {
            if !self.permits(permission).await? {
                return Err(self
                    .other(format!("the credentials do not permit {permission}; grant it, or use other credentials")));
            }
        }
        Ok(())
    }

    /// Whether the credentials in use permit it.
    pub async fn permits(&self, permission: &Permission) -> Result<bool, AccessError> {
        if self.granted.lately(permission) {
            return Ok(true);
        }
        let (resource, subresource) = permission.resource.split_once('/').unwrap_or((&permission.resource, ""));
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": { "resourceAttributes": {
                "namespace": permission.namespace, "verb": permission.verb, "group": permission.group,
                "resource": resource, "subresource": subresource
            } }
        });
        let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
        let answer: Value = self.send(http::Method::POST, path, "application/json", &review).await?;
        let allowed = answer["status"]["allowed"] == true;
        if allowed {
            self.granted.note(permission);
        }
        Ok(allowed)
    }
}
