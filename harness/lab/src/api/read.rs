//! GET of one object and of lists, as objects, as metadata only, or as a table.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Request;
use super::body::{Body, json as json_response};
use super::failure::Failure;
use super::path::Target;
use super::table;
use crate::lab::Lab;
use crate::store::selector::{Fields, Selector};
use crate::store::{Resource, object};

/// How the client wants objects to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Whole,
    Metadata,
    Table,
}

/// Reads the `Accept` header.
pub(crate) fn form(accept: &str) -> Form {
    let first = accept.split(',').find(|part| part.contains("as=") || part.trim() == "application/json").unwrap_or("");
    if first.contains("as=Table") {
        Form::Table
    } else if first.contains("as=PartialObjectMetadata") {
        Form::Metadata
    } else {
        Form::Whole
    }
}

/// What a list or watch is narrowed to.
pub(crate) struct Filter {
    namespace: String,
    name: String,
    labels: Selector,
    fields: Fields,
}

impl Filter {
    pub(crate) fn of(request: &Request) -> Result<Self, Failure> {
        let text = |key: &str| request.query.get(key).unwrap_or("");
        Ok(Self {
            namespace: request.target.namespace.clone(),
            name: request.target.name.clone(),
            labels: Selector::parse(text("labelSelector")).map_err(Failure::bad_request)?,
            fields: Fields::parse(text("fieldSelector")).map_err(Failure::bad_request)?,
        })
    }

    pub(crate) fn matches(&self, value: &Value) -> bool {
        (self.namespace.is_empty() || object::namespace(value) == self.namespace)
            && (self.name.is_empty() || object::name(value) == self.name)
            && self.labels.matches(object::labels(value))
            && self.fields.matches(value)
    }
}

/// The object as one API version shows it.
pub(crate) fn shown(value: &Arc<Value>, target: &Target) -> Value {
    let mut out = (**value).clone();
    out["apiVersion"] = json!(target.api_version());
    out["kind"] = json!(target.resource.kind);
    out
}

/// The object with nothing but its metadata.
pub(crate) fn metadata_only(value: &Value) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": value.get("metadata").cloned().unwrap_or_default()})
}

pub(crate) fn answer(lab: &Lab, c: usize, request: &Request) -> Result<http::Response<Body>, Failure> {
    let target = &request.target;
    let form = form(&request.accept);
    lab.with(|world| {
        let now = world.now;
        let dates = world.dates;
        let store = &world.clusters[c].store;
        if !target.name.is_empty() {
            let found = store.get(target.resource, &target.namespace, &target.name);
            let found = found.ok_or_else(|| Failure::not_found(target.resource, &target.name))?;
            let value = shown(found, target);
            return Ok(json_response(
                200,
                &match form {
                    Form::Whole => value,
                    Form::Metadata => metadata_only(&value),
                    Form::Table => table::table(target.resource, &[value], store.version(), now, dates),
                },
            ));
        }
        let filter = Filter::of(request)?;
        let namespace = Some(target.namespace.as_str()).filter(|n| !n.is_empty());
        let items: Vec<Value> =
            store.list(target.resource, namespace).filter(|v| filter.matches(v)).map(|v| shown(v, target)).collect();
        Ok(json_response(200, &list(target.resource, &target.version, items, form, store.version(), now, dates)))
    })
}

fn list(
    resource: &Resource,
    version: &str,
    items: Vec<Value>,
    form: Form,
    at: u64,
    now: crate::clock::Ms,
    dates: crate::clock::Dates,
) -> Value {
    let metadata = json!({"resourceVersion": at.to_string()});
    match form {
        Form::Table => table::table(resource, &items, at, now, dates),
        Form::Metadata => {
            let items: Vec<Value> = items.iter().map(metadata_only).collect();
            json!({"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": metadata, "items": items})
        }
        Form::Whole => {
            // Items of a typed list carry neither kind nor version; those of custom resources do.
            let strip = |mut v: Value| {
                if !resource.custom {
                    object::unset(&mut v, "/kind");
                    object::unset(&mut v, "/apiVersion");
                }
                v
            };
            let items: Vec<Value> = items.into_iter().map(strip).collect();
            json!({"kind": format!("{}List", resource.kind), "apiVersion": resource.api_version(version), "metadata": metadata, "items": items})
        }
    }
}
