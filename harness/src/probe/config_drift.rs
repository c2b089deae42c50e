//! `configDrift`: configuration of the same name is the same in every cluster, except where the mesh file declares a
//! difference. Each difference is named by its field, with who wrote it last.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::future::{BoxFuture, try_join_all};
use meshdrill_checks::record::Series;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::configuration::{ALL, lists};
use super::outcome::settle;
use super::role::{Observation, Observer, Role};
use super::summary::Summary;
use super::{Outcome, ProbeError};
use crate::cluster::{Cluster, Object, Permission, World};
use crate::format::{ClusterChoice, MeshSpec};

/// Gateways, routes, destination rules and policies of the same name in all clusters: the same but where the inventory
/// declares `differences`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConfigDrift {
    /// The namespaces; default those of the inventory, of its gateways and of its control planes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub namespaces: Vec<String>,
}

/// How many differing fields of one object are named.
const FIELDS: usize = 4;

impl Observation for ConfigDrift {
    fn describe(&self) -> String {
        "configuration of the same name in all clusters".to_owned()
    }

    fn subject(&self) -> String {
        "clusters".to_owned()
    }

    fn choices(&mut self) -> Vec<&mut ClusterChoice> {
        Vec::new()
    }

    fn needs_all_clusters(&self) -> bool {
        true
    }

    fn permissions(&self, mesh: &MeshSpec) -> Vec<Permission> {
        mesh.clusters.keys().flat_map(|key| ALL.iter().map(|kind| kind.permission(key))).collect()
    }

    fn prepare<'a>(&'a self, world: &'a World, _: Role) -> BoxFuture<'a, Result<Box<dyn Observer>, ProbeError>> {
        Box::pin(async move {
            let inventory = world.inventory();
            let keys = world.keys();
            let mut namespaces: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
            let mut add = |name: &String, clusters: &ClusterChoice| {
                namespaces.entry(name.clone()).or_default().extend(clusters.expand(&keys).0);
            };
            inventory.namespaces.iter().for_each(|(name, entry)| add(name, &entry.clusters));
            inventory.gateways.values().for_each(|entry| add(&entry.namespace, &entry.clusters));
            inventory.control_planes.values().for_each(|entry| add(&entry.namespace, &entry.clusters));
            if !self.namespaces.is_empty() {
                namespaces.retain(|name, _| self.namespaces.contains(name));
            }
            // Control planes read the configuration of their own clusters; what others have is read by nobody.
            let primaries = inventory.primaries(&keys);
            let clusters: Vec<Arc<Cluster>> =
                world.clusters.values().filter(|cluster| primaries.contains(&cluster.key)).cloned().collect();
            namespaces.values_mut().for_each(|clusters| clusters.retain(|key| primaries.contains(key)));
            let declared = inventory.differences.iter().map(|text| Declared::read(text)).collect();
            Ok(Box::new(DriftObserver { clusters, namespaces, declared }) as Box<dyn Observer>)
        })
    }
}

/// A difference that the inventory declares.
struct Declared {
    object: String,
    field: Option<String>,
}

impl Declared {
    fn read(text: &str) -> Self {
        match text.split_once(": ") {
            Some((object, field)) => Self { object: object.trim().to_owned(), field: Some(field.trim().to_owned()) },
            None => Self { object: text.trim().to_owned(), field: None },
        }
    }

    /// Whether it is about a field of an object, or about what contains it.
    fn covers(&self, object: &str, field: &str) -> bool {
        let inside = |declared: &str| {
            field.strip_prefix(declared).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        self.object == object && self.field.as_deref().is_none_or(inside)
    }
}

struct DriftObserver {
    clusters: Vec<Arc<Cluster>>,
    /// The namespaces that are compared, each with its clusters.
    namespaces: BTreeMap<String, BTreeSet<String>>,
    declared: Vec<Declared>,
}

impl DriftObserver {
    async fn ask(&self) -> Result<Outcome, ProbeError> {
        let listed = try_join_all(self.clusters.iter().map(|cluster| lists(cluster, &ALL))).await?;
        // By object, the cluster's key and the object there.
        let mut objects: BTreeMap<(String, String), BTreeMap<&str, Object>> = BTreeMap::new();
        for (cluster, kinds) in self.clusters.iter().zip(listed) {
            for (kind, found) in ALL.iter().zip(kinds) {
                for object in found.into_iter().filter(|one| self.namespaces.contains_key(one.namespace())) {
                    let kind = if kind.group.starts_with("gateway.") && kind.kind == "Gateway" {
                        "Gateway.gateway.networking.k8s.io"
                    } else {
                        kind.kind
                    };
                    let name = format!("{kind} {}/{}", object.namespace(), object.name());
                    let key = (name, object.namespace().to_owned());
                    objects.entry(key).or_default().insert(&cluster.key, object);
                }
            }
        }
        let (mut summary, mut differing) = (Summary::default(), BTreeMap::new());
        for ((name, namespace), copies) in &objects {
            let expected = &self.namespaces[namespace];
            if expected.len() < 2 {
                continue;
            }
            let differences = self.differences(name, expected, copies);
            if differences.is_empty() {
                summary.ok();
            } else {
                summary.missed(format!("{name}: {}", shortened(&differences)));
                differing.insert(name, differences);
            }
        }
        let seen = json!({ "objects": summary.total(), "differences": differing });
        let keys: Vec<&str> = self.clusters.iter().map(|cluster| cluster.key.as_str()).collect();
        let counted = format!("{} objects are the same in all clusters that have their namespace", summary.of());
        Ok(summary.outcome(&counted, &keys.join(", "), seen))
    }

    fn differences(&self, name: &str, expected: &BTreeSet<String>, copies: &BTreeMap<&str, Object>) -> Vec<String> {
        let is_declared = |field: &str| self.declared.iter().any(|one| one.covers(name, field));
        let missing: Vec<&str> = expected.iter().map(String::as_str).filter(|key| !copies.contains_key(key)).collect();
        let mut found = Vec::new();
        if !missing.is_empty() && !is_declared("") {
            let there: Vec<&str> = copies.keys().copied().collect();
            found.push(format!("it is in {} and not in {}", there.join(", "), missing.join(", ")));
        }
        let specs: BTreeMap<&str, &Value> = copies.iter().map(|(key, object)| (*key, &object["spec"])).collect();
        let mut fields = Vec::new();
        compare("spec", &specs, &mut fields);
        for (field, values) in fields.into_iter().filter(|(field, _)| !is_declared(field)) {
            let values: Vec<String> = values.iter().map(|(key, value)| format!("{key} {value}")).collect();
            let writers = writers(&field, copies);
            found.push(format!("{field} is {}{writers}", values.join(", ")));
        }
        found
    }
}

/// Who wrote a field last in each cluster, if anybody says so.
fn writers(field: &str, copies: &BTreeMap<&str, Object>) -> String {
    let path: Vec<&str> = field.split(['.', '[']).take_while(|key| !key.ends_with(']')).collect();
    let named = copies.iter().filter_map(|(key, object)| Some(format!("{} in {key}", object.last_writer(&path)?)));
    let named: Vec<String> = named.collect();
    if named.is_empty() { String::new() } else { format!(" (last written by {})", named.join(", ")) }
}

/// The fields in which values differ, each with the value in every cluster, shortened.
fn compare(place: &str, values: &BTreeMap<&str, &Value>, found: &mut Vec<(String, BTreeMap<String, String>)>) {
    let mut each = values.values();
    let Some(first) = each.next() else { return };
    if each.all(|value| value == first) {
        return;
    }
    let below = |step: &dyn Fn(&Value) -> Value| -> Vec<(String, Value)> {
        values.iter().map(|(key, value)| ((*key).to_owned(), step(value))).collect()
    };
    if values.values().all(|value| value.is_object()) {
        let keys: BTreeSet<&String> =
            values.values().filter_map(|value| value.as_object()).flat_map(|map| map.keys()).collect();
        for key in keys {
            let inner = below(&|value| value[key.as_str()].clone());
            compare(&format!("{place}.{key}"), &borrowed(&inner), found);
        }
        return;
    }
    let lengths: BTreeSet<Option<usize>> = values.values().map(|value| value.as_array().map(Vec::len)).collect();
    if let [Some(length)] = lengths.iter().copied().collect::<Vec<_>>().as_slice() {
        for index in 0..*length {
            let inner = below(&|value| value[index].clone());
            compare(&format!("{place}[{index}]"), &borrowed(&inner), found);
        }
        return;
    }
    let short = |value: &Value| match value {
        Value::Null => "absent".to_owned(),
        Value::Array(items) if items.iter().any(Value::is_object) => format!("{} entries", items.len()),
        Value::Object(_) => "an object".to_owned(),
        value => value.to_string().chars().take(80).collect(),
    };
    found.push((place.to_owned(), values.iter().map(|(key, value)| ((*key).to_owned(), short(value))).collect()));
}

fn borrowed(values: &[(String, Value)]) -> BTreeMap<&str, &Value> {
    values.iter().map(|(key, value)| (key.as_str(), value)).collect()
}

fn shortened(differences: &[String]) -> String {
    let first = differences.iter().take(FIELDS).cloned().collect::<Vec<_>>().join(", ");
    match differences.len().saturating_sub(FIELDS) {
        0 => first,
        more => format!("{first}, and {more} more fields"),
    }
}

impl Observer for DriftObserver {
    fn observe(&self, _: Series) -> BoxFuture<'_, Outcome> {
        Box::pin(async move { settle(self.ask().await) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observer(declared: &[&str]) -> DriftObserver {
        DriftObserver {
            clusters: Vec::new(),
            namespaces: BTreeMap::new(),
            declared: declared.iter().map(|text| Declared::read(text)).collect(),
        }
    }

    fn differences(declared: &[&str], eu: &Value, us: Option<&Value>) -> Vec<String> {
        let object = |spec: &Value| {
            Object::from(json!({ "metadata": { "name": "front", "namespace": "shop",
            "managedFields": [{ "manager": "argocd", "time": "2026-01-01T00:00:00Z", "fieldsV1": { "f:spec": { "f:http": {} } } }] }, "spec": spec }))
        };
        let copies: BTreeMap<&str, Object> =
            std::iter::once(("eu", object(eu))).chain(us.map(|spec| ("us", object(spec)))).collect();
        let expected = ["eu", "us"].map(str::to_owned).into();
        observer(declared).differences("VirtualService shop/front", &expected, &copies)
    }

    fn weighted(weight: u64) -> Value {
        json!({ "hosts": ["a"], "http": [{ "route": [{ "weight": weight }, { "weight": 100 - weight }] }] })
    }

    #[test]
    fn a_difference_is_named_by_its_field_and_its_writer() {
        assert_eq!(differences(&[], &weighted(90), Some(&weighted(90))), Vec::<String>::new());
        let found = differences(&[], &weighted(90), Some(&weighted(50)));
        assert_eq!(
            found[0],
            "spec.http[0].route[0].weight is eu 90, us 50 (last written by argocd in eu, argocd in us)"
        );
        assert_eq!(found.len(), 2);
        let other = json!({ "hosts": ["a", "b"] });
        let found = differences(&[], &json!({ "hosts": ["a"], "exportTo": ["."] }), Some(&other));
        assert_eq!(found, ["spec.exportTo is eu [\".\"], us absent", "spec.hosts is eu [\"a\"], us [\"a\",\"b\"]"]);
    }

    #[test]
    fn what_one_cluster_lacks_is_a_difference() {
        assert_eq!(differences(&[], &weighted(90), None), ["it is in eu and not in us"]);
        assert!(differences(&["VirtualService shop/front"], &weighted(90), None).is_empty());
    }

    #[test]
    fn declared_differences_count_for_what_they_name() {
        let whole = ["VirtualService shop/front: spec.http"];
        assert!(differences(&whole, &weighted(90), Some(&weighted(50))).is_empty());
        let one = ["VirtualService shop/front: spec.http[0].route[0].weight"];
        assert_eq!(differences(&one, &weighted(90), Some(&weighted(50))).len(), 1);
        for other in ["VirtualService shop/back: spec.http", "VirtualService shop/front: spec.ht"] {
            assert_eq!(differences(&[other], &weighted(90), Some(&weighted(50))).len(), 2, "{other}");
        }
    }
}
