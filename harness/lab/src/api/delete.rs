//! DELETE of one object and of collections, with preconditions.

use std::sync::Arc;

use serde_json::{Value, json};

use super::body::{Body, json as json_response};
use super::failure::ApiFailure;
use super::filter::Filter;
use super::form::shown;
use super::request::Request;
use crate::engine::{Engine, settle};
use crate::kube::{admission, deletion};
use crate::store::{Resource, object};
use crate::world::World;

pub(crate) fn answer(engine: &Engine, cluster: usize, request: &Request) -> Result<http::Response<Body>, ApiFailure> {
    let options: Value = if request.body.is_empty() { json!({}) } else { request.json()? };
    let dry = request.dry_run() || object::items(&options, "/dryRun").iter().any(|d| d == "All");
    let grace =
        object::int(&options, "/gracePeriodSeconds").or_else(|| request.query.get("gracePeriodSeconds")?.parse().ok());
    let target = &request.target;
    engine.with(|world| {
        if target.name.is_empty() {
            return collection(world, cluster, request, grace, dry);
        }
        let Some(old) = world.clusters[cluster].store.get(target.resource, &target.namespace, &target.name).cloned()
        else {
            return Err(ApiFailure::not_found(target.resource, &target.name));
        };
        preconditions(target.resource, &old, &options)?;
        if target.resource.custom {
            admission::validate(world, cluster).map_err(ApiFailure::internal)?;
        }
        let orphan = object::text(&options, "/propagationPolicy") == "Orphan"
            || request.query.get("propagationPolicy") == Some("Orphan");
        if dry {
            return Ok(json_response(200, &shown(&old, target)));
        }
        if orphan {
            deletion::orphan(world, cluster, &old);
        }
        let left = deletion::delete(world, cluster, target.resource, &old, grace);
        settle(world);
        Ok(match left {
            Some(value) => json_response(200, &shown(&value, target)),
            None => json_response(200, &success(target.resource, &old)),
        })
    })
}

fn success(resource: &Resource, gone: &Value) -> Value {
    let mut details = json!({"name": object::name(gone), "kind": resource.plural, "uid": object::uid(gone)});
    if !resource.group.is_empty() {
        details["group"] = json!(resource.group);
    }
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})
}

fn preconditions(resource: &Resource, old: &Value, options: &Value) -> Result<(), ApiFailure> {
    let checks = [
        ("uid", "UID", object::uid(old)),
        ("resourceVersion", "ResourceVersion", object::text(old, "/metadata/resourceVersion")),
    ];
    for (field, word, found) in checks {
        let wanted = object::text(options, &format!("/preconditions/{field}"));
        if !wanted.is_empty() && wanted != found {
            return Err(ApiFailure::precondition(resource, object::name(old), word, wanted, found));
        }
    }
    Ok(())
}

fn collection(
    world: &mut World,
    cluster: usize,
    request: &Request,
    grace: Option<i64>,
    dry: bool,
) -> Result<http::Response<Body>, ApiFailure> {
    let target = &request.target;
    let filter = Filter::of(request)?;
    let namespace = Some(target.namespace.as_str()).filter(|n| !n.is_empty());
    let found: Vec<Arc<Value>> =
        world.clusters[cluster].store.list(target.resource, namespace).filter(|v| filter.matches(v)).cloned().collect();
    let items: Vec<Value> = found.iter().map(|v| shown(v, target)).collect();
    if !dry {
        for old in found {
            deletion::delete(world, cluster, target.resource, &old, grace);
        }
        settle(world);
    }
    let version = world.clusters[cluster].store.version().to_string();
    Ok(json_response(
        200,
        &json!({"kind": format!("{}List", target.resource.kind), "apiVersion": target.api_version(),
        "metadata": {"resourceVersion": version}, "items": items}),
    ))
}
