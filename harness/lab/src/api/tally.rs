//! What the API server of a cluster and the proxies behind it were asked: how often, and how many bytes they answered.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::path::Target;
use super::query::Query;

/// The path at which the API server of a cluster shows its [`Tally`]. Kubernetes has no such path.
pub(super) const PATH: &str = "/lab/requests";

/// One kind of request.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Asked {
    /// The verb of RBAC, `page` for the second page of a list and those after it, `admin` for the admin interface of a proxy.
    verb: &'static str,
    /// `deployments.v1.apps`, `pods/portforward`, or the path of the admin interface.
    what: String,
    /// `all` namespaces, those of `one`, or with a label or field `selector`; empty where it does not apply.
    scope: &'static str,
}

/// Counts of requests and bytes of bodies, by kind of request.
#[derive(Debug, Default)]
pub(crate) struct Tally(BTreeMap<Asked, (u64, u64)>);

impl Asked {
    /// A request to the API server. Requests that it does not understand have no kind.
    pub(super) fn of_api(method: &http::Method, target: &Target, query: &Query) -> Self {
        let collection = target.name.is_empty();
        let verb = match *method {
            http::Method::GET if query.flag("watch") => "watch",
            http::Method::GET if collection && query.get("continue").is_some() => "page",
            http::Method::GET if collection => "list",
            http::Method::GET => "get",
            http::Method::POST => "create",
            http::Method::PUT => "update",
            http::Method::PATCH => "patch",
            http::Method::DELETE => "delete",
            _ => "other",
        };
        let resource = match target.resource.group {
            "" => target.resource.plural.to_owned(),
            group => format!("{}.{}.{group}", target.resource.plural, target.version),
        };
        let what = match target.sub.as_str() {
            // The path of a review has its kind as the name.
            "review" => target.name.clone(),
            "" => resource,
            sub => format!("{resource}/{sub}"),
        };
        let selected =
            ["labelSelector", "fieldSelector"].iter().any(|key| query.get(key).is_some_and(|v| !v.is_empty()));
        let scope = match (collection, selected) {
            (false, _) => "",
            (true, true) => "selector",
            (true, false) if target.namespace.is_empty() => "all",
            (true, false) => "one",
        };
        Self { verb, what, scope }
    }

    /// A request to the admin interface of a proxy.
    pub(crate) fn of_admin(path: &str) -> Self {
        Self { verb: "admin", what: path.to_owned(), scope: "" }
    }
}

impl Tally {
    /// Counts one request and the bytes of its answer.
    pub(crate) fn add(&mut self, asked: Asked, bytes: u64) {
        let entry = self.0.entry(asked).or_default();
        entry.0 += 1;
        entry.1 += bytes;
    }

    /// All counts, as JSON.
    pub(super) fn to_json(&self) -> Value {
        let rows = self.0.iter().map(|(asked, (count, bytes))| {
            json!({"verb": asked.verb, "what": asked.what, "scope": asked.scope, "count": count, "bytes": bytes})
        });
        json!({"requests": rows.collect::<Vec<_>>()})
    }
}
