//! The objects of one cluster that an inventory is made of.

use std::collections::BTreeMap;

use futures::future::join;
use serde_json::Value;

use crate::cluster::{AccessError, Cluster, Object, compact};
use crate::probe::configuration::{API_GATEWAY, API_ROUTES, ConfigKind, GATEWAY, VIRTUAL_SERVICE};

/// The objects of one cluster, each kind listed once.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// The cluster's key.
    pub key: String,
    pub namespaces: Vec<Object>,
    pub pods: Vec<Object>,
    pub services: Vec<Object>,
    /// Deployments, `StatefulSet`s, `DaemonSet`s and Argo Rollouts, with the word of the inventory for each.
    pub workloads: Vec<(&'static str, Object)>,
    pub virtual_services: Vec<Object>,
    pub gateways: Vec<Object>,
    pub api_gateways: Vec<Object>,
    pub api_routes: Vec<Object>,
    pub webhooks: Vec<Object>,
    /// Istio's mesh configurations.
    pub mesh_configs: Vec<Value>,
    /// Parts of the inventory of which nothing or not everything is known, with the reason.
    pub unknown: BTreeMap<&'static str, String>,
}

/// The kinds of workloads.
const WORKLOADS: [(&str, &str); 4] = [
    ("deployment", "/apis/apps/v1/deployments"),
    ("statefulset", "/apis/apps/v1/statefulsets"),
    ("daemonset", "/apis/apps/v1/daemonsets"),
    ("rollout", "/apis/argoproj.io/v1alpha1/rollouts"),
];

/// The parts of the inventory that depend on pods, Services and workloads.
const RUNNING: [&str; 4] = ["controlPlanes", "gateways", "namespaces", "services"];

impl Facts {
    /// Lists everything; what may not be listed is in `unknown`.
    pub(super) async fn of(cluster: &Cluster) -> Self {
        let mut facts = Self { key: cluster.key.clone(), ..Self::default() };
        let core = join(cluster.list("/api/v1/namespaces", None), cluster.list("/api/v1/pods", None)).await;
        facts.namespaces = facts.take(core.0, &["namespaces"], "list namespaces");
        facts.pods = compact(&facts.take(core.1, &RUNNING, "list pods"));
        let services = cluster.list("/api/v1/services", None).await;
        facts.services = compact(&facts.take(services, &["gateways", "services", "dashboards"], "list services"));
        for (word, path) in WORKLOADS {
            let listed = absent_is_empty(cluster.list(path, None).await);
            // Who may not read Argo's objects rarely has them.
            let parts: &[&str] = if word == "rollout" { &[] } else { &RUNNING };
            let plural = path.rsplit('/').next().unwrap_or_default();
            let listed = facts.take(listed, parts, &format!("list {plural}"));
            facts.workloads.extend(compact(&listed).into_iter().map(|object| (word, object)));
        }
        facts.virtual_services = facts.configuration(cluster, VIRTUAL_SERVICE).await;
        facts.gateways = facts.configuration(cluster, GATEWAY).await;
        facts.api_gateways = facts.configuration(cluster, API_GATEWAY).await;
        for kind in API_ROUTES {
            let mut routes = facts.configuration(cluster, kind).await;
            routes.iter_mut().for_each(|route| route["kind"] = kind.kind.into());
            facts.api_routes.append(&mut routes);
        }
        let path = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";
        let webhooks = cluster.list(path, Some("app=sidecar-injector")).await;
        facts.webhooks = facts.take(webhooks, &["controlPlanes"], "list mutatingwebhookconfigurations");
        facts.mesh_configs = mesh_configs(cluster, &facts.pods).await;
        facts
    }

    async fn configuration(&mut self, cluster: &Cluster, kind: ConfigKind) -> Vec<Object> {
        let listed = kind.list(cluster).await;
        self.take(listed, &["entrypoints"], &format!("list {}.{}", kind.plural, kind.group))
    }

    /// The objects, or a note for the parts that depend on them.
    fn take(&mut self, listed: Result<Vec<Object>, AccessError>, parts: &[&'static str], verb: &str) -> Vec<Object> {
        match listed {
            Ok(objects) => objects,
            Err(error) => {
                let why = if error.is_forbidden() {
                    format!("{}: permission to {verb} is missing", self.key)
                } else {
                    format!("{}: cannot {verb}: {error}", self.key)
                };
                for part in parts {
                    self.unknown.entry(part).or_insert_with(|| why.clone());
                }
                Vec::new()
            }
        }
    }

    /// The workload that controls a pod, by its selector.
    pub(super) fn workload_of(&self, pod: &Object) -> Option<&(&'static str, Object)> {
        self.workloads.iter().find(|(_, object)| object.namespace() == pod.namespace() && selects(object, pod))
    }

    /// The pods of a workload.
    pub(super) fn pods_of<'a>(&'a self, workload: &'a Object) -> impl Iterator<Item = &'a Object> {
        self.pods.iter().filter(|pod| pod.namespace() == workload.namespace() && selects(workload, pod))
    }

    /// The Services that lead to a pod.
    pub(super) fn services_of<'a>(&'a self, pod: &'a Object) -> impl Iterator<Item = &'a Object> {
        self.services.iter().filter(|service| service.namespace() == pod.namespace() && leads_to(service, pod))
    }
}

/// A kind that a cluster does not have has no objects.
fn absent_is_empty(listed: Result<Vec<Object>, AccessError>) -> Result<Vec<Object>, AccessError> {
    match listed {
        Err(error) if error.is_not_found() => Ok(Vec::new()),
        listed => listed,
    }
}

fn selects(workload: &Object, pod: &Object) -> bool {
    has_all(&workload["spec"]["selector"]["matchLabels"], pod)
}

/// Whether a Service selects a pod; one without a selector selects none.
pub(super) fn leads_to(service: &Object, pod: &Object) -> bool {
    has_all(&service["spec"]["selector"], pod)
}

fn has_all(labels: &Value, pod: &Object) -> bool {
    labels.as_object().is_some_and(|labels| {
        !labels.is_empty() && labels.iter().all(|(key, value)| pod.labels().get(key) == Some(value))
    })
}

/// The `mesh` of the `ConfigMap`s named `istio` and `istio-REVISION` beside istiods.
async fn mesh_configs(cluster: &Cluster, pods: &[Object]) -> Vec<Value> {
    let mut namespaces: Vec<&str> =
        pods.iter().filter(|pod| container(pod, "discovery").is_some()).map(Object::namespace).collect();
    namespaces.sort_unstable();
    namespaces.dedup();
    let mut found = Vec::new();
    for namespace in namespaces {
        let maps = cluster.list(&format!("/api/v1/namespaces/{namespace}/configmaps"), None).await.unwrap_or_default();
        let named = maps.iter().filter(|map| map.name() == "istio" || map.name().starts_with("istio-"));
        let texts = named.filter_map(|map| map["data"]["mesh"].as_str());
        found.extend(texts.filter_map(|text| serde_saphyr::from_str::<Value>(text).ok()));
    }
    found
}

/// A container of a pod or of a template, also among the init containers, where native sidecars are.
pub(super) fn container<'a>(pod: &'a Value, name: &str) -> Option<&'a Value> {
    let lists = ["containers", "initContainers"].into_iter().filter_map(|list| pod["spec"][list].as_array());
    lists.flatten().find(|container| container["name"] == name)
}

/// The TCP ports of a Service.
pub(super) fn tcp_ports(service: &Object) -> Vec<u16> {
    let ports = service["spec"]["ports"].as_array().into_iter().flatten();
    let tcp = ports.filter(|port| port["protocol"].as_str().is_none_or(|protocol| protocol == "TCP"));
    tcp.filter_map(|port| u16::try_from(port["port"].as_u64()?).ok()).collect()
}
