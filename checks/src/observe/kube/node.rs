//! Nodes: ready, schedulable, which version, where.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::field::{self, KubeError};

/// One node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// Whether its `Ready` condition is true. `Unknown` is not.
    pub ready: bool,
    /// Whether new pods may be placed on it: it is not cordoned.
    pub schedulable: bool,
    /// Taints as `key=value:effect`.
    pub taints: Vec<String>,
    /// Version of its kubelet, such as `v1.34.1`.
    pub kubelet: String,
    /// Name in the cloud; an OCI one begins with `ocid1.` or `oci://`.
    pub provider_id: String,
    /// Type and address of every address it has.
    pub addresses: Vec<(String, String)>,
    /// Region label, empty where not set. On OKE the region's name, but `phx` and `iad` for Phoenix and Ashburn.
    pub region: String,
    /// Zone label, empty where not set.
    pub zone: String,
    /// Ranges of its pods' addresses; empty where the network plugin hands them out otherwise.
    pub pod_cidrs: Vec<String>,
}

impl Node {
    /// Reads a node.
    pub fn read(object: &Value) -> Result<Self, KubeError> {
        let label = |name: &str| {
            let labels = object.pointer("/metadata/labels");
            labels.and_then(|l| l.get(name)).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        Ok(Self {
            name: field::named(object, "Node")?,
            uid: field::string(object, "/metadata/uid"),
            ready: field::condition_true(object, "Ready"),
            schedulable: !field::flag(object, "/spec/unschedulable"),
            taints: field::list(object, "/spec/taints").iter().map(taint).collect(),
            kubelet: field::string(object, "/status/nodeInfo/kubeletVersion"),
            provider_id: field::string(object, "/spec/providerID"),
            addresses: field::list(object, "/status/addresses")
                .iter()
                .map(|a| (field::string(a, "/type"), field::string(a, "/address")))
                .collect(),
            region: label("topology.kubernetes.io/region"),
            zone: label("topology.kubernetes.io/zone"),
            pod_cidrs: field::strings(object, "/spec/podCIDRs"),
        })
    }

    /// The address of a type, such as `InternalIP`.
    pub fn address(&self, kind: &str) -> Option<&str> {
        self.addresses.iter().find(|(of, _)| of == kind).map(|(_, address)| address.as_str())
    }
}

fn taint(taint: &Value) -> String {
    let value = field::text(taint, "/value").map(|v| format!("={v}")).unwrap_or_default();
    format!("{}{value}:{}", field::string(taint, "/key"), field::string(taint, "/effect"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_cordoned_node() {
        let node = Node::read(&json!({
            "metadata": {"name": "n1", "labels": {
                "topology.kubernetes.io/region": "us-sanjose-1", "topology.kubernetes.io/zone": "US-SANJOSE-1-AD-1"}},
            "spec": {"unschedulable": true, "providerID": "ocid1.instance.oc1..x", "podCIDRs": ["10.244.0.0/24"],
                "taints": [{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}]},
            "status": {"nodeInfo": {"kubeletVersion": "v1.34.1"},
                "conditions": [{"type": "Ready", "status": "True"}],
                "addresses": [{"type": "InternalIP", "address": "10.0.10.5"}, {"type": "Hostname", "address": "n1"}]}
        }))
        .unwrap();
        assert!(node.ready && !node.schedulable);
        assert_eq!((node.kubelet.as_str(), node.address("InternalIP")), ("v1.34.1", Some("10.0.10.5")));
        assert_eq!(node.taints, ["node.kubernetes.io/unschedulable:NoSchedule"]);
        assert_eq!((node.region.as_str(), node.zone.as_str()), ("us-sanjose-1", "US-SANJOSE-1-AD-1"));
    }

    #[test]
    fn unknown_is_not_ready() {
        let status = |status: &str| json!({"metadata": {"name": "n"}, "status": {"conditions": [{"type": "Ready", "status": status}]}});
        assert!(!Node::read(&status("Unknown")).unwrap().ready);
        assert!(!Node::read(&json!({"metadata": {"name": "n"}})).unwrap().ready);
    }

    proptest! {
        #[test]
        fn any_object_is_survived(object in field::tests::any_object()) {
            let _ = Node::read(&object);
        }
    }
}
