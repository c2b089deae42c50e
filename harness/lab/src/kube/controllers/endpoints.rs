//! `EndpointSlices` and Endpoints of Services with a selector, with the conditions of the pods.

use serde_json::{Value, json};

use crate::kube::service_port::target_port;
use crate::rng::hash_name;
use crate::store::selector::Selector;
use crate::store::{object, resources};
use crate::world::{Stage, World};

/// Updates the slices of a namespace, except while the mesh is set up.
pub(crate) fn sync(world: &mut World, cluster: usize, namespace: &str) {
    // The boot writes all slices at its end.
    if !world.booting {
        write(world, cluster, namespace);
    }
}

/// Writes the slices of a namespace.
pub(crate) fn write(world: &mut World, cluster: usize, namespace: &str) {
    let services: Vec<_> =
        world.clusters[cluster].store.list(resources::services(), Some(namespace)).cloned().collect();
    for service in services {
        if service.pointer("/spec/selector").is_some_and(|s| !s.is_null()) {
            write_service(world, cluster, &service);
        }
    }
}

fn write_service(world: &mut World, cluster: usize, service: &Value) {
    let (namespace, name) = (object::namespace(service), object::name(service));
    let selector = Selector::map(service.pointer("/spec/selector"));
    let here = &world.clusters[cluster];
    let mut endpoints = Vec::new();
    let (mut ready_addresses, mut unready_addresses) = (Vec::new(), Vec::new());
    let mut pods: Vec<_> =
        here.pods.values().filter(|p| p.namespace == namespace && selector.matches(Some(&p.labels))).collect();
    pods.sort_by_key(|p| (p.created, p.name.clone()));
    for pod in pods {
        let (Some(ip), Some(node)) = (pod.ip, pod.node) else { continue };
        if pod.stage == Stage::Done {
            continue;
        }
        let terminating = pod.terminating();
        let reference = json!({"kind": "Pod", "namespace": namespace, "name": pod.name, "uid": &*pod.uid});
        let node = here.ident.node_name(node);
        let address = json!({"ip": ip.to_string(), "nodeName": node, "targetRef": reference});
        if pod.ready && !terminating {
            ready_addresses.push(address);
        } else if !terminating {
            unready_addresses.push(address);
        }
        endpoints.push(json!({
            "addresses": [ip.to_string()], "nodeName": node, "targetRef": reference, "zone": here.ident.zone,
            "conditions": {"ready": pod.ready && !terminating, "serving": pod.ready, "terminating": terminating},
        }));
    }
    let ports: Vec<Value> = object::items(service, "/spec/ports")
        .iter()
        .map(|p| json!({"name": object::text(p, "/name"), "port": target_port(p), "protocol": "TCP"}))
        .collect();
    let slice_name = format!("{name}-{}", hash_name(object::uid(service), 5));
    let owner = json!([{"apiVersion": "v1", "kind": "Service", "name": name, "uid": object::uid(service), "controller": true, "blockOwnerDeletion": true}]);
    let slice = json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4", "endpoints": endpoints, "ports": ports,
        "metadata": {"name": slice_name, "namespace": namespace, "generateName": format!("{name}-"), "ownerReferences": owner,
            "labels": {"kubernetes.io/service-name": name, "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"}},
    });
    let mut subset = json!({"ports": ports});
    let mut subsets = Vec::new();
    if !(ready_addresses.is_empty() && unready_addresses.is_empty()) {
        for (field, list) in [("addresses", ready_addresses), ("notReadyAddresses", unready_addresses)] {
            if !list.is_empty() {
                subset[field] = json!(list);
            }
        }
        subsets.push(subset);
    }
    let endpoints = json!({"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": name, "namespace": namespace, "ownerReferences": owner}, "subsets": subsets});
    for (resource, value) in [(resources::endpointslices(), slice), (resources::endpoints(), endpoints)] {
        if world.clusters[cluster].store.get(resource, namespace, object::name(&value)).is_some() {
            world.clusters[cluster].store.replace(resource, value);
        } else {
            world.create(cluster, resource, value);
        }
    }
}
