//! Least privilege: the user may do only what an access review allowed before. Requests without a review are refused
//! (403). Roles and bindings are not modelled.

use std::collections::BTreeSet;

use serde_json::Value;

use super::failure::ApiFailure;
use super::path::Target;
use super::query::Query;
use crate::store::object;

/// Verb, group, resource with its subresource, namespace.
type Grant = (String, String, String, String);

/// The permissions of a cluster's user.
#[derive(Debug, Clone, Default)]
pub(crate) struct Grants {
    /// Whether only reviewed permissions are granted.
    pub(crate) strict: bool,
    granted: BTreeSet<Grant>,
}

impl Grants {
    /// Grants what an access review allowed.
    pub(crate) fn grant(&mut self, attributes: &Value) {
        let text = |path: &str| object::text(attributes, path).to_owned();
        let resource = qualified(&text("/resource"), &text("/subresource"));
        self.granted.insert((text("/verb"), text("/group"), resource, text("/namespace")));
    }

    /// The refusal of a request without a review. Reading namespace `kube-system`, the cluster's identity, is always allowed.
    pub(crate) fn refuses(&self, method: &http::Method, target: &Target, query: &Query) -> Option<ApiFailure> {
        let group = &target.resource.group;
        let identity = target.resource.plural == "namespaces" && target.name == "kube-system";
        if !self.strict || target.sub == "review" || identity {
            return None;
        }
        let resource = qualified(target.resource.plural, &target.sub);
        // A WebSocket upgrade is a `get`; newer versions check `create` too.
        let verbs: &[&str] = match (method.as_str(), target.sub.as_str(), target.name.is_empty()) {
            (_, "exec" | "portforward" | "attach", _) => &["get", "create"],
            ("GET", _, true) if query.flag("watch") => &["watch"],
            ("GET", _, true) => &["list"],
            ("GET", ..) => &["get"],
            ("POST", ..) => &["create"],
            ("PUT", ..) => &["update"],
            ("PATCH", ..) => &["patch"],
            ("DELETE", _, true) => &["deletecollection"],
            _ => &["delete"],
        };
        let may = |verb: &str, namespace: &str| {
            self.granted.contains(&(verb.into(), (*group).into(), resource.clone(), namespace.into()))
        };
        let missing = verbs.iter().find(|verb| !may(verb, "") && !may(verb, &target.namespace))?;
        let place = if target.namespace.is_empty() {
            "at the cluster scope".to_owned()
        } else {
            format!("in the namespace \"{}\"", target.namespace)
        };
        let text = format!(
            "{resource} \"{}\" is forbidden: User \"lab-user\" cannot {missing} resource \"{resource}\" in API group \"{group}\" {place}",
            target.name
        );
        Some(ApiFailure::new(403, "Forbidden", text))
    }
}

fn qualified(resource: &str, sub: &str) -> String {
    if sub.is_empty() { resource.to_owned() } else { format!("{resource}/{sub}") }
}
