//! JSON Schema of the file format, and what `explain` prints, both from the types that files are decoded into.

use serde_json::{Map, Value, json};

use super::{MeshFile, ScenarioFile};

const KIND: &str = "$kind";

/// The schema of scenario files.
pub fn scenario_schema() -> Value {
    finished(schemars::schema_for!(ScenarioFile).to_value(), "Scenario")
}

/// The schema of mesh files.
pub fn mesh_schema() -> Value {
    finished(schemars::schema_for!(MeshFile).to_value(), "Mesh")
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
fn variants(kind: &Value, definitions: &Value) -> Map<String, Value> {
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

fn resolved<'a>(schema: &'a Value, definitions: &'a Value) -> &'a Value {
    let name = schema.get("$ref").and_then(Value::as_str).and_then(|path| path.rsplit('/').next());
    name.and_then(|name| definitions.get(name)).unwrap_or(schema)
}

/// The things that can be explained: sections and kinds, with their schema.
fn topics() -> Vec<(String, Value)> {
    let raw = schemars::schema_for!(ScenarioFile).to_value();
    let mesh = schemars::schema_for!(MeshFile).to_value();
    let mut topics = Vec::new();
    for (name, definition) in [("ProbeKind", "probe"), ("FaultKind", "fault"), ("CriterionSpec", "criterion")] {
        let kinds = variants(&json!({ "$ref": name }), raw.get("$defs").unwrap_or(&Value::Null));
        topics.extend(kinds.into_iter().map(|(kind, mut schema)| {
            schema["x-family"] = definition.into();
            (kind, schema)
        }));
    }
    let sections = [
        ("scenario", "ScenarioSpec", &raw),
        ("mesh", "MeshSpec", &mesh),
        ("cluster", "ClusterSpec", &mesh),
        ("probe", "ProbeSpec", &raw),
        ("check", "CheckSpec", &raw),
        ("faultSpec", "FaultSpec", &raw),
        ("sla", "SlaRow", &raw),
    ];
    topics.extend(sections.map(|(topic, name, schema)| (topic.to_owned(), schema["$defs"][name].clone())));
    topics
}

/// The names `explain` knows.
pub fn kinds() -> Vec<String> {
    topics().into_iter().map(|(name, _)| name).collect()
}

/// What a kind or section is and what keys it takes, as text.
pub fn explain(name: &str) -> Option<String> {
    let definitions = |schema: schemars::Schema| schema.to_value()["$defs"].clone();
    let mut all = definitions(schemars::schema_for!(ScenarioFile));
    if let (Value::Object(all), Value::Object(mesh)) = (&mut all, definitions(schemars::schema_for!(MeshFile))) {
        all.extend(mesh);
    }
    let (name, schema) = topics().into_iter().find(|(topic, _)| topic.eq_ignore_ascii_case(name))?;
    let description = schema.get("description").and_then(Value::as_str).unwrap_or_default();
    let family = schema.get("x-family").and_then(Value::as_str).unwrap_or("section");
    let mut text = format!("{name} ({family})\n\n    {}\n", description.replace('\n', "\n    "));
    let body = resolved(&schema, &all);
    if let Some(own) = body.get("description").and_then(Value::as_str).filter(|own| *own != description) {
        text += &format!("\n    {}\n", own.replace('\n', "\n    "));
    }
    let required: Vec<&str> =
        body.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    if let Some(properties) = body.get("properties").and_then(Value::as_object) {
        text += "\nKEYS\n";
        for (key, property) in properties.iter().filter(|(key, _)| *key != KIND) {
            let described = property.get("description").or_else(|| resolved(property, &all).get("description"));
            let must = if required.contains(&key.as_str()) { " (required)" } else { "" };
            text += &format!(
                "  {key}{must}\n      {}\n",
                described.and_then(Value::as_str).unwrap_or("").replace('\n', " ")
            );
        }
    }
    Some(text)
}
