//! The form of objects in responses: complete, metadata only, or as a table.

use std::sync::Arc;

use serde_json::{Value, json};

use super::path::Target;

/// The form of objects that the client accepts.
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

/// The object in one API version.
pub(crate) fn shown(value: &Arc<Value>, target: &Target) -> Value {
    let mut out = (**value).clone();
    out["apiVersion"] = json!(target.api_version());
    out["kind"] = json!(target.resource.kind);
    out
}

/// The metadata of the object, and nothing else.
pub(crate) fn metadata_only(value: &Value) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": value.get("metadata").cloned().unwrap_or_default()})
}
