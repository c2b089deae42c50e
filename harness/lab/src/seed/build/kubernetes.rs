//! What every cluster has before a mesh is installed: namespaces, nodes, DNS.

use serde_json::{Value, json};

use crate::seed::put::put;
use crate::store::resources::{self, RESOURCES};
use crate::world::{KUBERNETES, World};

/// The namespaces that every cluster has.
pub(crate) fn system_namespaces(world: &mut World, cluster: usize) {
    for name in ["default", "kube-system", "kube-public", "kube-node-lease"] {
        namespace(world, cluster, name, json!({}));
    }
}

/// Creates a namespace.
pub(crate) fn namespace(world: &mut World, cluster: usize, name: &str, labels: Value) {
    let mut value = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    if labels.as_object().is_some_and(|labels| !labels.is_empty()) {
        value["metadata"]["labels"] = labels;
    }
    put(world, cluster, resources::namespaces(), value);
}

/// The API groups of Istio's definitions.
pub(crate) const ISTIO_GROUPS: &[&str] = &["networking.istio.io", "security.istio.io", "telemetry.istio.io"];

/// Creates nodes, definitions of the groups, service accounts and DNS.
pub(crate) fn basics(world: &mut World, cluster: usize, groups: &[&str], accounts: &[&str]) {
    for n in 1..=world.clusters[cluster].quirks.nodes {
        put(world, cluster, resources::nodes(), node(world, cluster, n));
    }
    for resource in RESOURCES.iter().filter(|r| r.custom && groups.contains(&r.group)) {
        put(world, cluster, resources::crds(), definition(resource));
    }
    for namespace in ["default", "kube-system"].iter().chain(accounts) {
        let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": namespace}});
        put(world, cluster, resources::serviceaccounts(), account);
    }
    let api = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "kubernetes", "namespace": "default",
        "labels": {"component": "apiserver", "provider": "kubernetes"}},
        "spec": {"clusterIP": world.clusters[cluster].ident.service_ip(1).to_string(), "ports": [{"name": "https", "port": 443, "targetPort": 6443}]}});
    put(world, cluster, resources::services(), api);
    let dns = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "kube-dns", "namespace": "kube-system", "labels": {"k8s-app": "kube-dns"}},
        "spec": {"clusterIP": world.clusters[cluster].ident.service_ip(10).to_string(), "selector": {"k8s-app": "kube-dns"},
            "ports": [{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 53}]}});
    put(world, cluster, resources::services(), dns);
    let coredns = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "coredns", "namespace": "kube-system", "labels": {"k8s-app": "kube-dns"}},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"k8s-app": "kube-dns"}}, "template": {"metadata": {"labels": {"k8s-app": "kube-dns"}},
            "spec": {"containers": [{"name": "coredns", "image": "registry.local/coredns:1"}]}}}});
    put(world, cluster, resources::deployments(), coredns);
}

fn node(world: &World, cluster: usize, n: usize) -> Value {
    let cluster = &world.clusters[cluster];
    let ident = &cluster.ident;
    let quirks = &cluster.quirks;
    let version =
        quirks.kubelet(n).unwrap_or_else(|| quirks.kubernetes_version.clone().unwrap_or_else(|| KUBERNETES.into()));
    let ready = !quirks.unready_nodes.contains(&n);
    let date = world.date();
    let condition = |kind: &str, on: bool, reason: &str, message: &str| {
        json!({"type": kind, "status": if on { "True" } else { "False" }, "reason": reason, "message": message,
            "lastHeartbeatTime": date, "lastTransitionTime": date})
    };
    let readiness = if ready {
        condition("Ready", true, "KubeletReady", "kubelet is posting ready status")
    } else {
        condition("Ready", false, "KubeletNotReady", "container runtime network not ready: NetworkReady=false")
    };
    let pressure = ["MemoryPressure", "DiskPressure", "PIDPressure"];
    let pressure = pressure.map(|kind| condition(kind, false, "KubeletHasNoPressure", "kubelet has no pressure"));
    let mut spec = json!({"podCIDR": format!("198.18.{}.0/24", 64 + 16 * ident.number + n as u8 - 1)});
    if quirks.cordoned_nodes.contains(&n) {
        spec["unschedulable"] = json!(true);
        spec["taints"] =
            json!([{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule", "timeAdded": date}]);
    }
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": ident.node_name(n), "labels": {
            "kubernetes.io/hostname": ident.node_name(n), "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64",
            "topology.kubernetes.io/region": ident.region, "topology.kubernetes.io/zone": ident.zone}},
        "spec": spec,
        "status": {
            "addresses": [{"type": "InternalIP", "address": ident.node_ip(n).to_string()}, {"type": "Hostname", "address": ident.node_name(n)}],
            "capacity": {"cpu": "4", "memory": "32Gi", "pods": "110"}, "allocatable": {"cpu": "3900m", "memory": "30Gi", "pods": "110"},
            "conditions": [pressure[0], pressure[1], pressure[2], readiness],
            "nodeInfo": {"kubeletVersion": version, "kubeProxyVersion": version, "osImage": "Debian GNU/Linux 13 (trixie)", "architecture": "amd64",
                "operatingSystem": "linux", "kernelVersion": "6.12.0", "containerRuntimeVersion": "containerd://1.6.20", "machineID": "", "systemUUID": "", "bootID": ""},
        },
    })
}

fn definition(resource: &crate::store::Resource) -> Value {
    let versions: Vec<Value> = resource
        .versions
        .iter()
        .map(|v| json!({"name": v, "served": true, "storage": *v == resource.versions[0], "schema": {"openAPIV3Schema": {"type": "object"}}}))
        .collect();
    let metadata = if resource.group.ends_with(".istio.io") {
        json!({"name": resource.qualified(), "labels": {"app": "istio-pilot", "istio": "security"}})
    } else if resource.group == "gateway.networking.k8s.io" {
        json!({"name": resource.qualified(), "annotations": {"gateway.networking.k8s.io/bundle-version": "v1.4.0",
            "gateway.networking.k8s.io/channel": "standard"}})
    } else {
        json!({"name": resource.qualified()})
    };
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": metadata,
        "spec": {"group": resource.group, "scope": if resource.namespaced { "Namespaced" } else { "Cluster" }, "versions": versions,
            "names": {"plural": resource.plural, "singular": resource.singular(), "kind": resource.kind, "listKind": format!("{}List", resource.kind), "shortNames": resource.short}},
        "status": {"conditions": [{"type": "Established", "status": "True", "reason": "InitialNamesAccepted", "message": "the initial names have been accepted"}],
            "acceptedNames": {"plural": resource.plural, "kind": resource.kind}, "storedVersions": [resource.versions[0]]}})
}
