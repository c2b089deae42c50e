//! JSON Schema of the file format, from the types that files are decoded into.

use serde_json::{Map, Value, json};

use super::{AttestationsFile, FindingsFile, ScenarioFile, SignOffFile};
use crate::format::MeshFile;

/// The key that stands for that of a kind.
pub(super) const KIND: &str = "$kind";

/// The schema of scenario files.
pub fn scenario_schema() -> Value {
    finished(schemars::schema_for!(ScenarioFile).to_value(), "Scenario")
}

/// The schema of mesh files.
pub fn mesh_schema() -> Value {
    finished(schemars::schema_for!(MeshFile).to_value(), "Mesh")
}

/// The schema of files of what a sign-off requires.
pub fn sign_off_schema() -> Value {
    finished(schemars::schema_for!(SignOffFile).to_value(), "SignOff")
}

/// The schema of files of attestations.
pub fn attestations_schema() -> Value {
    finished(schemars::schema_for!(AttestationsFile).to_value(), "Attestations")
}

/// The schema of files of findings.
pub fn findings_schema() -> Value {
    finished(schemars::schema_for!(FindingsFile).to_value(), "Findings")
}

fn finished(mut schema: Value, kind: &str) -> Value {
    let definitions = schema.get("$defs").cloned().unwrap_or_default();
    spread(&mut schema, &definitions);
    if let Some(properties) = schema.get_mut("properties") {
        properties["apiVersion"] = json!({ "const": super::API_VERSION });
        properties["kind"] = json!({ "const": kind });
    }
    schema
}

/// Puts the variants of a `$kind` property beside its siblings, of which a file writes exactly one.
fn spread(schema: &mut Value, definitions: &Value) {
    match schema {
        Value::Object(object) => {
            if let Some(kind) =
                object.get_mut("properties").and_then(|properties| properties.as_object_mut()?.remove(KIND))
            {
                let variants = variants(&kind, definitions);
                let exclusive: Vec<Value> = variants.keys().map(|name| json!({ "required": [name] })).collect();
                if let Some(properties) = object.get_mut("properties").and_then(Value::as_object_mut) {
                    properties.extend(variants);
                }
                object.insert("oneOf".into(), exclusive.into());
                if let Some(required) = object.get_mut("required").and_then(Value::as_array_mut) {
                    required.retain(|name| name != KIND);
                }
            }
            object.values_mut().for_each(|inner| spread(inner, definitions));
        }
        Value::Array(items) => items.iter_mut().for_each(|inner| spread(inner, definitions)),
        _ => {}
    }
}

/// The variants of an externally tagged enum: name to schema.
pub(super) fn variants(kind: &Value, definitions: &Value) -> Map<String, Value> {
    let kind = resolved(kind, definitions);
    let mut variants = Map::new();
    for variant in kind.get("oneOf").and_then(Value::as_array).into_iter().flatten() {
        for (name, schema) in variant.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let mut schema = schema.clone();
            if let (Some(object), Some(description)) = (schema.as_object_mut(), variant.get("description")) {
                object.insert("description".into(), description.clone());
            }
            variants.insert(name.clone(), schema);
        }
    }
    variants
}

/// What a reference leads to; the schema itself if it is none.
pub(super) fn resolved<'a>(schema: &'a Value, definitions: &'a Value) -> &'a Value {
    let name = schema.get("$ref").and_then(Value::as_str).and_then(|path| path.rsplit('/').next());
    name.and_then(|name| definitions.get(name)).unwrap_or(schema)
}
