//! `clusterOutage`: every gateway and every application Deployment of one cluster to zero, as its mesh neighbours would
//! see the loss of the cluster. Its API server, nodes and control plane stay: without them nothing could be undone.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::future::{BoxFuture, join_all};
use meshdrill_checks::observe::envoy::{ServiceName, config_dump};
use meshdrill_checks::observe::kube::Endpoints;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::scale::Scaling;
use super::undo::WorkloadResource;
use super::{Effect, Fault, FaultError, FaultRole, Options, SYSTEM, Undo, of_system};
use crate::cluster::{AccessError, Cluster, Permission, PodRef, World, gateway_services, label_selector, ready_pods};
use crate::probe::{CannotAsk, Complaint, ProxyAdmin};
use crate::spec::{ClusterChoice, MeshSpec, Selector};

/// What of a cluster goes to zero, beside its gateways.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterOutage {
    /// The cluster.
    pub cluster: ClusterChoice,
    /// The namespaces of the applications; all but kube-system, if there is a `selector`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub namespaces: Vec<String>,
    /// The Deployments of the applications, by label; all of the namespaces without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<Selector>,
}

impl ClusterOutage {
    async fn applications(&self, cluster: &Cluster) -> Result<Vec<Value>, AccessError> {
        let selector = self.selector.as_ref().map(Selector::as_str);
        if self.namespaces.is_empty() {
            return cluster.list("/apis/apps/v1/deployments", selector).await;
        }
        let mut found = Vec::new();
        for namespace in &self.namespaces {
            found.extend(cluster.list(&format!("/apis/apps/v1/namespaces/{namespace}/deployments"), selector).await?);
        }
        Ok(found)
    }
}

fn namespace(object: &Value) -> &str {
    object["metadata"]["namespace"].as_str().unwrap_or_default()
}

/// Whether a Service selects the pods of a Deployment.
fn selects(service: &Value, deployment: &Value) -> bool {
    let empty = Map::new();
    let labels = deployment["spec"]["template"]["metadata"]["labels"].as_object().unwrap_or(&empty);
    let selector = service["spec"]["selector"].as_object().unwrap_or(&empty);
    !selector.is_empty()
        && namespace(service) == namespace(deployment)
        && selector.iter().all(|(key, value)| labels.get(key) == Some(value))
}

/// Whether a Deployment is an istiod, of whatever revision: without one no pod could be made to undo anything.
fn is_control_plane(deployment: &Value) -> bool {
    let containers = deployment["spec"]["template"]["spec"]["containers"].as_array();
    containers.into_iter().flatten().any(|container| container["name"] == "discovery")
}

/// The Deployments behind Services, found by the labels of Istio.
async fn gateways(cluster: &Cluster) -> Result<Vec<Value>, FaultError> {
    let services = gateway_services(cluster).await?;
    let spaces: BTreeSet<&str> = services.iter().map(namespace).collect();
    let mut found = Vec::new();
    for space in spaces {
        let all = cluster.list(&format!("/apis/apps/v1/namespaces/{space}/deployments"), None).await?;
        found.extend(all.into_iter().filter(|one| services.iter().any(|service| selects(service, one))));
    }
    if found.is_empty() {
        return Err(FaultError::NoTarget(format!(
            "cluster `{}` has no gateway Deployment behind a Service that is labelled istio=ingressgateway or topology.istio.io/network",
            cluster.key
        )));
    }
    Ok(found)
}

impl FaultRole for ClusterOutage {
    fn describe(&self) -> String {
        let place = if self.namespaces.is_empty() { "all namespaces".to_owned() } else { self.namespaces.join(", ") };
        let which = self.selector.as_ref().map_or_else(String::new, |selector| format!(" ({selector})"));
        format!("scale every gateway of {} and every Deployment of {place}{which} to 0", self.cluster)
    }

    fn sustained(&self) -> bool {
        true
    }

    fn needs_all_clusters(&self) -> bool {
        true
    }

    fn complaints(&self) -> Vec<Complaint> {
        let help = "write `namespaces: [bookinfo]`, or a `selector:` of Deployments";
        let unclear = (self.namespaces.is_empty() && self.selector.is_none())
            .then(|| Complaint::new("namespaces", "which applications are meant is not clear", help));
        let help = "name the namespaces of applications";
        let system = self.namespaces.iter().find_map(|namespace| of_system("namespaces", Some(namespace), help));
        unclear.into_iter().chain(system).collect()
    }

    fn permissions(&self, _: &MeshSpec) -> Vec<Permission> {
        let need = |group, resource, verb| Permission::new(self.cluster.key(), "", group, resource, verb);
        vec![
            need("", "services", "list"),
            need("apps", "deployments", "list"),
            need("apps", "deployments", "get"),
            need("apps", "deployments/scale", "patch"),
            need("discovery.k8s.io", "endpointslices", "list"),
            need("autoscaling", "horizontalpodautoscalers", "list"),
        ]
    }

    fn resolve<'a>(&'a self, world: &'a World, _: Options) -> BoxFuture<'a, Result<Box<dyn Fault>, FaultError>> {
        Box::pin(async move {
            let cluster = Arc::clone(world.cluster(self.cluster.key())?);
            let mut meant = gateways(&cluster).await?;
            let mut applications = self.applications(&cluster).await?;
            applications.retain(|one| {
                let known = meant.iter().any(|gateway| gateway["metadata"]["uid"] == one["metadata"]["uid"]);
                namespace(one) != SYSTEM && !known && !is_control_plane(one)
            });
            if applications.is_empty() {
                return Err(FaultError::NoTarget(format!(
                    "no Deployment in {} is meant: {}",
                    cluster.key,
                    self.describe()
                )));
            }
            meant.extend(applications);
            let mut scalings = Vec::new();
            for one in &meant {
                scalings.extend(Scaling::of(&cluster, WorkloadResource::Deployments, one, 0).await);
            }
            if scalings.is_empty() {
                return Err(FaultError::NothingToChange(format!("all of {} has 0 replicas already", cluster.key)));
            }
            let services = cluster.list("/api/v1/services", None).await?;
            let behind = services.iter().filter(|service| meant.iter().any(|one| selects(service, one)));
            let services = behind.map(PodRef::of).collect();
            let others = world.clusters.values().filter(|other| other.key != cluster.key).cloned().collect();
            Ok(Box::new(Outage { cluster, scalings, services, others }) as Box<dyn Fault>)
        })
    }
}

struct Outage {
    cluster: Arc<Cluster>,
    scalings: Vec<Scaling>,
    /// The Services of what went to zero.
    services: Vec<PodRef>,
    others: Vec<Arc<Cluster>>,
}

impl Outage {
    /// A Service that still has ready endpoints in the cluster itself.
    async fn still_ready(&self) -> Result<Option<String>, CannotAsk> {
        let spaces: BTreeSet<&str> = self.services.iter().map(|service| service.namespace.as_str()).collect();
        for space in spaces {
            let path = format!("/apis/discovery.k8s.io/v1/namespaces/{space}/endpointslices");
            let slices = self.cluster.list(&path, None).await?;
            for service in self.services.iter().filter(|service| service.namespace == space) {
                let behind = Endpoints::read(&slices, &service.name).map_err(|error| CannotAsk(error.to_string()))?;
                let count = behind.endpoints.iter().filter(|endpoint| endpoint.ready).count();
                if count > 0 {
                    return Ok(Some(format!("Service {service} still has {count} ready endpoints")));
                }
            }
        }
        Ok(None)
    }

    /// Endpoints of the cluster's applications that the ingress proxy of another cluster still has; none if it has no
    /// ingress proxy.
    async fn seen_from(&self, other: &Arc<Cluster>) -> Result<Option<BTreeSet<String>>, CannotAsk> {
        for service in gateway_services(other).await? {
            if service["metadata"]["labels"]["istio"] != "ingressgateway" {
                continue;
            }
            let selector = label_selector(&service["spec"]["selector"]);
            let pods = ready_pods(other, namespace(&service), &selector).await?;
            let Some(pod) = pods.first().map(PodRef::of) else { continue };
            let admin = ProxyAdmin::of_pod(Arc::clone(other), pod);
            let (body, pod) = admin.get("/config_dump?include_eds&resource=dynamic_endpoint_configs").await?;
            let endpoints = config_dump::parse(&body).map_err(|error| CannotAsk(format!("{pod}: {error}")))?;
            let id = self.cluster.istio_id();
            let has = endpoints.iter().filter(|(_, all)| all.values().any(|info| info.clusters.contains(id)));
            let hosts = has.filter_map(|(name, _)| ServiceName::parse(name)).map(|name| name.host);
            return Ok(Some(hosts.filter(|host| self.services.iter().any(|service| is_host(host, service))).collect()));
        }
        Ok(None)
    }

    /// What is not gone yet, or what shows that all is.
    async fn look(&self) -> Result<Result<String, String>, CannotAsk> {
        for scaling in &self.scalings {
            match scaling.effect().await {
                Effect::Seen(_) => {}
                Effect::NotYet(why) | Effect::Never(why) => return Ok(Err(why)),
            }
        }
        if let Some(why) = self.still_ready().await? {
            return Ok(Err(why));
        }
        let mut blind = Vec::new();
        for other in &self.others {
            match self.seen_from(other).await {
                Ok(Some(left)) => {
                    if let Some(host) = left.first() {
                        let message = format!(
                            "the ingress proxy of {} still has endpoints of {}: {host}",
                            other.key, self.cluster.key
                        );
                        return Ok(Err(message));
                    }
                }
                Ok(None) => blind.push(format!("{} has no ingress proxy to ask", other.key)),
                Err(error) => blind.push(error.to_string()),
            }
        }
        let seen = match (self.others.is_empty(), blind.is_empty()) {
            (true, _) => String::new(),
            (false, true) => format!(", nor for the proxies of {}", keys(&self.others)),
            (false, false) => format!(" (not asked of all other clusters: {})", blind.join("; ")),
        };
        Ok(Ok(format!(
            "{} Deployments at 0 replicas, no ready endpoint left in {}{seen}",
            self.scalings.len(),
            self.cluster.key
        )))
    }
}

fn keys(clusters: &[Arc<Cluster>]) -> String {
    clusters.iter().map(|cluster| cluster.key.as_str()).collect::<Vec<_>>().join(", ")
}

/// Whether a full host name is that of a Service.
fn is_host(host: &str, service: &PodRef) -> bool {
    host.strip_prefix(&format!("{}.{}.svc", service.name, service.namespace))
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

impl Fault for Outage {
    fn targets(&self) -> Vec<String> {
        self.scalings.iter().flat_map(Scaling::targets).collect()
    }

    fn undo(&self) -> Vec<Undo> {
        self.scalings.iter().flat_map(Scaling::undo).collect()
    }

    fn remarks(&self) -> Vec<String> {
        self.scalings.iter().flat_map(Scaling::remarks).collect()
    }

    fn rehearse(&self) -> BoxFuture<'_, Result<(), FaultError>> {
        Box::pin(async move { join_all(self.scalings.iter().map(Scaling::rehearse)).await.into_iter().collect() })
    }

    fn inject(&self) -> BoxFuture<'_, Result<(), FaultError>> {
        Box::pin(async move { join_all(self.scalings.iter().map(Scaling::inject)).await.into_iter().collect() })
    }

    fn effect(&self) -> BoxFuture<'_, Effect> {
        Box::pin(async move {
            match self.look().await {
                Ok(Ok(proof)) => Effect::Seen(proof),
                Ok(Err(why)) => Effect::NotYet(why),
                Err(error) => Effect::NotYet(error.to_string()),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_service_stands_for_the_deployments_it_selects() {
        let deployment = json!({ "metadata": { "namespace": "edge", "name": "my-gateway" },
            "spec": { "template": { "metadata": { "labels": { "istio": "ingressgateway", "v": "1" } } } } });
        let service = |namespace: &str, selector: Value| json!({ "metadata": { "namespace": namespace }, "spec": { "selector": selector } });
        assert!(selects(&service("edge", json!({ "istio": "ingressgateway" })), &deployment));
        assert!(!selects(&service("other", json!({ "istio": "ingressgateway" })), &deployment));
        assert!(!selects(&service("edge", json!({ "istio": "ingressgateway", "v": "2" })), &deployment));
        assert!(!selects(&service("edge", json!({})), &deployment));
    }

    #[test]
    fn hosts_are_matched_whole() {
        let cart = PodRef { namespace: "shop".into(), name: "cart".into(), uid: String::new() };
        assert!(is_host("cart.shop.svc.cluster.local", &cart) && is_host("cart.shop.svc", &cart));
        assert!(!is_host("cart.shop.svcx", &cart) && !is_host("acart.shop.svc.cluster.local", &cart));
    }

    #[test]
    fn applications_must_be_named_and_kube_system_is_left_alone() {
        let complaints = |spec: Value| serde_json::from_value::<ClusterOutage>(spec).unwrap().complaints().len();
        assert_eq!(complaints(json!({ "cluster": "a", "namespaces": ["shop"] })), 0);
        assert_eq!(complaints(json!({ "cluster": "a", "selector": "app=x" })), 0);
        assert_eq!(complaints(json!({ "cluster": "a" })), 1);
        assert_eq!(complaints(json!({ "cluster": "a", "namespaces": ["shop", "kube-system"] })), 1);
    }
}
