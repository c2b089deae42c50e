//! JSON merge patch (RFC 7386) and JSON patch (RFC 6902).

use serde_json::{Map, Value};

/// Applies a merge patch: null removes, objects merge, everything else replaces.
pub(crate) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(target) = target else { return };
    for (key, value) in patch {
        if value.is_null() {
            target.remove(key);
        } else {
            merge(target.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

/// Applies a JSON patch. The error names the operation that failed.
pub(crate) fn json_patch(target: &mut Value, patch: &Value) -> Result<(), String> {
    let operations = patch.as_array().ok_or("a JSON patch is a list of operations")?;
    for one in operations {
        let text = |key: &str| one.get(key).and_then(Value::as_str).unwrap_or("");
        let value = || one.get("value").cloned().ok_or_else(|| format!("{} operation without value", text("op")));
        let at_path = text("path");
        match text("op") {
            "add" => add(target, at_path, value()?)?,
            "remove" => remove(target, at_path).map(drop)?,
            "replace" => {
                let at = target.pointer_mut(at_path).ok_or_else(|| missing("replace", at_path))?;
                *at = value()?;
            }
            "test" => {
                let wanted = value()?;
                if target.pointer(at_path) != Some(&wanted) {
                    return Err(format!("testing value {at_path} failed"));
                }
            }
            "copy" => {
                let found = target.pointer(text("from")).cloned().ok_or_else(|| missing("copy", text("from")))?;
                add(target, at_path, found)?;
            }
            "move" => {
                let found = remove(target, text("from"))?;
                add(target, at_path, found)?;
            }
            other => return Err(format!("unexpected kind: {other}")),
        }
    }
    Ok(())
}

fn missing(operation: &str, path: &str) -> String {
    format!("{operation} operation does not apply: doc is missing path: {path}: missing value")
}

fn parent<'a>(target: &'a mut Value, path: &str, operation: &str) -> Result<(&'a mut Value, String), String> {
    let (parent, key) = path.rsplit_once('/').ok_or_else(|| missing(operation, path))?;
    let key = key.replace("~1", "/").replace("~0", "~");
    target.pointer_mut(parent).map(|p| (p, key)).ok_or_else(|| missing(operation, path))
}

fn add(target: &mut Value, path: &str, value: Value) -> Result<(), String> {
    if path.is_empty() {
        *target = value;
        return Ok(());
    }
    match parent(target, path, "add")? {
        (Value::Object(map), key) => {
            map.insert(key, value);
        }
        (Value::Array(list), key) if key == "-" => list.push(value),
        (Value::Array(list), key) => {
            let at = key.parse::<usize>().ok().filter(|i| *i <= list.len()).ok_or_else(|| missing("add", path))?;
            list.insert(at, value);
        }
        _ => return Err(missing("add", path)),
    }
    Ok(())
}

fn remove(target: &mut Value, path: &str) -> Result<Value, String> {
    match parent(target, path, "remove")? {
        (Value::Object(map), key) => map.remove(&key).ok_or_else(|| missing("remove", path)),
        (Value::Array(list), key) => {
            let at = key.parse::<usize>().ok().filter(|i| *i < list.len()).ok_or_else(|| missing("remove", path))?;
            Ok(list.remove(at))
        }
        _ => Err(missing("remove", path)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn merge_patch_removes_on_null_and_replaces_lists() {
        let mut value = json!({"a": {"b": 1, "c": 2}, "l": [1, 2]});
        merge(&mut value, &json!({"a": {"b": null, "d": 3}, "l": [9]}));
        assert_eq!(value, json!({"a": {"c": 2, "d": 3}, "l": [9]}));
    }

    #[test]
    fn json_patch_applies_in_order_and_names_what_failed() {
        let mut value = json!({"spec": {"replicas": 3, "l": [1]}});
        let patch = json!([{"op": "test", "path": "/spec/replicas", "value": 3}, {"op": "replace", "path": "/spec/replicas", "value": 0},
            {"op": "add", "path": "/spec/l/-", "value": 2}, {"op": "remove", "path": "/spec/l/0"}]);
        json_patch(&mut value, &patch).unwrap();
        assert_eq!(value, json!({"spec": {"replicas": 0, "l": [2]}}));
        let wrong = json!([{"op": "test", "path": "/spec/replicas", "value": 3}]);
        assert!(json_patch(&mut value, &wrong).unwrap_err().contains("/spec/replicas"));
    }
}
