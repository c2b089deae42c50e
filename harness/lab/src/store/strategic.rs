//! Strategic merge patch and server-side apply: lists of objects merge by their merge key.
//!
//! Field ownership is not tracked, so an apply never conflicts.

use serde_json::{Map, Value};

/// The merge key of a list by the field that holds it.
fn merge_key(field: &str) -> Option<&'static str> {
    Some(match field {
        "containers"
        | "initContainers"
        | "ephemeralContainers"
        | "env"
        | "volumes"
        | "imagePullSecrets"
        | "secrets"
        | "containerStatuses" => "name",
        "volumeMounts" => "mountPath",
        "conditions" | "addresses" => "type",
        "ownerReferences" => "uid",
        "hostAliases" => "ip",
        "topologySpreadConstraints" => "topologyKey",
        _ => return None,
    })
}

fn ports_key(list: &[Value]) -> Option<&'static str> {
    let first = list.first()?;
    ["containerPort", "port"].into_iter().find(|key| first.get(*key).is_some())
}

/// Applies a strategic merge patch to an object.
pub(crate) fn apply(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if patch.get("$patch").and_then(Value::as_str) == Some("replace") {
        *target = Value::Object(
            patch.iter().filter(|(k, _)| !k.starts_with('$')).map(|(k, v)| (k.clone(), v.clone())).collect(),
        );
        return;
    }
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(target) = target else { return };
    if let Some(keep) = patch.get("$retainKeys").and_then(Value::as_array) {
        target.retain(|key, _| keep.iter().any(|k| k.as_str() == Some(key)));
    }
    for (key, value) in patch {
        if key.starts_with("$setElementOrder/") || key == "$retainKeys" || key == "$patch" {
            continue;
        }
        if let Some(field) = key.strip_prefix("$deleteFromPrimitiveList/") {
            if let (Some(Value::Array(list)), Value::Array(gone)) = (target.get_mut(field), value) {
                list.retain(|v| !gone.contains(v));
            }
            continue;
        }
        match value {
            Value::Null => {
                target.remove(key);
            }
            Value::Array(new) => {
                let by = if key == "ports" { ports_key(new) } else { merge_key(key) };
                match (by, target.get_mut(key)) {
                    (Some(by), Some(Value::Array(old))) => merge_list(old, new, by),
                    _ if key == "finalizers" => {
                        merge_set(target.entry(key.clone()).or_insert(Value::Array(vec![])), new);
                    }
                    _ => {
                        target.insert(
                            key.clone(),
                            Value::Array(new.iter().filter(|v| !is_deletion(v)).cloned().collect()),
                        );
                    }
                }
            }
            _ => apply(target.entry(key.clone()).or_insert(Value::Null), value),
        }
    }
}

fn is_deletion(value: &Value) -> bool {
    value.get("$patch").and_then(Value::as_str) == Some("delete")
}

fn merge_list(old: &mut Vec<Value>, new: &[Value], by: &str) {
    if new.iter().any(|v| v.get("$patch").and_then(Value::as_str) == Some("replace")) {
        *old = new.iter().filter(|v| v.get("$patch").is_none()).cloned().collect();
        return;
    }
    for one in new {
        let key = one.get(by);
        let found = old.iter().position(|v| key.is_some() && v.get(by) == key);
        match (found, is_deletion(one)) {
            (Some(at), true) => {
                old.remove(at);
            }
            (None, true) => {}
            (Some(at), false) => apply(&mut old[at], one),
            (None, false) => old.push(one.clone()),
        }
    }
}

fn merge_set(target: &mut Value, new: &[Value]) {
    if let Value::Array(list) = target {
        for one in new {
            if !list.contains(one) {
                list.push(one.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lists_merge_by_key_and_directives_hold() {
        let mut pod =
            json!({"containers": [{"name": "a", "image": "x", "env": [{"name": "E", "value": "1"}]}, {"name": "b"}]});
        apply(
            &mut pod,
            &json!({"$setElementOrder/containers": [{"name": "a"}], "containers": [
                {"name": "a", "image": "y", "env": [{"name": "F", "value": "2"}]}, {"name": "b", "$patch": "delete"}]}),
        );
        let env = json!([{"name": "E", "value": "1"}, {"name": "F", "value": "2"}]);
        assert_eq!(pod, json!({"containers": [{"name": "a", "image": "y", "env": env}]}));
        let mut deployment = json!({"strategy": {"type": "RollingUpdate", "rollingUpdate": {}}});
        apply(&mut deployment, &json!({"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}));
        assert_eq!(deployment, json!({"strategy": {"type": "Recreate"}}));
    }
}
