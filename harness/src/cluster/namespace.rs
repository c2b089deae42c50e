//! Whether a namespace exists: that nothing is found in one that does not exist shows nothing.

use meshdrill_document::nearest;

use super::{AccessError, Cluster, Object};

impl Cluster {
    /// Fails if a namespace does not exist, with the nearest name. To be asked before an absence is taken for a result.
    pub async fn must_have_namespace(&self, namespace: &str) -> Result<(), AccessError> {
        match self.find::<Object>(&format!("/api/v1/namespaces/{namespace}")).await {
            Ok(Some(_)) => return Ok(()),
            Ok(None) => {}
            Err(AccessError::Forbidden { cluster, why }) => {
                let why = format!(
                    "{why}; nothing was found in namespace `{namespace}`, and whether it exists is unknown: grant `get` on it"
                );
                return Err(AccessError::Forbidden { cluster, why });
            }
            Err(error) => return Err(error),
        }
        let known = self.list("/api/v1/namespaces", None).await.unwrap_or_default();
        let near = nearest(namespace, known.iter().map(Object::name));
        let hint = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        Err(AccessError::NoNamespace { cluster: self.key.clone(), namespace: namespace.to_owned(), hint })
    }
}
