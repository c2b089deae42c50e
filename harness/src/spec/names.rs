//! The names that `${…}` may use: `vars`, `--set`, what `forEach` binds, and the mesh file's own values.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::Binding;
use crate::format::{ClusterSpec, MeshFile};
use meshdrill_document::{Names, Value};

/// The names known for one run. Without a mesh file they are open: unknown ones stand for any value.
pub fn names(mesh: Option<&MeshFile>, set: &BTreeMap<String, String>, binding: &Binding) -> Names {
    let mut names = Names { open: mesh.is_none(), ..Names::default() };
    if let Some(mesh) = mesh {
        for (name, value) in mesh.spec.default_vars() {
            names.set(name, Value::Text(value));
        }
        for (name, value) in &mesh.spec.vars {
            names.set(name, value.as_document());
        }
        for (key, cluster) in &mesh.spec.clusters {
            flatten(&mut names, &format!("clusters.{key}"), &facts(key, cluster));
        }
        flatten(&mut names, "mesh.name", &mesh.metadata.name.as_str().into());
        flatten(&mut names, "mesh.expect", &serde_json::to_value(&mesh.spec.expect).unwrap_or_default());
        // ${cluster.istioCluster} reads better than a name built from a name.
        for (bound, key) in [("cluster", &binding.cluster), ("other", &binding.other)] {
            if let Some((key, cluster)) = key.as_ref().and_then(|key| mesh.spec.clusters.get_key_value(key)) {
                flatten(&mut names, bound, &facts(key, cluster));
            }
        }
    }
    for (bound, key) in [("cluster", &binding.cluster), ("other", &binding.other)] {
        if let Some(key) = key {
            names.set(bound, Value::Text(key.clone()));
        }
    }
    if let Some(item) = &binding.item {
        flatten(&mut names, item.kind, &item.values);
        names.set(item.kind, Value::Text(item.name.clone()));
    }
    for (name, value) in set {
        names.set(name, Value::plain(value));
    }
    names
}

/// The facts of a cluster in a mesh file, with defaults.
fn facts(key: &str, cluster: &ClusterSpec) -> Json {
    let mut value = serde_json::to_value(cluster).unwrap_or_default();
    value["istioCluster"] = cluster.istio_id(key).into();
    // Only some clouds have it: a scenario that requires it has `needs`, and does not run elsewhere.
    value["oci"] = serde_json::to_value(cluster.oci.clone().unwrap_or_default()).unwrap_or_default();
    value["region"] = cluster.region.clone().unwrap_or_default().into();
    value["expect"]["podCidr"] = cluster.expect.pod_cidrs.first().cloned().unwrap_or_default().into();
    value
}

fn flatten(names: &mut Names, prefix: &str, value: &Json) {
    match value {
        Json::Object(entries) => {
            entries.iter().for_each(|(key, value)| flatten(names, &format!("{prefix}.{key}"), value))
        }
        Json::Bool(_) | Json::Number(_) | Json::String(_) => {
            scalar(value).into_iter().for_each(|value| names.set(prefix, value));
        }
        Json::Array(items) => {
            let scalars: Option<Vec<Value>> = items.iter().map(scalar).collect();
            scalars.into_iter().for_each(|items| names.set(prefix, Value::list(items)));
        }
        Json::Null => {}
    }
}

fn scalar(value: &Json) -> Option<Value> {
    match value {
        Json::Bool(value) => Some(Value::plain(value.to_string())),
        Json::Number(number) => Some(Value::plain(number.to_string())),
        Json::String(text) => Some(Value::Text(text.clone())),
        Json::Array(_) | Json::Object(_) | Json::Null => None,
    }
}
