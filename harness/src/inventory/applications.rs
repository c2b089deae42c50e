//! Namespaces in the mesh, their workloads, and the Services that clients in the mesh call.

use indexmap::IndexMap;
use serde_json::Value;

use super::facts::{Facts, container, leads_to, tcp_ports};
use super::gateways::is_router;
use super::merge::choice;
use crate::cluster::Object;
use crate::format::{ClusterChoice, DataPlane, MeshService, Namespace, ServiceScope};

/// A namespace, its workloads with the clusters that have them, and its own clusters.
struct Found {
    namespace: Namespace,
    workloads: IndexMap<String, Vec<String>>,
    clusters: Vec<String>,
}

pub(super) fn detect(facts: &[Facts]) -> (IndexMap<String, Namespace>, IndexMap<String, MeshService>) {
    let keys: Vec<String> = facts.iter().map(|facts| facts.key.clone()).collect();
    let mut namespaces: IndexMap<String, Found> = IndexMap::new();
    for facts in facts {
        for object in &facts.namespaces {
            let Some(plane) = data_plane(facts, object) else { continue };
            let workloads: Vec<&(&str, Object)> = applications(facts, object.name()).collect();
            if workloads.is_empty() {
                continue;
            }
            let entry = namespaces.entry(object.name().to_owned()).or_insert_with(|| {
                let namespace = Namespace {
                    clusters: ClusterChoice::all(),
                    data_plane: plane,
                    revision: object.label("istio.io/rev").map(str::to_owned),
                    workloads: IndexMap::new(),
                    without_proxy: Vec::new(),
                };
                Found { namespace, workloads: IndexMap::new(), clusters: Vec::new() }
            });
            entry.clusters.push(facts.key.clone());
            for (word, workload) in workloads {
                let id = format!("{word}/{}", workload.name());
                entry.workloads.entry(id.clone()).or_default().push(facts.key.clone());
                if opts_out(&workload["spec"]["template"]) && !entry.namespace.without_proxy.contains(&id) {
                    entry.namespace.without_proxy.push(id);
                }
            }
        }
    }
    let services = services(facts, &keys, &namespaces.keys().cloned().collect::<Vec<_>>());
    let finished = namespaces.into_iter().map(|(name, Found { namespace, workloads, clusters })| {
        let workloads = workloads.into_iter().map(|(id, clusters)| (id, choice(&clusters, &keys))).collect();
        (name, Namespace { clusters: choice(&clusters, &keys), workloads, ..namespace })
    });
    (finished.collect(), services)
}

/// How the pods of a namespace belong to the mesh; none if they do not.
fn data_plane(facts: &Facts, namespace: &Object) -> Option<DataPlane> {
    if namespace.label("istio.io/dataplane-mode") == Some("ambient") {
        return Some(DataPlane::Ambient);
    }
    let injected = namespace.label("istio-injection") == Some("enabled")
        || (namespace.label("istio.io/rev").is_some() && namespace.label("istio-injection") != Some("disabled"));
    let has_sidecars = || {
        let own = facts.pods.iter().filter(|pod| pod.namespace() == namespace.name());
        own.into_iter().any(|pod| container(pod, "istio-proxy").is_some() && !is_router(&Value::Null, Some(pod)))
    };
    (injected || has_sidecars()).then_some(DataPlane::Sidecar)
}

/// The workloads of a namespace that run and are neither gateways nor part of Istio.
fn applications<'a>(facts: &'a Facts, namespace: &'a str) -> impl Iterator<Item = &'a (&'static str, Object)> {
    facts.workloads.iter().filter(move |(word, object)| {
        let template = &object["spec"]["template"];
        let managed = template["metadata"]["labels"]["gateway.istio.io/managed"].is_string();
        object.namespace() == namespace
            && (*word == "daemonset" || object.replicas() > 0)
            && !managed
            && !is_router(template, facts.pods_of(object).next())
            && container(template, "discovery").is_none()
    })
}

/// Whether pods of a template have no sidecar on purpose.
fn opts_out(template: &Value) -> bool {
    let metadata = &template["metadata"];
    let says_no = ["labels", "annotations"].iter().any(|of| metadata[*of]["sidecar.istio.io/inject"] == "false");
    says_no || template["spec"]["hostNetwork"] == true
}

/// The Services with a cluster IP that lead to applications, in the namespaces of the inventory.
fn services(facts: &[Facts], keys: &[String], namespaces: &[String]) -> IndexMap<String, MeshService> {
    let mut found: IndexMap<String, (Vec<u16>, Vec<String>)> = IndexMap::new();
    for facts in facts {
        for service in &facts.services {
            let called = service["spec"]["clusterIP"].as_str().is_some_and(|ip| ip != "None" && !ip.is_empty());
            if !called || !namespaces.iter().any(|name| name == service.namespace()) {
                continue;
            }
            let to_application = applications(facts, service.namespace()).any(|(_, workload)| {
                let labels: Object =
                    Value::from_iter([("metadata", workload["spec"]["template"]["metadata"].clone())]).into();
                leads_to(service, &labels) && !opts_out(&workload["spec"]["template"])
            });
            let ports = tcp_ports(service);
            if to_application && !ports.is_empty() {
                let name = format!("{}.{}", service.name(), service.namespace());
                found.entry(name).or_insert_with(|| (ports, Vec::new())).1.push(facts.key.clone());
            }
        }
    }
    let local: Vec<String> = facts.iter().flat_map(|facts| &facts.mesh_configs).flat_map(cluster_local_hosts).collect();
    let entry = |(name, (ports, clusters)): (String, (Vec<u16>, Vec<String>))| {
        let host = format!("{name}.svc.cluster.local");
        let is_local = local.iter().any(|pattern| match pattern.strip_prefix('*') {
            Some(end) => host.ends_with(end),
            None => *pattern == host,
        });
        let scope = if is_local { ServiceScope::Local } else { ServiceScope::Mesh };
        (name, MeshService { clusters: choice(&clusters, keys), ports, scope })
    };
    found.into_iter().map(entry).collect()
}

/// The hosts that the mesh configuration keeps to their clusters.
fn cluster_local_hosts(mesh: &Value) -> Vec<String> {
    let settings = mesh["serviceSettings"].as_array().into_iter().flatten();
    let local = settings.filter(|one| one["settings"]["clusterLocal"] == true);
    local
        .flat_map(|one| one["hosts"].as_array().cloned().unwrap_or_default())
        .filter_map(|host| Some(host.as_str()?.to_owned()))
        .collect()
}
