//! `clusterOutage`: scales every gateway and every application of one cluster to 0, Deployments and `StatefulSets`, so that
//! other clusters see the loss of this one. Its API server, nodes and control plane keep running: without them nothing
//! could be undone. A `DaemonSet` cannot be scaled and keeps running; a gateway that is a `DaemonSet` is refused.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::future::{BoxFuture, join_all};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Map;

use super::WorkloadResource;
use super::absence::{self, Absence};
use super::scale::Scaling;
use super::{Effect, Fault, FaultBehavior, FaultError, FaultOptions, SYSTEM, UndoData, system_namespace_error};
use crate::cluster::{AccessError, Cluster, Object, Permission, World, gateway_services, label_selector, ready_pods};
use crate::format::{ClusterChoice, DataPlane, MeshSpec, Selector};
use crate::probe::{ProbeError, SpecError};

/// Scales all gateways and applications of one cluster to 0, so that other clusters see its loss. The API server, the nodes
/// and istiod keep running. All replicas are restored at the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterOutage {
    /// The cluster that goes down.
    pub cluster: ClusterChoice,
    /// The namespaces of the applications. Without this key: with `selector` all except kube-system, else those of the mesh file's
    /// inventory in this cluster.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub namespaces: Vec<String>,
    /// The Deployments and `StatefulSets` to scale, by label. Without this key, all in `namespaces`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<Selector>,
}

impl ClusterOutage {
    async fn applications(&self, world: &World, cluster: &Cluster) -> Result<Vec<Workload>, AccessError> {
        let selector = self.selector.as_ref().map(Selector::as_str);
        if self.namespaces.is_empty() && selector.is_some() {
            return workloads(cluster, None, selector).await;
        }
        let mut namespaces = self.namespaces.clone();
        if namespaces.is_empty() {
            let keys = world.keys();
            let inventory = world.inventory();
            let here = inventory.namespaces.iter().filter(|(_, entry)| {
                entry.data_plane != DataPlane::None && entry.clusters.includes(&cluster.key, &keys)
            });
            namespaces = here.map(|(name, _)| name.clone()).collect();
        }
        let mut found = Vec::new();
        for namespace in &namespaces {
            let of = workloads(cluster, Some(namespace), selector).await?;
            if of.is_empty() {
                cluster.may_have_namespace(namespace).await?;
            }
            found.extend(of);
        }
        Ok(found)
    }
}

/// A Deployment or a `StatefulSet`.
struct Workload {
    resource: WorkloadResource,
    object: Object,
}

const SCALED: [WorkloadResource; 2] = [WorkloadResource::Deployments, WorkloadResource::StatefulSets];

/// The Deployments and `StatefulSets` of a namespace, or of all namespaces.
async fn workloads(
    cluster: &Cluster,
    namespace: Option<&str>,
    selector: Option<&str>,
) -> Result<Vec<Workload>, AccessError> {
    let place = namespace.map_or_else(String::new, |namespace| format!("/namespaces/{namespace}"));
    let mut found = Vec::new();
    for resource in SCALED {
        let all = cluster.list(&format!("/apis/apps/v1{place}/{}", resource.plural()), selector).await?;
        found.extend(all.into_iter().map(|object| Workload { resource, object }));
    }
    Ok(found)
}

/// Whether a Service selects the pods of a workload.
fn selects(service: &Object, workload: &Object) -> bool {
    let empty = Map::new();
    let labels = workload["spec"]["template"]["metadata"]["labels"].as_object().unwrap_or(&empty);
    let selector = service["spec"]["selector"].as_object().unwrap_or(&empty);
    !selector.is_empty()
        && service.namespace() == workload.namespace()
        && selector.iter().all(|(key, value)| labels.get(key) == Some(value))
}

/// Whether a Deployment is an istiod of any revision: without istiod no injected pod can start again.
fn is_control_plane(deployment: &Object) -> bool {
    let containers = deployment["spec"]["template"]["spec"]["containers"].as_array();
    containers.into_iter().flatten().any(|container| container["name"] == "discovery")
}

/// The workloads behind the Services of gateways, found by Istio's labels.
async fn gateways(cluster: &Cluster) -> Result<Vec<Workload>, FaultError> {
    let services = gateway_services(cluster).await?;
    let spaces: BTreeSet<&str> = services.iter().map(Object::namespace).collect();
    let mut found = Vec::new();
    for space in spaces {
        let all = workloads(cluster, Some(space), None).await?;
        let own: Vec<&Object> = services.iter().filter(|service| service.namespace() == space).collect();
        let lacking = own.iter().find(|service| {
            let selector = service["spec"]["selector"].as_object();
            selector.is_some_and(|labels| !labels.is_empty()) && !all.iter().any(|one| selects(service, &one.object))
        });
        if let Some(service) = lacking {
            let selector = label_selector(&service["spec"]["selector"]);
            if !ready_pods(cluster, space, &selector).await?.is_empty() {
                return Err(FaultError::Refused(format!(
                    "the pods of gateway Service {} ({}) belong to no Deployment or StatefulSet, so they cannot be scaled to 0",
                    service.object_ref(),
                    cluster.key
                )));
            }
        }
        found.extend(all.into_iter().filter(|one| own.iter().any(|service| selects(service, &one.object))));
    }
    if found.is_empty() {
        return Err(FaultError::NoTarget(format!(
            "cluster `{}` has no gateway: no Service with the label istio=ingressgateway, topology.istio.io/network or gateway.networking.k8s.io/gateway-name has pods",
            cluster.key
        )));
    }
    Ok(found)
}

impl FaultBehavior for ClusterOutage {
    fn describe(&self) -> String {
        let place = match (self.namespaces.is_empty(), &self.selector) {
            (false, _) => self.namespaces.join(", "),
            (true, Some(_)) => "all namespaces".to_owned(),
            (true, None) => "the namespaces of the inventory".to_owned(),
        };
        let which = self.selector.as_ref().map_or_else(String::new, |selector| format!(" ({selector})"));
        format!("scale every gateway ({}) and every Deployment and StatefulSet in {place}{which} to 0", self.cluster)
    }

    fn sustained(&self) -> bool {
        true
    }

    fn needs_all_clusters(&self) -> bool {
        true
    }

    fn spec_errors(&self) -> Vec<SpecError> {
        let help = "name namespaces of applications";
        let system = |namespace: &String| system_namespace_error("namespaces", Some(namespace), help);
        self.namespaces.iter().find_map(system).into_iter().collect()
    }

    fn permissions(&self, mesh: &MeshSpec) -> Vec<Permission> {
        let need = |group, resource: &str, verb| Permission::new(self.cluster.key(), "", group, resource, verb);
        let mut all = vec![
            need("", "services", "list"),
            need("", "pods", "list"),
            need("autoscaling", "horizontalpodautoscalers", "list"),
            need("discovery.k8s.io", "endpointslices", "list"),
        ];
        for resource in SCALED {
            all.extend(["list", "get"].map(|verb| need("apps", resource.plural(), verb)));
            all.push(need("apps", &format!("{}/scale", resource.plural()), "patch"));
        }
        let others = mesh.clusters.keys().filter(|key| *key != self.cluster.key());
        all.extend(others.flat_map(|key| absence::permissions_beside(key)));
        all
    }

    fn resolve<'a>(&'a self, world: &'a World, _: FaultOptions) -> BoxFuture<'a, Result<Box<dyn Fault>, FaultError>> {
        Box::pin(async move {
            let cluster = Arc::clone(world.cluster(self.cluster.key())?);
            let mut meant = gateways(&cluster).await?;
            let mut applications = self.applications(world, &cluster).await?;
            applications.retain(|Workload { object, .. }| {
                let known = meant.iter().any(|gateway| gateway.object.uid() == object.uid());
                object.namespace() != SYSTEM && !known && !is_control_plane(object)
            });
            if applications.is_empty() {
                return Err(FaultError::NoTarget(format!(
                    "no Deployment or StatefulSet in {} matches: {}",
                    cluster.key,
                    self.describe()
                )));
            }
            meant.extend(applications);
            if !meant.iter().any(|one| one.object.ready_replicas() > 0) {
                let which = format!("no pod of the selected workloads in {}", cluster.key);
                return Err(FaultError::none_ready(&which, "their outage"));
            }
            let mut scalings = Vec::new();
            for one in &meant {
                scalings.extend(Scaling::new(&cluster, one.resource, &one.object, 0).await);
            }
            if scalings.is_empty() {
                return Err(FaultError::NothingToChange(format!(
                    "all selected workloads in {} already have 0 replicas",
                    cluster.key
                )));
            }
            let services = cluster.list("/api/v1/services", None).await?;
            let behind = services.iter().filter(|service| meant.iter().any(|one| selects(service, &one.object)));
            let services = behind.map(Object::object_ref).collect();
            let others = world.clusters.values().filter(|other| other.key != cluster.key).cloned().collect();
            Ok(Box::new(Outage { scalings, absence: Absence { cluster, services }, others }) as Box<dyn Fault>)
        })
    }
}

struct Outage {
    scalings: Vec<Scaling>,
    /// The Services of the workloads that were scaled.
    absence: Absence,
    others: Vec<Arc<Cluster>>,
}

impl Outage {
    /// What is still running, or the evidence that nothing is.
    async fn look(&self) -> Result<Result<String, String>, ProbeError> {
        for scaling in &self.scalings {
            match scaling.effect().await {
                Effect::Seen(_) => {}
                Effect::NotYet(why) | Effect::Unknown(why) | Effect::Never(why) => return Ok(Err(why)),
            }
        }
        if let Some(why) = self.absence.still_ready().await? {
            return Ok(Err(why));
        }
        let mut blind = Vec::new();
        for other in &self.others {
            match self.absence.seen_from(other).await {
                Ok(Some(left)) => {
                    if let Some(host) = left.first() {
                        let message = format!(
                            "the ingress proxy in {} still has endpoints in {}: {host}",
                            other.key, self.absence.cluster.key
                        );
                        return Ok(Err(message));
                    }
                }
                Ok(None) => blind.push(format!("{} has no ingress proxy", other.key)),
                Err(error) => blind.push(error.to_string()),
            }
        }
        let seen = match (self.others.is_empty(), blind.is_empty()) {
            (true, _) => String::new(),
            (false, true) => format!(", and none in the ingress proxies of {}", keys(&self.others)),
            (false, false) => format!(" (not all other clusters could be checked: {})", blind.join("; ")),
        };
        Ok(Ok(format!(
            "{} workloads have 0 replicas, no ready endpoint is left in {}{seen}",
            self.scalings.len(),
            self.absence.cluster.key
        )))
    }
}

fn keys(clusters: &[Arc<Cluster>]) -> String {
    clusters.iter().map(|cluster| cluster.key.as_str()).collect::<Vec<_>>().join(", ")
}

impl Fault for Outage {
    fn targets(&self) -> Vec<String> {
        self.scalings.iter().flat_map(Scaling::targets).collect()
    }

    fn uids(&self) -> Vec<String> {
        self.scalings.iter().flat_map(Scaling::uids).collect()
    }

    fn undo(&self) -> Vec<UndoData> {
        self.scalings.iter().flat_map(Scaling::undo).collect()
    }

    fn remarks(&self) -> Vec<String> {
        self.scalings.iter().flat_map(Scaling::remarks).collect()
    }

    fn dry_run(&self) -> BoxFuture<'_, Result<(), FaultError>> {
        Box::pin(async move { join_all(self.scalings.iter().map(Scaling::dry_run)).await.into_iter().collect() })
    }

    fn inject(&self) -> BoxFuture<'_, Result<(), FaultError>> {
        Box::pin(async move { join_all(self.scalings.iter().map(Scaling::inject)).await.into_iter().collect() })
    }

    fn held(&self) -> BoxFuture<'_, Effect> {
        Box::pin(async move {
            // One list a kind and namespace: a cluster may have hundreds of workloads.
            let paths: BTreeSet<String> = self.scalings.iter().map(Scaling::collection).collect();
            let mut objects = Vec::new();
            for path in paths {
                match self.absence.cluster.list(&path, None).await {
                    Ok(found) => objects.extend(found),
                    Err(error) => return Effect::Unknown(error.to_string()),
                }
            }
            if let Some(why) = self.scalings.iter().find_map(|scaling| scaling.reverted_among(&objects)) {
                return Effect::NotYet(why);
            }
            match self.absence.still_ready().await {
                Ok(None) => Effect::Seen(format!("no ready endpoint is left in {}", self.absence.cluster.key)),
                Ok(Some(why)) => Effect::NotYet(why),
                Err(error) => Effect::Unknown(error.to_string()),
            }
        })
    }

    fn effect(&self) -> BoxFuture<'_, Effect> {
        Box::pin(async move {
            match self.look().await {
                Ok(Ok(proof)) => Effect::Seen(proof),
                Ok(Err(why)) => Effect::NotYet(why),
                Err(error) => Effect::Unknown(error.to_string()),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_service_stands_for_the_deployments_it_selects() {
        let deployment = Object::from(json!({ "metadata": { "namespace": "edge", "name": "my-gateway" },
            "spec": { "template": { "metadata": { "labels": { "istio": "ingressgateway", "v": "1" } } } } }));
        let service = |namespace: &str, selector: Value| {
            Object::from(json!({ "metadata": { "namespace": namespace }, "spec": { "selector": selector } }))
        };
        assert!(selects(&service("edge", json!({ "istio": "ingressgateway" })), &deployment));
        assert!(!selects(&service("other", json!({ "istio": "ingressgateway" })), &deployment));
        assert!(!selects(&service("edge", json!({ "istio": "ingressgateway", "v": "2" })), &deployment));
        assert!(!selects(&service("edge", json!({})), &deployment));
    }

    #[test]
    fn applications_are_those_of_the_inventory_or_named_and_kube_system_is_left_alone() {
        let spec_errors = |spec: Value| serde_json::from_value::<ClusterOutage>(spec).unwrap().spec_errors().len();
        assert_eq!(spec_errors(json!({ "cluster": "a", "namespaces": ["shop"] })), 0);
        assert_eq!(spec_errors(json!({ "cluster": "a", "selector": "app=x" })), 0);
        assert_eq!(spec_errors(json!({ "cluster": "a" })), 0, "the namespaces of the inventory");
        assert_eq!(spec_errors(json!({ "cluster": "a", "namespaces": ["shop", "kube-system"] })), 1);
    }
}
