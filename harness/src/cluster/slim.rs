//! Objects without the fields that no check reads: of a pod of a mesh, that is more than half.

use serde_json::{Map, Value};

use super::Object;

/// The fields that are left out, wherever they are.
const UNREAD: [&str; 31] = [
    "affinity",
    "allocatedResources",
    "blockOwnerDeletion",
    "containerID",
    "dnsPolicy",
    "enableServiceLinks",
    "generateName",
    "imageID",
    "imagePullPolicy",
    "imagePullSecrets",
    "images",
    "kubectl.kubernetes.io/last-applied-configuration",
    "lastHeartbeatTime",
    "lastProbeTime",
    "lifecycle",
    "livenessProbe",
    "managedFields",
    "preemptionPolicy",
    "qosClass",
    "readinessProbe",
    "resources",
    "schedulerName",
    "securityContext",
    "sidecar.istio.io/status",
    "startupProbe",
    "terminationMessagePath",
    "terminationMessagePolicy",
    "tolerations",
    "topologySpreadConstraints",
    "volumeMounts",
    "volumes",
];
/// The variables that are kept.
const VARIABLES: [&str; 6] = [
    "CLUSTER_ID",
    "ISTIO_META_CLUSTER_ID",
    "ISTIO_META_MESH_ID",
    "ISTIO_META_NETWORK",
    "ISTIO_META_REQUESTED_NETWORK_VIEW",
    "REVISION",
];
/// The maps whose keys are those of users.
const OF_USERS: [&str; 3] = ["labels", "matchLabels", "nodeSelector"];

/// A copy without unread fields, which takes no more memory than it needs.
pub(super) fn slim(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let read = || map.iter().filter(|(key, _)| !UNREAD.contains(&key.as_str()));
            let mut slimmed = Map::with_capacity(read().count());
            for (key, value) in read() {
                let value = match value {
                    whole if OF_USERS.contains(&key.as_str()) => whole.clone(),
                    Value::Array(list) if key == "env" => env(list),
                    value => slim(value),
                };
                slimmed.insert(key.clone(), value);
            }
            Value::Object(slimmed)
        }
        Value::Array(list) => Value::Array(list.iter().map(slim).collect()),
        other => other.clone(),
    }
}

/// Copies of objects that are kept for long, without unread fields.
pub(crate) fn compact(objects: &[Object]) -> Vec<Object> {
    objects.iter().map(|object| Object::from(slim(object))).collect()
}

/// The variables by which proxies and istiod identify themselves.
fn env(list: &[Value]) -> Value {
    let named = |variable: &&Value| variable["name"].as_str().is_some_and(|name| VARIABLES.contains(&name));
    Value::Array(list.iter().filter(named).cloned().collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_slim_pod_keeps_what_checks_read() {
        let variables = json!([{ "name": "CLUSTER_ID", "value": "1" }, { "name": "B", "valueFrom": {} }]);
        let container = json!({ "name": "app", "env": variables, "volumeMounts": [{ "name": "v" }], "resources": {} });
        let pod = json!({ "metadata": { "name": "p", "managedFields": [{}], "labels": { "resources": "b" } },
            "spec": { "volumes": [{}], "containers": [container] }, "status": { "podIP": "10.0.0.1" } });
        let kept = json!({ "metadata": { "name": "p", "labels": { "resources": "b" } },
            "spec": { "containers": [{ "name": "app", "env": [{ "name": "CLUSTER_ID", "value": "1" }] }] },
            "status": { "podIP": "10.0.0.1" } });
        assert_eq!(slim(&pod), kept);
    }

    /// The sources below a folder.
    fn sources(folder: &std::path::Path, into: &mut Vec<(std::path::PathBuf, String)>) {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                sources(&path, into);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let code = text.split("\n#[cfg(test)]\nmod ").next().unwrap_or_default().to_owned();
                into.push((path, code));
            }
        }
    }

    #[test]
    fn no_source_reads_a_field_that_is_left_out() {
        // Of configuration, which keeps it, and of objects that are read one by one.
        let elsewhere = [("managedFields", "object.rs")];
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut all = Vec::new();
        sources(&root.join("src"), &mut all);
        sources(&root.join("../checks/src/observe/kube"), &mut all);
        assert!(all.len() > 100);
        for field in UNREAD {
            for (path, code) in all.iter().filter(|(path, _)| !path.ends_with("slim.rs")) {
                let known = elsewhere.iter().any(|(name, file)| *name == field && path.ends_with(file));
                let reads = [format!("[\"{field}\"]"), format!("/{field}"), format!("get(\"{field}\")")];
                let reads = reads.iter().any(|read| code.contains(read.as_str()));
                assert!(known || !reads, "{} reads {field}, which shared lists do not have", path.display());
            }
        }
    }
}
