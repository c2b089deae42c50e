//! Reading fields of an object: by JSON pointer, absent ones as nothing.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

/// An object that is not what it should be. Fits "failed to read …: ".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KubeError {
    /// It is of another kind.
    #[error("object is a {got}, not a {wanted}")]
    Kind {
        /// Kind that was asked for.
        wanted: &'static str,
        /// Kind it is.
        got: String,
    },
    /// A field without which it is no such object is missing.
    #[error("{kind} has no {field}")]
    Missing {
        /// Kind that was asked for.
        kind: &'static str,
        /// The field, dotted.
        field: &'static str,
    },
}

/// The objects of a list; nothing for what is no list.
pub fn items(list: &Value) -> &[Value] {
    list.get("items").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Checks the kind, which objects taken from a list do not carry, and gives the name.
pub(super) fn named(object: &Value, kind: &'static str) -> Result<String, KubeError> {
    if let Some(got) = text(object, "/kind").filter(|got| *got != kind) {
        return Err(KubeError::Kind { wanted: kind, got: got.to_owned() });
    }
    let name = text(object, "/metadata/name").filter(|name| !name.is_empty());
    Ok(name.ok_or(KubeError::Missing { kind, field: "metadata.name" })?.to_owned())
}

pub(super) fn text<'a>(object: &'a Value, pointer: &str) -> Option<&'a str> {
    object.pointer(pointer)?.as_str()
}

/// A string, empty where there is none.
pub(super) fn string(object: &Value, pointer: &str) -> String {
    text(object, pointer).unwrap_or_default().to_owned()
}

pub(super) fn number(object: &Value, pointer: &str) -> Option<u64> {
    object.pointer(pointer)?.as_u64()
}

/// A count, zero where there is none.
pub(super) fn count(object: &Value, pointer: &str) -> u64 {
    number(object, pointer).unwrap_or(0)
}

/// An object, and not an explicit null.
pub(super) fn object<'a>(of: &'a Value, pointer: &str) -> Option<&'a Value> {
    of.pointer(pointer).filter(|value| value.is_object())
}

/// Whether a field is there and true.
pub(super) fn flag(object: &Value, pointer: &str) -> bool {
    object.pointer(pointer).and_then(Value::as_bool).unwrap_or(false)
}

pub(super) fn list<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

pub(super) fn strings(object: &Value, pointer: &str) -> Vec<String> {
    list(object, pointer).iter().filter_map(|v| Some(v.as_str()?.to_owned())).collect()
}

pub(super) fn map(object: &Value, pointer: &str) -> BTreeMap<String, String> {
    let fields = object.pointer(pointer).and_then(Value::as_object);
    fields.into_iter().flatten().filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned()))).collect()
}

pub(super) fn time(object: &Value, pointer: &str) -> Option<Timestamp> {
    text(object, pointer)?.parse().ok()
}

/// The condition of a type, if the object has it.
pub(super) fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    list(object, "/status/conditions").iter().find(|c| text(c, "/type") == Some(kind))
}

pub(super) fn condition_true(object: &Value, kind: &str) -> bool {
    condition(object, kind).is_some_and(|c| text(c, "/status") == Some("True"))
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// Any JSON, with field names that the readers look for.
    pub(crate) fn any_object() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            prop::sample::select(vec!["", "x", "True", "Running", "Always", "2026-01-01T00:00:00Z", "a:b@c", "Ready"])
                .prop_map(Value::from),
        ];
        let key = prop::sample::select(vec![
            "metadata",
            "name",
            "spec",
            "status",
            "conditions",
            "type",
            "containers",
            "initContainers",
            "state",
            "waiting",
            "containerStatuses",
            "initContainerStatuses",
            "image",
            "replicas",
            "endpoints",
            "addresses",
            "ports",
            "port",
            "loadBalancer",
            "ingress",
            "restartPolicy",
            "reason",
            "restartCount",
            "terminated",
            "updateStrategy",
            "rollingUpdate",
            "partition",
            "generation",
            "observedGeneration",
            "deletionTimestamp",
            "ownerReferences",
        ]);
        leaf.prop_recursive(6, 120, 8, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(key.clone(), inner, 0..8).prop_map(|m| m
                    .into_iter()
                    .map(|(k, v)| (k.to_owned(), v))
                    .collect::<serde_json::Map<_, _>>()
                    .into()),
            ]
        })
    }

    #[test]
    fn kind_and_name() {
        assert_eq!(named(&json!({"metadata": {"name": "a"}}), "Pod").unwrap(), "a");
        let wrong = named(&json!({"kind": "Status", "metadata": {}}), "Pod").unwrap_err();
        assert_eq!(wrong.to_string(), "object is a Status, not a Pod");
        let nameless = named(&json!({"kind": "Pod"}), "Pod").unwrap_err();
        assert_eq!(nameless.to_string(), "Pod has no metadata.name");
        assert!(items(&json!([])).is_empty());
        assert_eq!(items(&json!({"items": [1, 2]})).len(), 2);
    }
}
