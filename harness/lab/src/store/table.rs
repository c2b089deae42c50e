//! The objects themselves, with resource versions, and the log of changes that watches replay.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::watch;

use super::object;
use super::resources::{self, Resource};
use crate::rng::Rng;

/// How many changes a watch may lag behind before it gets 410 Gone.
const LOG: usize = 20_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChangeKind {
    Added,
    Modified,
    Deleted,
}

/// One change of one object.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) version: u64,
    pub(crate) resource: &'static Resource,
    pub(crate) kind: ChangeKind,
    /// The new object, or the last one for a deletion.
    pub(crate) object: Arc<Value>,
    pub(crate) previous: Option<Arc<Value>>,
}

type Key = (String, String);

/// The objects of one cluster.
#[derive(Debug)]
pub(crate) struct Store {
    tables: BTreeMap<(&'static str, &'static str), BTreeMap<Key, Arc<Value>>>,
    version: u64,
    rng: Rng,
    log: VecDeque<Change>,
    unseen: Vec<Change>,
    announce: watch::Sender<u64>,
}

impl Store {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            tables: BTreeMap::new(),
            version: 1000,
            rng: Rng::new(seed),
            log: VecDeque::new(),
            unseen: Vec::new(),
            announce: watch::Sender::new(1000),
        }
    }

    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// The oldest version a watch can start from.
    pub(crate) fn oldest(&self) -> u64 {
        self.log.front().map_or(0, |change| change.version - 1)
    }

    /// Wakes watches when the version changes.
    pub(crate) fn announcements(&self) -> watch::Receiver<u64> {
        self.announce.subscribe()
    }

    /// Changes after `version`, oldest first.
    pub(crate) fn since(&self, version: u64) -> impl Iterator<Item = &Change> {
        let start = self.log.partition_point(|change| change.version <= version);
        self.log.iter().skip(start)
    }

    /// Changes that no controller has seen yet.
    pub(crate) fn take_unseen(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.unseen)
    }

    pub(crate) fn get(&self, resource: &Resource, namespace: &str, name: &str) -> Option<&Arc<Value>> {
        // BTreeMap wants the owned pair; names are short and this is not the data path.
        self.tables.get(&(resource.group, resource.plural))?.get(&(namespace.to_owned(), name.to_owned()))
    }

    /// Whether the API serves a resource: one of a definition only if the definition exists.
    pub(crate) fn serves(&self, resource: &Resource) -> bool {
        !resource.custom || self.get(resources::crds(), "", &resource.qualified()).is_some()
    }

    /// All objects of a resource, or those of one namespace, in order of namespace and name.
    pub(crate) fn list<'a>(
        &'a self,
        resource: &Resource,
        namespace: Option<&'a str>,
    ) -> impl Iterator<Item = &'a Arc<Value>> + use<'a> {
        let table = self.tables.get(&(resource.group, resource.plural));
        table.into_iter().flatten().filter(move |((ns, _), _)| namespace.is_none_or(|n| n == ns)).map(|(_, o)| o)
    }

    /// Adds an object that has a name; fills uid, version, generation and, when it has none, the creation date.
    pub(crate) fn create(&mut self, resource: &'static Resource, mut value: Value, date: &str) -> Arc<Value> {
        object::default(&mut value, "/metadata/uid", json!(self.rng.uuid()));
        object::default(&mut value, "/metadata/creationTimestamp", json!(date));
        if value.get("spec").is_some() {
            object::set(&mut value, "/metadata/generation", json!(1));
        }
        self.put(resource, value, ChangeKind::Added, None)
    }

    /// Writes a new state of an existing object. An equal state changes nothing; a changed `spec` increments the generation.
    pub(crate) fn replace(&mut self, resource: &'static Resource, mut value: Value) -> Arc<Value> {
        let Some(old) = self.get(resource, object::namespace(&value), object::name(&value)).cloned() else {
            return self.put(resource, value, ChangeKind::Added, None);
        };
        for field in ["uid", "creationTimestamp", "resourceVersion", "generation"] {
            match old.pointer(&format!("/metadata/{field}")) {
                Some(kept) => object::set(&mut value, &format!("/metadata/{field}"), kept.clone()),
                None => object::unset(&mut value, &format!("/metadata/{field}")),
            }
        }
        if value == *old {
            return old;
        }
        if value.get("spec") != old.get("spec")
            && let Some(generation) = object::int(&old, "/metadata/generation")
        {
            object::set(&mut value, "/metadata/generation", json!(generation + 1));
        }
        self.put(resource, value, ChangeKind::Modified, Some(old))
    }

    pub(crate) fn remove(&mut self, resource: &'static Resource, namespace: &str, name: &str) -> Option<Arc<Value>> {
        let table = self.tables.get_mut(&(resource.group, resource.plural))?;
        let old = table.remove(&(namespace.to_owned(), name.to_owned()))?;
        self.version += 1;
        let mut last = (*old).clone();
        object::set(&mut last, "/metadata/resourceVersion", json!(self.version.to_string()));
        let last = Arc::new(last);
        self.log_change(resource, ChangeKind::Deleted, last.clone(), Some(old));
        Some(last)
    }

    fn put(
        &mut self,
        resource: &'static Resource,
        mut value: Value,
        kind: ChangeKind,
        previous: Option<Arc<Value>>,
    ) -> Arc<Value> {
        self.version += 1;
        object::set(&mut value, "/metadata/resourceVersion", json!(self.version.to_string()));
        let key = (object::namespace(&value).to_owned(), object::name(&value).to_owned());
        let value = Arc::new(value);
        self.tables.entry((resource.group, resource.plural)).or_default().insert(key, value.clone());
        self.log_change(resource, kind, value.clone(), previous);
        value
    }

    fn log_change(
        &mut self,
        resource: &'static Resource,
        kind: ChangeKind,
        value: Arc<Value>,
        old: Option<Arc<Value>>,
    ) {
        let change = Change { version: self.version, resource, kind, object: value, previous: old };
        if self.log.len() >= LOG {
            self.log.pop_front();
        }
        self.log.push_back(change.clone());
        self.unseen.push(change);
        self.announce.send_replace(self.version);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::resources;

    #[test]
    fn versions_rise_generations_follow_spec_and_equal_writes_are_silent() {
        let mut store = Store::new(1);
        let deployment = json!({"metadata": {"name": "a", "namespace": "n"}, "spec": {"replicas": 1}});
        let first = store.create(resources::deployments(), deployment, "2026-01-01T00:00:00Z");
        let mut next = (*first).clone();
        object::set(&mut next, "/status/replicas", json!(1));
        let second = store.replace(resources::deployments(), next.clone());
        assert_eq!(object::int(&second, "/metadata/generation"), Some(1));
        object::set(&mut next, "/spec/replicas", json!(2));
        let third = store.replace(resources::deployments(), next.clone());
        assert_eq!(object::int(&third, "/metadata/generation"), Some(2));
        assert_eq!(store.replace(resources::deployments(), (*third).clone()), third);
        store.remove(resources::deployments(), "n", "a");
        let kinds: Vec<_> = store.since(1000).map(|change| change.kind).collect();
        assert_eq!(kinds, [ChangeKind::Added, ChangeKind::Modified, ChangeKind::Modified, ChangeKind::Deleted]);
    }
}
