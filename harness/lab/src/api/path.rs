//! API paths: resource, namespace, name and subresource.

use super::failure::ApiFailure;
use super::query::decode;
use crate::store::Resource;
use crate::store::resources::{self, RESOURCES};

/// The target of a path.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) resource: &'static Resource,
    pub(crate) version: String,
    /// Empty for all namespaces and for cluster-scoped resources.
    pub(crate) namespace: String,
    /// Empty for the collection.
    pub(crate) name: String,
    pub(crate) sub: String,
}

impl Target {
    pub(crate) fn api_version(&self) -> String {
        self.resource.api_version(&self.version)
    }
}

/// Groups whose objects are never stored.
const REVIEWS: [&str; 2] = ["authorization.k8s.io", "authentication.k8s.io"];

/// Parses `/api/v1/...` or `/apis/GROUP/VERSION/...`.
pub(crate) fn parse(path: &str) -> Result<Target, ApiFailure> {
    let parts: Vec<String> = path.split('/').filter(|p| !p.is_empty()).map(decode).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let (group, version, rest) = match parts.as_slice() {
        ["api", version, rest @ ..] => ("", *version, rest),
        ["apis", group, version, rest @ ..] => (*group, *version, rest),
        _ => return Err(ApiFailure::unknown_path()),
    };
    let (namespace, rest) = match rest {
        ["namespaces", namespace, plural, more @ ..]
            if !group.is_empty() || resources::find("", plural).is_some_and(|r| r.namespaced) =>
        {
            (*namespace, [&[*plural], more].concat())
        }
        other => ("", other.to_vec()),
    };
    let (plural, name, sub) = match rest.as_slice() {
        [plural] => (*plural, "", ""),
        [plural, name] => (*plural, *name, ""),
        [plural, name, sub, ..] => (*plural, *name, *sub),
        [] => return Err(ApiFailure::unknown_path()),
    };
    let owned = |resource| Target {
        resource,
        version: version.into(),
        namespace: namespace.into(),
        name: name.into(),
        sub: sub.into(),
    };
    if REVIEWS.contains(&group) {
        // The review handler uses the name as the kind of review.
        return Ok(Target { name: plural.to_owned(), sub: "review".into(), ..owned(&RESOURCES[0]) });
    }
    let resource = resources::find(group, plural)
        .filter(|r| r.versions.contains(&version))
        .ok_or_else(ApiFailure::unknown_path)?;
    Ok(owned(resource))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_what_kubernetes_means() {
        let named = |path: &str| {
            let t = parse(path).unwrap();
            (t.resource.plural, t.namespace, t.name, t.sub)
        };
        assert_eq!(named("/api/v1/namespaces/a/pods/p/log"), ("pods", "a".into(), "p".into(), "log".into()));
        assert_eq!(named("/api/v1/namespaces/a"), ("namespaces", String::new(), "a".into(), String::new()));
        assert_eq!(named("/apis/apps/v1/deployments").0, "deployments");
        assert!(parse("/apis/chaos-mesh.org/v1alpha1/podchaos").is_err());
        assert!(parse("/apis/apps/v1beta1/deployments").is_err());
    }
}
