//! GET of one object and of lists, page by page if asked, as objects, as metadata only, or as a table.

use serde_json::{Value, json};

use super::body::{Body, json as json_response};
use super::failure::ApiFailure;
use super::filter::Filter;
use super::form::{Form, form, metadata_only, shown};
use super::page::{self, Page};
use super::path::Target;
use super::request::Request;
use super::table;
use crate::clock::{Dates, Ms};
use crate::engine::Engine;
use crate::store::object;

pub(crate) fn answer(engine: &Engine, cluster: usize, request: &Request) -> Result<http::Response<Body>, ApiFailure> {
    let target = &request.target;
    let form = form(&request.accept);
    engine.with(|world| {
        let now = world.now;
        let dates = world.dates;
        let store = &world.clusters[cluster].store;
        if !target.name.is_empty() {
            let found = store.get(target.resource, &target.namespace, &target.name);
            let found = found.ok_or_else(|| ApiFailure::not_found(target.resource, &target.name))?;
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
        let page = Page::of(request)?;
        let mut rest =
            store.list(target.resource, namespace).filter(|v| filter.matches(v)).filter(|v| page.has(v)).peekable();
        let items: Vec<Value> = rest.by_ref().take(page.limit).map(|v| shown(v, target)).collect();
        let mut metadata = json!({"resourceVersion": store.version().to_string()});
        if let (Some(last), true) = (items.last(), rest.peek().is_some()) {
            metadata["continue"] = json!(page::token(last));
            metadata["remainingItemCount"] = json!(rest.count());
        }
        Ok(json_response(200, &list(target, items, form, &metadata, now, dates)))
    })
}

fn list(target: &Target, items: Vec<Value>, form: Form, metadata: &Value, now: Ms, dates: Dates) -> Value {
    let (resource, version) = (target.resource, &target.version);
    match form {
        Form::Table => {
            let mut table = table::table(resource, &items, 0, now, dates);
            table["metadata"] = metadata.clone();
            table
        }
        Form::Metadata => {
            let items: Vec<Value> = items.iter().map(metadata_only).collect();
            json!({"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": metadata, "items": items})
        }
        Form::Whole => {
            // Items of a typed list have no kind and apiVersion; items of custom resources have them.
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
