//! The names that `${…}` may use: `vars`, `--set`, what `forEach` binds, and the mesh file's own values.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value as Json;

use crate::format::{ClusterSpec, MeshFile};
use meshdrill_document::{Names, Value};

/// Names that every mesh has, with the values that the quick-start guide gives them; `vars` of the mesh file overrides
/// them, so that the catalogue runs on meshes with non-default names.
pub const DEFAULT_VARS: [(&str, &str); 18] = [
    ("istioNamespace", "istio-system"),
    ("istiod", "istiod"),
    ("istiodSelector", "app=istiod"),
    ("gatewayNamespace", "istio-system"),
    ("ingressGateway", "istio-ingressgateway"),
    ("ingressSelector", "app=istio-ingressgateway"),
    ("eastWestNamespace", "istio-system"),
    ("eastWestGateway", "istio-eastwestgateway"),
    ("eastWestSelector", "app=istio-eastwestgateway"),
    ("exposeGateway", "cross-network-gateway"),
    ("monitoringNamespace", "istio-system"),
    ("appNamespace", "bookinfo"),
    ("sampleNamespace", "sample"),
    ("clientSelector", "app=sleep"),
    // The alert for a partition differs from mesh to mesh: no alert of the guide fires for it within minutes.
    ("partitionAlert", ""),
    ("partitionHold", "60s"),
    ("partitionDetection", "5m"),
    ("partitionRecovery", "5m"),
];

/// What `forEach` binds for one run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Binding {
    /// `${cluster}`.
    pub cluster: Option<String>,
    /// `${other}`.
    pub other: Option<String>,
}

impl Binding {
    /// `primary`, `primary-secondary`, or nothing.
    pub fn label(&self) -> String {
        self.cluster.iter().chain(&self.other).cloned().collect::<Vec<_>>().join("-")
    }
}

/// The names known for one run. Without a mesh file they are open: unknown ones stand for any value.
pub fn names(mesh: Option<&MeshFile>, set: &BTreeMap<String, String>, binding: &Binding) -> Names {
    let mut names = Names { open: mesh.is_none(), ..Names::default() };
    if let Some(mesh) = mesh {
        for (name, value) in DEFAULT_VARS {
            names.set(name, Value::Text(value.to_owned()));
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
        Json::Bool(value) => names.set(prefix, Value::plain(value.to_string())),
        Json::Number(number) => names.set(prefix, Value::plain(number.to_string())),
        Json::String(text) => names.set(prefix, Value::Text(text.clone())),
        Json::Array(_) | Json::Null => {}
    }
}
