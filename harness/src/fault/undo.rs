//! Undos in journals: each kind is defined in the file of its fault, and read here.

use std::fmt;
use std::ops::Deref;

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use super::command::RunCommand;
use super::create::DeleteObject;
use super::fields::RestoreFields;
use super::http_fault_undo::RemoveRouteFault;
use super::scale::RestoreScale;
use super::{UndoAction, UndoData, UndoKind};

/// An undo that journals store.
#[derive(Debug, Clone)]
pub struct Undo(UndoData);

impl From<UndoData> for Undo {
    fn from(data: UndoData) -> Self {
        Self(data)
    }
}

impl Deref for Undo {
    type Target = dyn UndoAction;

    fn deref(&self) -> &Self::Target {
        self.0.as_ref()
    }
}

impl PartialEq for Undo {
    fn eq(&self, other: &Self) -> bool {
        self.kind() == other.kind() && self.fields() == other.fields()
    }
}

impl Eq for Undo {}

impl fmt::Display for Undo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Undo {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = Map::from_iter([("kind".to_owned(), Value::from(self.kind()))]);
        if let Value::Object(fields) = self.fields() {
            object.extend(fields);
        }
        object.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Undo {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read(&Value::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

fn read(object: &Value) -> Result<Undo, serde_json::Error> {
    match object["kind"].as_str().unwrap_or_default() {
        RestoreScale::KIND => of::<RestoreScale>(object),
        RestoreFields::KIND => of::<RestoreFields>(object),
        DeleteObject::KIND => of::<DeleteObject>(object),
        RemoveRouteFault::KIND => of::<RemoveRouteFault>(object),
        RunCommand::KIND => of::<RunCommand>(object),
        other => Err(serde_json::Error::custom(format!("unknown kind of undo `{other}`"))),
    }
}

fn of<T: UndoAction + DeserializeOwned + 'static>(object: &Value) -> Result<Undo, serde_json::Error> {
    Ok(Undo(std::sync::Arc::new(T::deserialize(object)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What earlier versions have written: every one of them can still be undone.
    const WRITTEN: &str = include_str!("../../tests/journals/v1.jsonl");

    #[test]
    fn undos_of_earlier_versions_are_read() {
        let undos: Vec<Undo> = WRITTEN.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        for (undo, line) in undos.iter().zip(WRITTEN.lines()) {
            let again: Undo = serde_json::from_value(serde_json::to_value(undo).unwrap()).unwrap();
            assert_eq!(*undo, again, "{line}");
        }
        let lines: Vec<String> = undos.iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            [
                "scale Deployment istio-system/istiod (primary) back to 2",
                "scale StatefulSet bookinfo/ratings (primary) back to 1",
                "restore the fields of /api/v1/nodes/node-1 (primary)",
                "delete /apis/networking.k8s.io/v1/namespaces/bookinfo/networkpolicies/isolate (secondary)",
                "run restore --all",
                "delete /api/v1/namespaces/shop/configmaps/x (primary)",
                "remove the fault from VirtualService shop/cart (primary)",
                "remove the fault from VirtualService shop/pay (primary)",
            ]
        );
    }
}
