//! How objects look in responses: complete, metadata only, or as a table.

use std::sync::Arc;

use serde_json::{Value, json};

use super::path::Target;

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
