//! `metadata.managedFields`: who last wrote which field. As in a real API server, a change of the `scale` subresource leaves no
//! trace there.

use serde_json::{Map, Value, json};

use super::request::Request;
use crate::store::object;
use crate::world::World;

/// Gives the fields in which `value` differs from `old` to the writer, and takes them from the others.
pub(super) fn write(world: &World, request: &Request, old: &Value, value: &mut Value) {
    let mut written = Map::new();
    for (key, part) in value.as_object().into_iter().flatten() {
        match key.as_str() {
            "apiVersion" | "kind" | "status" => {}
            "metadata" => {
                let mut inner = Map::new();
                for field in ["labels", "annotations", "finalizers", "ownerReferences"] {
                    differing(&old["metadata"][field], &part[field], field, &mut inner);
                }
                if !inner.is_empty() {
                    written.insert("f:metadata".to_owned(), Value::Object(inner));
                }
            }
            key => differing(&old[key], part, key, &mut written),
        }
    }
    if written.is_empty() {
        return;
    }
    let apply = request.content_type.contains("apply-patch");
    let (manager, operation) = (request.manager(), if apply { "Apply" } else { "Update" });
    let is_own =
        |entry: &Value| object::text(entry, "/manager") == manager && object::text(entry, "/operation") == operation;
    let mut list = object::items(value, "/metadata/managedFields").to_vec();
    let mut own = list.iter().find(|entry| is_own(entry)).map_or_else(|| json!({}), |entry| entry["fieldsV1"].clone());
    list.retain(|entry| !is_own(entry));
    for other in &mut list {
        if let Some(fields) = other["fieldsV1"].as_object_mut() {
            remove(fields, &written);
        }
    }
    list.retain(|entry| entry["fieldsV1"].as_object().is_none_or(|fields| !fields.is_empty()));
    add(&mut own, Value::Object(written));
    let entry = json!({"manager": manager, "operation": operation, "apiVersion": request.target.api_version(),
        "time": world.date(), "fieldsType": "FieldsV1", "fieldsV1": own});
    list.push(entry);
    object::set(value, "/metadata/managedFields", json!(list));
}

/// Adds the field `key` to `into` where its values differ. A list is one field.
fn differing(old: &Value, new: &Value, key: &str, into: &mut Map<String, Value>) {
    if old == new {
        return;
    }
    match new {
        Value::Object(members) if !members.is_empty() => {
            let mut inner = Map::new();
            for (name, value) in members {
                differing(&old[name.as_str()], value, name, &mut inner);
            }
            if !inner.is_empty() {
                into.insert(format!("f:{key}"), Value::Object(inner));
            }
        }
        Value::Null => {}
        _ => drop(into.insert(format!("f:{key}"), json!({}))),
    }
}

fn remove(from: &mut Map<String, Value>, fields: &Map<String, Value>) {
    for (key, taken) in fields {
        let Some(kept) = from.get_mut(key).and_then(Value::as_object_mut) else { continue };
        remove(kept, taken.as_object().unwrap_or(&Map::new()));
        if kept.is_empty() {
            from.remove(key);
        }
    }
}

fn add(into: &mut Value, fields: Value) {
    if let (Some(into), Value::Object(fields)) = (into.as_object_mut(), fields) {
        for (key, value) in fields {
            add(into.entry(key).or_insert_with(|| json!({})), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_written() {
        let old = json!({ "replicas": 3, "template": { "a": 1, "b": [1] } });
        let new = json!({ "replicas": 0, "template": { "a": 1, "b": [1, 2] } });
        let mut written = Map::new();
        differing(&old, &new, "spec", &mut written);
        assert_eq!(
            Value::Object(written.clone()),
            json!({ "f:spec": { "f:replicas": {}, "f:template": { "f:b": {} } } })
        );
        let mut others = json!({ "f:spec": { "f:replicas": {}, "f:paused": {} } });
        remove(others.as_object_mut().unwrap(), &written);
        assert_eq!(others, json!({ "f:spec": { "f:paused": {} } }));
    }
}
