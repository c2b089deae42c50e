//! Create, update and patch of objects.

use std::sync::Arc;

use serde_json::{Value, json};

use super::body::{Body, json as json_response};
use super::failure::ApiFailure;
use super::form::{Form, form, metadata_only, shown};
use super::managed_fields;
use super::request::Request;
use super::table;
use crate::engine::{Engine, settle};
use crate::kube::admission;
use crate::store::{Resource, object, patch, resources, strategic};
use crate::world::World;

pub(crate) fn answer(engine: &Engine, cluster: usize, request: &Request) -> Result<http::Response<Body>, ApiFailure> {
    engine.with(|world| {
        let (status, value) = match request.method.as_str() {
            "POST" => (201, create(world, cluster, request)?),
            "PUT" => (200, update(world, cluster, request)?),
            _ => patch_object(world, cluster, request)?,
        };
        let value = shown(&value, &request.target);
        Ok(match form(&request.accept) {
            Form::Table => {
                let version = world.clusters[cluster].store.version();
                let table = table::table(request.target.resource, &[value], version, world.now, world.dates);
                json_response(status, &table)
            }
            Form::Metadata => json_response(status, &metadata_only(&value)),
            Form::Whole => json_response(status, &value),
        })
    })
}

fn create(world: &mut World, cluster: usize, request: &Request) -> Result<Arc<Value>, ApiFailure> {
    let target = &request.target;
    if !target.name.is_empty() {
        return Err(ApiFailure::method_not_allowed());
    }
    let value = request.json()?;
    create_object(world, cluster, request, value)
}

fn create_object(
    world: &mut World,
    cluster: usize,
    request: &Request,
    mut value: Value,
) -> Result<Arc<Value>, ApiFailure> {
    let (target, resource) = (&request.target, request.target.resource);
    if !value.is_object() {
        return Err(ApiFailure::bad_request("the object provided is not a JSON object"));
    }
    let kind = object::text(&value, "/kind").to_owned();
    if !kind.is_empty() && kind != resource.kind {
        let expected = format!("{}, Kind={}", target.api_version(), resource.kind);
        return Err(ApiFailure::bad_request(format!(
            "{kind} in version \"{}\" cannot be handled as a {}: expected {expected}",
            target.version, resource.kind
        )));
    }
    if object::name(&value).is_empty() {
        let prefix = object::text(&value, "/metadata/generateName").to_owned();
        if prefix.is_empty() {
            return Err(ApiFailure::invalid(
                resource,
                "",
                "metadata.name",
                "Required value: name or generateName is required",
            ));
        }
        let name = format!("{prefix}{}", world.rng.suffix(5));
        object::set(&mut value, "/metadata/name", json!(name));
    }
    let name = object::name(&value).to_owned();
    check_name(resource, &name)?;
    set_namespace(world, cluster, request, &mut value)?;
    let namespace = object::namespace(&value).to_owned();
    if world.clusters[cluster].store.get(resource, &namespace, &name).is_some() {
        return Err(ApiFailure::exists(resource, &name));
    }
    for server in ["uid", "resourceVersion", "creationTimestamp", "generation", "deletionTimestamp", "selfLink"] {
        object::unset(&mut value, &format!("/metadata/{server}"));
    }
    if resource.subresources.contains(&"status") {
        object::unset(&mut value, "/status");
    }
    encode_string_data(resource, &mut value);
    validate(resource, &name, &value)?;
    admission::admit(world, cluster, resource, &mut value).map_err(ApiFailure::internal)?;
    managed_fields::write(world, request, &Value::Null, &mut value);
    if request.dry_run() {
        let date = world.date();
        object::set(&mut value, "/metadata/creationTimestamp", json!(date));
        let uid = crate::rng::Rng::new(world.now.unsigned_abs()).uuid();
        object::set(&mut value, "/metadata/uid", json!(uid));
        return Ok(Arc::new(value));
    }
    let created = world.create(cluster, resource, value);
    settle(world);
    Ok(world.clusters[cluster].store.get(resource, &namespace, &name).cloned().unwrap_or(created))
}

fn set_namespace(world: &World, cluster: usize, request: &Request, value: &mut Value) -> Result<(), ApiFailure> {
    let target = &request.target;
    if !target.resource.namespaced {
        object::unset(value, "/metadata/namespace");
        return Ok(());
    }
    let own = object::namespace(value).to_owned();
    if !own.is_empty() && own != target.namespace {
        return Err(ApiFailure::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    if world.clusters[cluster].store.get(resources::namespaces(), "", &target.namespace).is_none() {
        return Err(ApiFailure::not_found(resources::namespaces(), &target.namespace));
    }
    object::set(value, "/metadata/namespace", json!(target.namespace));
    Ok(())
}

fn check_name(resource: &Resource, name: &str) -> Result<(), ApiFailure> {
    let ok = name.len() <= 253
        && name.bytes().all(|b| {
            b.is_ascii_lowercase()
                || b.is_ascii_digit()
                || b == b'-'
                || b == b'.'
                || (b == b':' && resource.group.starts_with("rbac"))
        })
        && name.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
        && name.bytes().last().is_some_and(|b| b.is_ascii_alphanumeric());
    if ok {
        return Ok(());
    }
    let why = format!(
        "Invalid value: \"{name}\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must \
         start and end with an alphanumeric character"
    );
    Err(ApiFailure::invalid(resource, name, "metadata.name", &why))
}

fn validate(resource: &Resource, name: &str, value: &Value) -> Result<(), ApiFailure> {
    let required = |pointer: &str, field: &str| {
        if value.pointer(pointer).is_none_or(|v| v.is_null() || v.as_array().is_some_and(Vec::is_empty)) {
            return Err(ApiFailure::invalid(resource, name, field, "Required value"));
        }
        Ok(())
    };
    match resource.plural {
        "pods" => required("/spec/containers", "spec.containers"),
        "deployments" | "statefulsets" | "daemonsets" | "replicasets" => {
            required("/spec/selector", "spec.selector")?;
            required("/spec/template/spec/containers", "spec.template.spec.containers")?;
            if object::int(value, "/spec/replicas").is_some_and(|n| n < 0) {
                return Err(ApiFailure::invalid(
                    resource,
                    name,
                    "spec.replicas",
                    "Invalid value: must be greater than or equal to 0",
                ));
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn encode_string_data(resource: &Resource, value: &mut Value) {
    use base64::Engine as _;
    if resource.plural != "secrets" {
        return;
    }
    let plain = value.get("stringData").and_then(Value::as_object).cloned().unwrap_or_default();
    for (key, text) in plain {
        let encoded = base64::engine::general_purpose::STANDARD.encode(text.as_str().unwrap_or(""));
        object::set(value, &format!("/data/{}", key.replace('~', "~0").replace('/', "~1")), json!(encoded));
    }
    object::unset(value, "/stringData");
    object::default(value, "/type", json!("Opaque"));
}

/// Checks `resourceVersion` and uid of a write against the object.
pub(crate) fn check_current(resource: &Resource, old: &Value, new: &Value) -> Result<(), ApiFailure> {
    let name = object::name(old);
    let version = object::text(new, "/metadata/resourceVersion");
    if !version.is_empty() && version != object::text(old, "/metadata/resourceVersion") {
        return Err(ApiFailure::conflict(resource, name));
    }
    let uid = object::uid(new);
    if !uid.is_empty() && uid != object::uid(old) {
        return Err(ApiFailure::precondition(resource, name, "UID", uid, object::uid(old)));
    }
    Ok(())
}

fn update(world: &mut World, cluster: usize, request: &Request) -> Result<Arc<Value>, ApiFailure> {
    let (target, resource) = (&request.target, request.target.resource);
    let mut value = request.json()?;
    if object::name(&value) != target.name {
        return Err(ApiFailure::bad_request("the name of the object does not match the name on the URL"));
    }
    set_namespace(world, cluster, request, &mut value)?;
    let Some(old) = world.clusters[cluster].store.get(resource, &target.namespace, &target.name).cloned() else {
        return Err(ApiFailure::not_found(resource, &target.name));
    };
    check_current(resource, &old, &value)?;
    if object::text(&value, "/metadata/resourceVersion").is_empty() && (resource.custom || resource.plural == "leases")
    {
        let why = "Invalid value: 0: must be specified for an update";
        return Err(ApiFailure::invalid(resource, &target.name, "metadata.resourceVersion", why));
    }
    store(world, cluster, request, &old, value)
}

fn patch_object(world: &mut World, cluster: usize, request: &Request) -> Result<(u16, Arc<Value>), ApiFailure> {
    let (target, resource) = (&request.target, request.target.resource);
    let apply = request.content_type.contains("apply-patch");
    let change = request.json()?;
    let Some(old) = world.clusters[cluster].store.get(resource, &target.namespace, &target.name).cloned() else {
        if apply {
            let mut value = change;
            object::set(&mut value, "/metadata/name", json!(target.name));
            return create_object(world, cluster, request, value).map(|v| (201, v));
        }
        return Err(ApiFailure::not_found(resource, &target.name));
    };
    check_current(resource, &old, &change)?;
    let value = apply_patch(&old, &change, &request.content_type, resource)?;
    store(world, cluster, request, &old, value).map(|v| (200, v))
}

/// The object with a patch of some type applied.
pub(crate) fn apply_patch(
    old: &Value,
    change: &Value,
    content_type: &str,
    resource: &Resource,
) -> Result<Value, ApiFailure> {
    let mut value = old.clone();
    let kind = content_type.split(';').next().unwrap_or("").trim();
    match kind {
        "application/json-patch+json" => patch::json_patch(&mut value, change)
            .map_err(|why| ApiFailure::invalid(resource, object::name(old), "patch", &why))?,
        "application/merge-patch+json" => patch::merge(&mut value, change),
        "application/strategic-merge-patch+json" if resource.custom => {
            return Err(ApiFailure::new(
                415,
                "UnsupportedMediaType",
                "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml",
            ));
        }
        "application/strategic-merge-patch+json" => strategic::apply(&mut value, change),
        _ if kind.contains("apply-patch") => {
            let mut wanted = change.clone();
            for field in ["managedFields", "resourceVersion", "uid"] {
                object::unset(&mut wanted, &format!("/metadata/{field}"));
            }
            strategic::apply(&mut value, &wanted);
        }
        other => {
            let text = format!("the body of the request was in an unknown format ({other})");
            return Err(ApiFailure::new(415, "UnsupportedMediaType", text));
        }
    }
    Ok(value)
}

/// Stores a new state of an object, with the fields that the API server keeps from the old one.
fn store(
    world: &mut World,
    cluster: usize,
    request: &Request,
    old: &Value,
    mut value: Value,
) -> Result<Arc<Value>, ApiFailure> {
    let resource = request.target.resource;
    for field in ["name", "namespace", "deletionTimestamp", "deletionGracePeriodSeconds"] {
        match old.pointer(&format!("/metadata/{field}")) {
            Some(kept) => object::set(&mut value, &format!("/metadata/{field}"), kept.clone()),
            None => object::unset(&mut value, &format!("/metadata/{field}")),
        }
    }
    if resource.subresources.contains(&"status") {
        match old.get("status") {
            Some(status) => object::set(&mut value, "/status", status.clone()),
            None => object::unset(&mut value, "/status"),
        }
    }
    encode_string_data(resource, &mut value);
    validate(resource, object::name(old), &value)?;
    if resource.plural == "configmaps" && object::flag(old, "/immutable") && old.get("data") != value.get("data") {
        return Err(ApiFailure::invalid(
            resource,
            object::name(old),
            "data",
            "Forbidden: field is immutable when `immutable` is set",
        ));
    }
    if resource.custom {
        admission::validate(world, cluster).map_err(ApiFailure::internal)?;
    }
    managed_fields::write(world, request, old, &mut value);
    if request.dry_run() {
        return Ok(Arc::new(value));
    }
    let stored = world.clusters[cluster].store.replace(resource, value);
    if object::deleting(&stored)
        && object::items(&stored, "/metadata/finalizers").is_empty()
        && resource.plural != "pods"
    {
        let (namespace, name) = (object::namespace(&stored), object::name(&stored));
        world.clusters[cluster].store.remove(resource, namespace, name);
    }
    settle(world);
    Ok(world.clusters[cluster]
        .store
        .get(resource, object::namespace(&stored), object::name(&stored))
        .cloned()
        .unwrap_or(stored))
}
