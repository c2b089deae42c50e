//! `status`, `scale`, `eviction` and `finalize`.

use std::sync::Arc;

use serde_json::{Value, json};

use super::body::{Body, json as json_response};
use super::failure::ApiFailure;
use super::form::shown;
use super::request::Request;
use super::write::{apply_patch, check_current};
use crate::engine::{Engine, settle};
use crate::kube::controllers::pdb;
use crate::kube::deletion::pod_gracefully;
use crate::store::{object, resources};
use crate::world::World;

pub(crate) fn answer(engine: &Engine, cluster: usize, request: &Request) -> Result<http::Response<Body>, ApiFailure> {
    let target = &request.target;
    if !target.resource.subresources.contains(&target.sub.as_str()) {
        return Err(ApiFailure::unknown_path());
    }
    engine.with(|world| {
        let Some(old) = world.clusters[cluster].store.get(target.resource, &target.namespace, &target.name).cloned()
        else {
            return Err(ApiFailure::not_found(target.resource, &target.name));
        };
        let value = match (target.sub.as_str(), request.method.as_str()) {
            ("scale", "GET") => scale_of(&old),
            ("scale", _) => return scale(world, cluster, request, &old),
            ("eviction", "POST") => return evict(world, cluster, request, &old),
            ("status" | "ephemeralcontainers", "GET") | ("finalize", _) => shown(&old, target),
            ("status", _) => shown(&status(world, cluster, request, &old)?, target),
            _ => return Err(ApiFailure::method_not_allowed()),
        };
        Ok(json_response(200, &value))
    })
}

fn scale_of(value: &Value) -> Value {
    let labels = value.pointer("/spec/selector/matchLabels").and_then(Value::as_object);
    let selector: Vec<String> =
        labels.into_iter().flatten().map(|(k, v)| format!("{k}={}", v.as_str().unwrap_or(""))).collect();
    json!({"kind": "Scale", "apiVersion": "autoscaling/v1",
        "metadata": {"name": object::name(value), "namespace": object::namespace(value), "uid": object::uid(value),
            "resourceVersion": object::text(value, "/metadata/resourceVersion"),
            "creationTimestamp": object::text(value, "/metadata/creationTimestamp")},
        "spec": {"replicas": object::int(value, "/spec/replicas").unwrap_or(0)},
        "status": {"replicas": object::int(value, "/status/replicas").unwrap_or(0), "selector": selector.join(",")}})
}

fn scale(
    world: &mut World,
    cluster: usize,
    request: &Request,
    old: &Value,
) -> Result<http::Response<Body>, ApiFailure> {
    let resource = request.target.resource;
    let body = request.json()?;
    check_current(resource, old, &body)?;
    let wanted = if request.method == http::Method::PUT {
        body
    } else {
        apply_patch(&scale_of(old), &body, &request.content_type, resource)?
    };
    let replicas = object::int(&wanted, "/spec/replicas").unwrap_or(0);
    if replicas < 0 {
        return Err(ApiFailure::invalid(
            resource,
            object::name(old),
            "spec.replicas",
            "Invalid value: must be greater than or equal to 0",
        ));
    }
    if world.clusters[cluster].quirks.scale_up_blocked(old, replicas) {
        let message =
            format!("admission webhook \"quota.lab\" denied the request: {} may not be scaled up", object::name(old));
        return Err(ApiFailure::new(403, "Forbidden", message));
    }
    let mut value = old.clone();
    object::set(&mut value, "/spec/replicas", json!(replicas));
    if request.dry_run() || world.clusters[cluster].quirks.ignores_changes {
        return Ok(json_response(200, &scale_of(&value)));
    }
    let stored = world.clusters[cluster].store.replace(resource, value);
    let answer = scale_of(&stored);
    settle(world);
    Ok(json_response(200, &answer))
}

fn status(world: &mut World, cluster: usize, request: &Request, old: &Value) -> Result<Arc<Value>, ApiFailure> {
    let resource = request.target.resource;
    let body = request.json()?;
    check_current(resource, old, &body)?;
    let wanted = if request.method == http::Method::PUT {
        body
    } else {
        apply_patch(old, &body, &request.content_type, resource)?
    };
    let mut value = old.clone();
    object::set(&mut value, "/status", wanted.get("status").cloned().unwrap_or_default());
    // Labels and annotations are written with the status.
    for part in ["labels", "annotations"] {
        if let Some(given) = wanted.pointer(&format!("/metadata/{part}")) {
            object::set(&mut value, &format!("/metadata/{part}"), given.clone());
        }
    }
    if request.dry_run() {
        return Ok(Arc::new(value));
    }
    let stored = world.clusters[cluster].store.replace(resource, value);
    settle(world);
    Ok(stored)
}

fn evict(
    world: &mut World,
    cluster: usize,
    request: &Request,
    pod: &Value,
) -> Result<http::Response<Body>, ApiFailure> {
    let body: Value = if request.body.is_empty() { json!({}) } else { request.json()? };
    let wanted = object::text(&body, "/deleteOptions/preconditions/uid");
    if !wanted.is_empty() && wanted != object::uid(pod) {
        return Err(ApiFailure::precondition(resources::pods(), object::name(pod), "UID", wanted, object::uid(pod)));
    }
    if let Some((budget, status)) = pdb::blocking_budget(world, cluster, pod) {
        let (needs, has) = (
            object::int(&status, "/desiredHealthy").unwrap_or(0),
            object::int(&status, "/currentHealthy").unwrap_or(0),
        );
        let text = format!("The disruption budget {budget} needs {needs} healthy pods and has {has} currently");
        return Err(ApiFailure::new(
            429,
            "TooManyRequests",
            "Cannot evict pod as it would violate the pod's disruption budget.",
        )
        .with_details(json!({"causes": [{"reason": "DisruptionBudget", "message": text}]})));
    }
    let dry = request.dry_run() || object::items(&body, "/deleteOptions/dryRun").iter().any(|d| d == "All");
    if !dry && !world.clusters[cluster].quirks.ignores_changes {
        let grace = object::int(&body, "/deleteOptions/gracePeriodSeconds");
        pod_gracefully(world, cluster, pod, grace);
        settle(world);
    }
    Ok(json_response(
        201,
        &json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}),
    ))
}
