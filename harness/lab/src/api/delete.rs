//! Deletion: graceful for pods, held by finalizers, with preconditions, and cascading by owner references.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Request;
use super::body::{Body, json as json_response};
use super::failure::Failure;
use super::read::{Filter, shown};
use crate::lab::Lab;
use crate::store::{Resource, object, resources};
use crate::world::World;

pub(crate) fn answer(lab: &Lab, c: usize, request: &Request) -> Result<http::Response<Body>, Failure> {
    let options: Value = if request.body.is_empty() { json!({}) } else { request.json()? };
    let dry = request.dry_run() || object::items(&options, "/dryRun").iter().any(|d| d == "All");
    let grace =
        object::int(&options, "/gracePeriodSeconds").or_else(|| request.query.get("gracePeriodSeconds")?.parse().ok());
    let target = &request.target;
    lab.with(|world| {
        if target.name.is_empty() {
            return collection(world, c, request, grace, dry);
        }
        let Some(old) = world.clusters[c].store.get(target.resource, &target.namespace, &target.name).cloned() else {
            return Err(Failure::not_found(target.resource, &target.name));
        };
        preconditions(target.resource, &old, &options)?;
        if target.resource.custom {
            crate::kube::admission::validate(world, c).map_err(Failure::internal)?;
        }
        let orphan = object::text(&options, "/propagationPolicy") == "Orphan"
            || request.query.get("propagationPolicy") == Some("Orphan");
        if dry {
            return Ok(json_response(200, &shown(&old, target)));
        }
        if orphan {
            release(world, c, &old);
        }
        let left = one(world, c, target.resource, &old, grace);
        world.settle();
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

fn preconditions(resource: &Resource, old: &Value, options: &Value) -> Result<(), Failure> {
    let checks = [
        ("uid", "UID", object::uid(old)),
        ("resourceVersion", "ResourceVersion", object::text(old, "/metadata/resourceVersion")),
    ];
    for (field, word, found) in checks {
        let wanted = object::text(options, &format!("/preconditions/{field}"));
        if !wanted.is_empty() && wanted != found {
            return Err(Failure::precondition(resource, object::name(old), word, wanted, found));
        }
    }
    Ok(())
}

fn collection(
    world: &mut World,
    c: usize,
    request: &Request,
    grace: Option<i64>,
    dry: bool,
) -> Result<http::Response<Body>, Failure> {
    let target = &request.target;
    let filter = Filter::of(request)?;
    let namespace = Some(target.namespace.as_str()).filter(|n| !n.is_empty());
    let found: Vec<Arc<Value>> =
        world.clusters[c].store.list(target.resource, namespace).filter(|v| filter.matches(v)).cloned().collect();
    let items: Vec<Value> = found.iter().map(|v| shown(v, target)).collect();
    if !dry {
        for old in found {
            one(world, c, target.resource, &old, grace);
        }
        world.settle();
    }
    let version = world.clusters[c].store.version().to_string();
    Ok(json_response(
        200,
        &json!({"kind": format!("{}List", target.resource.kind), "apiVersion": target.api_version(),
        "metadata": {"resourceVersion": version}, "items": items}),
    ))
}

/// Deletes an object; what is left of it, if anything is.
fn one(
    world: &mut World,
    c: usize,
    resource: &'static Resource,
    old: &Value,
    grace: Option<i64>,
) -> Option<Arc<Value>> {
    if world.clusters[c].quirks.inert && matches!(resource.plural, "pods" | "deployments") {
        // The request is accepted and nothing comes of it.
        return Some(Arc::new(old.clone()));
    }
    let (namespace, name) = (object::namespace(old), object::name(old));
    if resource.plural == "pods" && grace != Some(0) {
        return pod_gracefully(world, c, old, grace);
    }
    if resource.plural == "namespaces" {
        let date = world.date();
        return world
            .edit(c, resource, namespace, name, |v| object::set(v, "/metadata/deletionTimestamp", json!(date)));
    }
    if !object::items(old, "/metadata/finalizers").is_empty() {
        if object::deleting(old) {
            return Some(Arc::new(old.clone()));
        }
        let date = world.date();
        return world.edit(c, resource, namespace, name, |v| {
            object::set(v, "/metadata/deletionTimestamp", json!(date));
            object::set(v, "/metadata/deletionGracePeriodSeconds", json!(0));
        });
    }
    world.clusters[c].store.remove(resource, namespace, name);
    None
}

/// Marks a pod for deletion; the kubelet does the rest. One that has no node, or no grace, goes at once.
pub(crate) fn pod_gracefully(world: &mut World, c: usize, pod: &Value, grace: Option<i64>) -> Option<Arc<Value>> {
    let (namespace, name) = (object::namespace(pod).to_owned(), object::name(pod).to_owned());
    let own = object::int(pod, "/spec/terminationGracePeriodSeconds").unwrap_or(30);
    let grace = grace.unwrap_or(own);
    let unbound = object::text(pod, "/spec/nodeName").is_empty();
    if grace == 0 || unbound || world.booting {
        world.clusters[c].store.remove(resources::pods(), &namespace, &name);
        return None;
    }
    if object::deleting(pod) {
        return world.clusters[c].store.get(resources::pods(), &namespace, &name).cloned();
    }
    let date = world.dates.seconds(world.now + grace * 1000);
    world.edit(c, resources::pods(), &namespace, &name, |v| {
        object::set(v, "/metadata/deletionTimestamp", json!(date));
        object::set(v, "/metadata/deletionGracePeriodSeconds", json!(grace));
    })
}

/// What garbage collection does with a dependent.
pub(crate) fn now_or_gracefully(world: &mut World, c: usize, resource: &'static Resource, namespace: &str, name: &str) {
    if let Some(old) = world.clusters[c].store.get(resource, namespace, name).cloned() {
        one(world, c, resource, &old, None);
    }
}

/// Removes an object whatever holds it.
pub(crate) fn forced(world: &mut World, c: usize, resource: &'static Resource, namespace: &str, name: &str) {
    world.clusters[c].store.remove(resource, namespace, name);
}

/// Takes the owner's name off its dependents.
fn release(world: &mut World, c: usize, owner: &Value) {
    let uid = object::uid(owner).to_owned();
    for resource in resources::RESOURCES {
        let dependents: Vec<(String, String)> = world.clusters[c]
            .store
            .list(resource, None)
            .filter(|v| object::items(v, "/metadata/ownerReferences").iter().any(|o| object::text(o, "/uid") == uid))
            .map(|v| (object::namespace(v).to_owned(), object::name(v).to_owned()))
            .collect();
        for (namespace, name) in dependents {
            world.edit(c, resource, &namespace, &name, |v| {
                let kept: Vec<Value> = object::items(v, "/metadata/ownerReferences")
                    .iter()
                    .filter(|o| object::text(o, "/uid") != uid)
                    .cloned()
                    .collect();
                object::set(v, "/metadata/ownerReferences", json!(kept));
            });
        }
    }
}
