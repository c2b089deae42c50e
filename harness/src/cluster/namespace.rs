//! Names that lead nowhere: that nothing is found in a namespace that does not exist shows nothing.

use meshdrill_document::nearest;
use serde_json::Value;

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
        Err(self.no_namespace(namespace).await)
    }

    /// Fails if a namespace is known not to exist, with the nearest name. To be asked where the absence is an error anyway: without
    /// the permission to look, the namespace counts as one that exists.
    pub async fn may_have_namespace(&self, namespace: &str) -> Result<(), AccessError> {
        match self.find::<Object>(&format!("/api/v1/namespaces/{namespace}")).await {
            Ok(None) => Err(self.no_namespace(namespace).await),
            _ => Ok(()),
        }
    }

    /// GET of an object that somebody named. If there is none, the error names the namespace that does not exist, or the nearest
    /// name.
    pub async fn get_named(&self, collection: &str, name: &str) -> Result<Object, AccessError> {
        match self.get(&format!("{collection}/{name}")).await {
            Err(AccessError::NotFound { cluster, why }) => {
                let mut segments = collection.split('/').skip_while(|segment| *segment != "namespaces").skip(1);
                if let Some(namespace) = segments.next() {
                    self.may_have_namespace(namespace).await?;
                }
                // One page is enough for a hint.
                let page: Value = self.get(&format!("{collection}?limit=500")).await.unwrap_or_default();
                let known = page["items"].as_array().into_iter().flatten();
                let hint = question(nearest(name, known.filter_map(|item| item["metadata"]["name"].as_str())));
                Err(AccessError::NotFound { cluster, why: format!("{why}{hint}") })
            }
            found => found,
        }
    }

    async fn no_namespace(&self, namespace: &str) -> AccessError {
        let known = self.list("/api/v1/namespaces", None).await.unwrap_or_default();
        let hint = question(nearest(namespace, known.iter().map(Object::name)));
        AccessError::NoNamespace { cluster: self.key.clone(), namespace: namespace.to_owned(), hint }
    }
}

fn question(near: Option<&str>) -> String {
    near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"))
}
