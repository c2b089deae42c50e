//! Reads and writes fields of a Kubernetes object in JSON.

use serde_json::{Map, Value};

/// The value at a pointer. It is used for every event, so it allocates only if a key
/// is escaped.
pub(crate) fn at<'a>(object: &'a Value, pointer: &str) -> Option<&'a Value> {
    if pointer.contains('~') {
        return object.pointer(pointer);
    }
    pointer.split('/').skip(1).try_fold(object, |at, key| match at {
        Value::Array(items) => items.get(key.parse::<usize>().ok()?),
        at => at.get(key),
    })
}

pub(crate) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    at(object, pointer).and_then(Value::as_str).unwrap_or("")
}

pub(crate) fn int(object: &Value, pointer: &str) -> Option<i64> {
    at(object, pointer).and_then(Value::as_i64)
}

pub(crate) fn flag(object: &Value, pointer: &str) -> bool {
    at(object, pointer).and_then(Value::as_bool).unwrap_or(false)
}

/// The array at a pointer, empty when there is none.
pub(crate) fn items<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    at(object, pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

pub(crate) fn name(object: &Value) -> &str {
    text(object, "/metadata/name")
}

pub(crate) fn namespace(object: &Value) -> &str {
    text(object, "/metadata/namespace")
}

pub(crate) fn uid(object: &Value) -> &str {
    text(object, "/metadata/uid")
}

pub(crate) fn label<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object.get("metadata")?.get("labels")?.get(key)?.as_str()
}

pub(crate) fn annotation<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object.get("metadata")?.get("annotations")?.get(key)?.as_str()
}

pub(crate) fn labels(object: &Value) -> Option<&Map<String, Value>> {
    object.get("metadata")?.get("labels")?.as_object()
}

pub(crate) fn deleting(object: &Value) -> bool {
    at(object, "/metadata/deletionTimestamp").is_some()
}

/// The owner that controls the object: kind and uid.
pub(crate) fn controller(object: &Value) -> Option<(&str, &str)> {
    let owner = items(object, "/metadata/ownerReferences").iter().find(|o| flag(o, "/controller"))?;
    Some((text(owner, "/kind"), text(owner, "/uid")))
}

/// Sets the value at a pointer, and creates the objects on its path.
pub(crate) fn set(object: &mut Value, pointer: &str, value: Value) {
    let mut at = object;
    for part in pointer.split('/').skip(1) {
        if !at.is_object() && !at.is_array() {
            *at = Value::Object(Map::new());
        }
        let key = part.replace("~1", "/").replace("~0", "~");
        at = match at {
            Value::Object(map) => map.entry(key).or_insert(Value::Null),
            Value::Array(list) => match key.parse().ok().and_then(|index: usize| list.get_mut(index)) {
                Some(item) => item,
                None => return,
            },
            _ => return,
        };
    }
    *at = value;
}

/// Removes the value at a pointer, if it exists.
pub(crate) fn unset(object: &mut Value, pointer: &str) {
    if let Some((parent, key)) = pointer.rsplit_once('/') {
        let parent = if parent.is_empty() { Some(object) } else { object.pointer_mut(parent) };
        if let Some(Value::Object(map)) = parent {
            map.remove(&key.replace("~1", "/").replace("~0", "~"));
        }
    }
}

/// Writes a default at a pointer, if the value there is absent or null.
pub(crate) fn default(object: &mut Value, pointer: &str, value: Value) {
    if object.pointer(pointer).is_none_or(Value::is_null) {
        set(object, pointer, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn set_and_unset_follow_pointers() {
        let mut object = json!({});
        set(&mut object, "/metadata/labels/a~1b", json!("x"));
        assert_eq!(object, json!({"metadata": {"labels": {"a/b": "x"}}}));
        default(&mut object, "/metadata/labels/a~1b", json!("y"));
        assert_eq!(label(&object, "a/b"), Some("x"));
        unset(&mut object, "/metadata/labels/a~1b");
        assert_eq!(object, json!({"metadata": {"labels": {}}}));
        let mut list = json!({"ports": [{"port": 1}, {"port": 2}]});
        set(&mut list, "/ports/1/port", json!(3));
        set(&mut list, "/ports/2/port", json!(4));
        assert_eq!(list, json!({"ports": [{"port": 1}, {"port": 3}]}));
    }
}
