//! Kubernetes objects: JSON with typed access to the metadata that every object has.

use std::borrow::Borrow;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// The name under which the API server notes changes of this program in `managedFields`.
const MANAGER: &str = "meshdrill";

/// An object, by name and identity.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct ObjectRef {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID: a new object can have the same name, but not the same UID.
    pub uid: String,
}

impl std::fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// A Kubernetes object. It derefs to its JSON, so `object["spec"]["replicas"]` reads a field that only its kind has.
///
/// A clone is the same JSON in memory until one of them is changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Object(Arc<Value>);

impl Object {
    /// The name; empty if there is none, such as with `generateName`.
    pub fn name(&self) -> &str {
        self.text("name")
    }

    /// The namespace; empty for an object of the cluster, such as a Node.
    pub fn namespace(&self) -> &str {
        self.text("namespace")
    }

    /// The UID: a new object of the same name has another one.
    pub fn uid(&self) -> &str {
        self.text("uid")
    }

    /// The resource version, for optimistic locking.
    pub fn resource_version(&self) -> &str {
        self.text("resourceVersion")
    }

    /// When it was created, as RFC 3339 text: sorts by time.
    pub fn creation_time(&self) -> &str {
        self.text("creationTimestamp")
    }

    /// The generation: how often its spec was changed.
    pub fn generation(&self) -> i64 {
        self.metadata()["generation"].as_i64().unwrap_or(0)
    }

    /// All labels, as a JSON object; null if there are none.
    pub fn labels(&self) -> &Value {
        &self.metadata()["labels"]
    }

    /// The value of a label.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.labels()[key].as_str()
    }

    /// The value of an annotation.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.metadata()["annotations"][key].as_str()
    }

    /// The finalizers that it waits for when it is deleted.
    pub fn finalizers(&self) -> Vec<&str> {
        self.metadata()["finalizers"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// API version, kind and name of the owner that controls it.
    pub fn controller(&self) -> Option<(&str, &str, &str)> {
        let owner = self.metadata()["ownerReferences"].as_array()?.iter().find(|owner| owner["controller"] == true)?;
        Some((owner["apiVersion"].as_str().unwrap_or_default(), owner["kind"].as_str()?, owner["name"].as_str()?))
    }

    /// Who last wrote a field, such as `["spec", "replicas"]`, other than this program, as `managedFields` say. None where they
    /// name nobody.
    pub fn last_writer(&self, field: &[&str]) -> Option<&str> {
        let owns = |entry: &&Value| {
            let owned = field.iter().try_fold(&entry["fieldsV1"], |fields, key| fields.get(format!("f:{key}")));
            owned.is_some() && entry["manager"].as_str().is_some_and(|manager| manager != MANAGER)
        };
        let entries = self.metadata()["managedFields"].as_array()?.iter();
        entries.filter(owns).max_by_key(|entry| entry["time"].as_str())?["manager"].as_str()
    }

    /// The replicas that a workload desires; 1 where it does not say.
    pub fn replicas(&self) -> i64 {
        self.0["spec"]["replicas"].as_i64().unwrap_or(1)
    }

    /// The replicas of a workload that are ready.
    pub fn ready_replicas(&self) -> i64 {
        self.0["status"]["readyReplicas"].as_i64().unwrap_or(0)
    }

    /// Whether it has been deleted and is still there.
    pub fn is_terminating(&self) -> bool {
        !self.metadata()["deletionTimestamp"].is_null()
    }

    /// Its namespace, name and UID.
    pub fn object_ref(&self) -> ObjectRef {
        let owned = str::to_owned;
        ObjectRef { namespace: owned(self.namespace()), name: owned(self.name()), uid: owned(self.uid()) }
    }

    fn metadata(&self) -> &Value {
        &self.0["metadata"]
    }

    fn text(&self, field: &str) -> &str {
        self.metadata()[field].as_str().unwrap_or_default()
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(to)
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Value::deserialize(from).map(Self::from)
    }
}

impl From<Value> for Object {
    fn from(value: Value) -> Self {
        Self(Arc::new(value))
    }
}

impl Deref for Object {
    type Target = Value;

    fn deref(&self) -> &Value {
        &self.0
    }
}

impl DerefMut for Object {
    fn deref_mut(&mut self) -> &mut Value {
        Arc::make_mut(&mut self.0)
    }
}

impl Borrow<Value> for Object {
    fn borrow(&self) -> &Value {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn metadata_is_read() {
        let object = Object::from(json!({ "metadata": {
            "name": "a", "namespace": "b", "uid": "c", "generation": 4, "deletionTimestamp": "2026-01-01T00:00:00Z",
            "labels": { "app": "x" }, "annotations": { "note": "y" }, "finalizers": ["z"],
            "ownerReferences": [{ "kind": "Node", "name": "n" }, { "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "controller": true }]
        }, "spec": { "replicas": 2 } }));
        assert_eq!(object.object_ref(), ObjectRef { namespace: "b".into(), name: "a".into(), uid: "c".into() });
        assert_eq!(
            (object.label("app"), object.annotation("note"), object.label("note")),
            (Some("x"), Some("y"), None)
        );
        assert_eq!(
            (object.generation(), object.finalizers(), object.controller()),
            (4, vec!["z"], Some(("apps/v1", "ReplicaSet", "r")))
        );
        assert!(object.is_terminating() && object["spec"]["replicas"] == 2);
    }

    #[test]
    fn the_last_writer_of_a_field_is_the_newest_of_the_others() {
        let entry =
            |manager: &str, time: &str, fields: Value| json!({ "manager": manager, "time": time, "fieldsV1": fields });
        let replicas = json!({ "f:spec": { "f:replicas": {} } });
        let object = Object::from(json!({ "metadata": { "managedFields": [
            entry("argocd-controller", "2026-01-01T00:00:09Z", replicas.clone()),
            entry("kubectl", "2026-01-01T00:00:02Z", replicas.clone()),
            entry("meshdrill", "2026-01-01T00:00:10Z", replicas),
            entry("helm", "2026-01-01T00:00:11Z", json!({ "f:spec": { "f:paused": {} } })),
        ] } }));
        assert_eq!(object.last_writer(&["spec", "replicas"]), Some("argocd-controller"));
        assert_eq!(object.last_writer(&["spec", "template"]), None);
        assert_eq!(Object::default().last_writer(&["spec"]), None);
    }

    #[test]
    fn missing_metadata_is_empty() {
        let object = Object::default();
        assert_eq!((object.name(), object.namespace(), object.resource_version()), ("", "", ""));
        assert!(!object.is_terminating() && object.finalizers().is_empty() && object.controller().is_none());
    }
}
