//! Access reviews: everything is allowed unless a defect forbids it.

use serde_json::{Value, json};

use super::Request;
use super::body::{Body, json as json_response};
use super::failure::Failure;
use crate::lab::Lab;
use crate::store::object;

/// Answers a review; `None` when the request is about something else.
pub(crate) fn answer(lab: &Lab, c: usize, request: &Request) -> Result<Option<http::Response<Body>>, Failure> {
    if request.target.sub != "review" {
        return Ok(None);
    }
    if request.method != http::Method::POST {
        return Err(Failure::method_not_allowed());
    }
    let mut value = request.json()?;
    let forbidden = lab.with(|world| {
        let api = world.clusters[c].quirks.api;
        let spec = value.pointer("/spec/resourceAttributes").cloned().unwrap_or_default();
        api.denies(object::text(&spec, "/verb"), object::text(&spec, "/resource"), object::text(&spec, "/subresource"))
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
        _ => return Err(Failure::unknown_path()),
    };
    object::set(&mut value, "/status", status);
    object::default(&mut value, "/metadata", json!({"creationTimestamp": null}));
    Ok(Some(json_response(201, &value)))
}
