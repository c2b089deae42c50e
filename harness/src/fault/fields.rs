//! Fields of objects: written by merge patch, and restored one by one if they still have the value that was written.

use std::fmt;
use std::time::Duration;

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Effect, UndoAction, UndoKind, UndoOutcome};
use crate::cluster::{AccessError, Cluster, Object, World};
use crate::probe::ProbeError;

/// The label of every object that a fault creates. An object without it is never deleted.
pub(super) const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "meshdrill");
/// The label with the run's id.
pub const RUN_LABEL: &str = "meshdrill.io/run";

/// The leaves of a merge patch, each with its path. A list is a leaf: a merge patch replaces all of it.
pub(super) fn leaves(patch: &Value) -> Vec<(Vec<String>, Value)> {
    match patch {
        Value::Object(members) if !members.is_empty() => members
            .iter()
            .flat_map(|(key, value)| {
                leaves(value).into_iter().map(move |(mut path, leaf)| {
                    path.insert(0, key.clone());
                    (path, leaf)
                })
            })
            .collect(),
        leaf => vec![(Vec::new(), leaf.clone())],
    }
}

/// The value of an object at a path; null if there is none.
pub(super) fn at<'a>(object: &'a Value, keys: &[String]) -> &'a Value {
    keys.iter().fold(object, |value, key| &value[key.as_str()])
}

/// A merge patch of one leaf.
fn nested(keys: &[String], leaf: Value) -> Value {
    keys.iter().rev().fold(leaf, |value, key| Value::Object(Map::from_iter([(key.clone(), value)])))
}

/// Merges a patch into another.
pub(super) fn merge(into: &mut Value, patch: Value) {
    match (into, patch) {
        (Value::Object(into), Value::Object(patch)) => {
            for (key, value) in patch {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, patch) => *into = patch,
    }
}

/// The merge patch that restores what the object has in the fields that a patch would write.
pub(super) fn inverse(object: &Value, patch: &Value) -> Value {
    leaves(patch).into_iter().fold(json!({}), |mut inverse, (keys, _)| {
        merge(&mut inverse, nested(&keys, at(object, &keys).clone()));
        inverse
    })
}

/// The object at a path, if it still is the one with this UID.
pub(super) async fn find_same(cluster: &Cluster, path: &str, uid: &str) -> Result<Object, Effect> {
    match cluster.find::<Object>(path).await {
        Ok(Some(object)) if object.uid() == uid => Ok(object),
        Ok(Some(_)) => Err(Effect::NotYet(format!("{path} was replaced by a new object of the same name"))),
        Ok(None) => Err(Effect::NotYet(format!("{path} was deleted"))),
        Err(error) => Err(Effect::Unknown(error.to_string())),
    }
}

/// Who may have reverted a field: who last wrote it, or else what manages the object; empty if neither is known. An API server
/// does not note who changed replicas through the `scale` subresource.
pub(super) fn by_whom(object: &Object, field: &[&str]) -> String {
    match (object.last_writer(field), managers(object).first()) {
        (Some(who), _) => format!(" by {who}"),
        (None, Some(manager)) => format!(" (managedFields do not say by whom; {manager} manages it)"),
        (None, None) => String::new(),
    }
}

/// What keeps an object as it is declared somewhere else, by its labels and annotations.
pub(super) fn managers(object: &Object) -> Vec<&'static str> {
    let argo = ["argocd.argoproj.io/tracking-id", "argocd.argoproj.io/instance"];
    let flux = ["kustomize.toolkit.fluxcd.io/name", "helm.toolkit.fluxcd.io/name"];
    let marked = |keys: [&str; 2]| keys.iter().any(|key| object.annotation(key).or(object.label(key)).is_some());
    [(argo, "Argo CD"), (flux, "Flux")].into_iter().filter(|(keys, _)| marked(*keys)).map(|(_, who)| who).collect()
}

/// The next step, from the current state of an object.
pub(super) enum Step {
    /// Nothing is left to do.
    Done(UndoOutcome),
    /// Send a merge patch to the object, or to a subresource such as `/scale`.
    Write(&'static str, Value),
}

/// Applies the step that `decide` returns for the current object, and retries if someone else changes the object in between.
/// An object that is gone, or that was replaced by a new one of the same name, is not touched.
pub(super) async fn change(
    cluster: &Cluster,
    path: &str,
    uid: &str,
    decide: impl Fn(&Object) -> Step,
) -> Result<UndoOutcome, AccessError> {
    for attempt in 0..5 {
        let Some(object) = cluster.find::<Object>(path).await?.filter(|object| object.uid() == uid) else {
            return Ok(UndoOutcome::Gone);
        };
        let (subresource, mut patch) = match decide(&object) {
            Step::Done(outcome) => return Ok(outcome),
            Step::Write(subresource, patch) => (subresource, patch),
        };
        patch["metadata"] = json!({ "resourceVersion": object.resource_version() });
        let target = format!("{path}{subresource}");
        match cluster.merge_patch(&target, &patch).await {
            Ok(_) => return Ok(UndoOutcome::Restored),
            Err(error) if (error.is_conflict() || error.is_transient()) && attempt < 4 => {
                tokio::time::sleep(Duration::from_millis(200 << attempt)).await;
            }
            Err(error) => return Err(error),
        }
    }
    Err(cluster.other(format!("{path} changes too often to be patched; undo the fault by hand")))
}

/// Restores every leaf that still has the value that the fault wrote.
fn restore(object: &Value, before: &Value, wrote: &Value) -> Step {
    let mut patch = json!({});
    let (mut ours, mut others) = (0, Vec::new());
    for (keys, written) in leaves(wrote) {
        let (now, old) = (at(object, &keys), at(before, &keys));
        if *now == written && now != old {
            ours += 1;
            merge(&mut patch, nested(&keys, old.clone()));
        } else if now != old {
            others.push(format!("{} is {now}", keys.join(".")));
        }
    }
    match (ours, others.is_empty()) {
        (0, true) => Step::Done(UndoOutcome::AlreadyRight),
        (0, false) => Step::Done(UndoOutcome::ChangedByOthers(others.join(", "))),
        _ => Step::Write("", patch),
    }
}

/// Restores the fields of an object that still have the values that the fault wrote.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct RestoreFields {
    /// The cluster's key.
    pub cluster: String,
    /// The object's path in the API.
    pub path: String,
    /// Its UID.
    pub uid: String,
    /// A merge patch that restores all fields: the old values, null where there was none.
    pub before: Value,
    /// The merge patch of the fault.
    pub wrote: Value,
}

impl UndoKind for RestoreFields {
    const KIND: &'static str = "restoreFields";
}

impl UndoAction for RestoreFields {
    fn cluster(&self) -> Option<&str> {
        Some(&self.cluster)
    }

    fn apply<'a>(&'a self, world: &'a World) -> BoxFuture<'a, Result<UndoOutcome, ProbeError>> {
        Box::pin(async move {
            let step = |object: &Object| restore(object, &self.before, &self.wrote);
            Ok(change(world.cluster(&self.cluster)?, &self.path, &self.uid, step).await?)
        })
    }

    fn missing<'a>(&'a self, world: &'a World) -> BoxFuture<'a, Result<Option<String>, ProbeError>> {
        Box::pin(async move {
            let found = world.cluster(&self.cluster)?.find::<Object>(&self.path).await?;
            let Some(object) = found.filter(|object| object.uid() == self.uid) else {
                return Ok(None);
            };
            let left: Vec<String> = leaves(&self.wrote)
                .into_iter()
                .filter(|(keys, written)| !written.is_null() && at(&object, keys) == written)
                .map(|(keys, _)| keys.join("."))
                .collect();
            let path = &self.path;
            Ok((!left.is_empty()).then(|| format!("{path} still has values of the fault: {}", left.join(", "))))
        })
    }
}

impl fmt::Display for RestoreFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "restore the fields of {} ({})", self.path, self.cluster)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inverse_of_a_patch_puts_back_what_was_there() {
        let object = json!({ "spec": { "a": 1, "list": [1, 2], "deep": { "kept": true } } });
        let patch = json!({ "spec": { "a": 2, "list": [3], "deep": { "new": "x" } } });
        assert_eq!(inverse(&object, &patch), json!({ "spec": { "a": 1, "list": [1, 2], "deep": { "new": null } } }));
    }

    #[test]
    fn only_what_is_still_ours_is_put_back() {
        let (before, wrote) = (json!({ "spec": { "a": 1, "b": null } }), json!({ "spec": { "a": 2, "b": true } }));
        let step = |spec: Value| restore(&json!({ "spec": spec }), &before, &wrote);
        let written = |step: Step| match step {
            Step::Write("", patch) => patch,
            _ => Value::Null,
        };
        assert_eq!(written(step(json!({ "a": 2, "b": true }))), before);
        assert_eq!(written(step(json!({ "a": 3, "b": true }))), json!({ "spec": { "b": null } }));
        assert!(matches!(step(json!({ "a": 1 })), Step::Done(UndoOutcome::AlreadyRight)));
        assert!(
            matches!(step(json!({ "a": 3 })), Step::Done(UndoOutcome::ChangedByOthers(what)) if what == "spec.a is 3")
        );
    }
}
