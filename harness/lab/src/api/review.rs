//! Access reviews: everything is allowed unless a defect forbids it. With least privilege, a review also grants what it
//! allows.

use serde_json::{Value, json};

use super::body::{Body, json as json_response};
use super::failure::ApiFailure;
use super::request::Request;
use crate::engine::Engine;
use crate::store::object;

/// Answers a review; `None` when the request is about something else.
pub(crate) fn answer(
    engine: &Engine,
    cluster: usize,
    request: &Request,
) -> Result<Option<http::Response<Body>>, ApiFailure> {
    if request.target.sub != "review" {
        return Ok(None);
    }
    if request.method != http::Method::POST {
        return Err(ApiFailure::method_not_allowed());
    }
    let mut value = request.json()?;
    let forbidden = engine.with(|world| {
        let cluster = &mut world.clusters[cluster];
        let spec = value.pointer("/spec/resourceAttributes").cloned().unwrap_or_default();
        let text = |path: &str| object::text(&spec, path);
        let denied = cluster.quirks.api.denies(text("/verb"), text("/resource"), text("/subresource"));
        if !denied {
            cluster.grants.grant(&spec);
        }
        denied
    });
    let status: Value = match request.target.name.as_str() {
        "selfsubjectreviews" => {
            json!({"userInfo": {"username": "lab-admin", "groups": ["system:masters", "system:authenticated"]}})
        }
        "selfsubjectrulesreviews" => {
            json!({"incomplete": false, "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
            "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]})
        }
        "selfsubjectaccessreviews" | "subjectaccessreviews" if forbidden => {
            json!({"allowed": false, "reason": "no RBAC policy matched"})
        }
        "selfsubjectaccessreviews" | "subjectaccessreviews" => {
            json!({"allowed": true, "reason": "RBAC: allowed by ClusterRoleBinding \"lab-admin\""})
        }
        _ => return Err(ApiFailure::unknown_path()),
    };
    object::set(&mut value, "/status", status);
    object::default(&mut value, "/metadata", json!({"creationTimestamp": null}));
    Ok(Some(json_response(201, &value)))
}
