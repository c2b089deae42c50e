//! `gateway`: a gateway of the inventory is rolled out, its Service has addresses, ports and endpoints, and its proxy listens
//! where configuration binds it.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::future::BoxFuture;
use meshdrill_checks::observe::gateways::Gateway as IstioGateway;
use meshdrill_checks::observe::kube::{Pod, Rollout, Service, Workload, WorkloadKind};
use meshdrill_checks::record::Series;
use meshdrill_document::nearest;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::admin::ProxyAdmin;
use super::configuration::{API_GATEWAY, GATEWAY};
use super::outcome::settle;
use super::role::{Observation, Observer, Role};
use super::slices::service_endpoints;
use super::{Outcome, ProbeError, cause};
use crate::cluster::{Cluster, Object, Permission, World, gateway_addresses, gateway_service, is_serving};
use crate::format::{ClusterChoice, Gateway, MeshSpec};

/// A gateway of the inventory: rolled out, addressed, with its ports and ready endpoints, and listening where configuration
/// binds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InventoryGateway {
    /// The cluster.
    pub cluster: ClusterChoice,
    /// Its name in the inventory.
    pub name: String,
}

/// The port of every Istio proxy's readiness, which no configuration binds.
const STATUS_PORT: u16 = 15021;

impl Observation for InventoryGateway {
    fn describe(&self) -> String {
        format!("gateway {} ({})", self.name, self.cluster)
    }

    fn subject(&self) -> String {
        self.name.clone()
    }

    fn choices(&mut self) -> Vec<&mut ClusterChoice> {
        vec![&mut self.cluster]
    }

    fn permissions(&self, mesh: &MeshSpec) -> Vec<Permission> {
        let key = self.cluster.key();
        let inventory = mesh.inventory();
        let Some(gateway) = inventory.gateways.get(&self.name) else { return Vec::new() };
        let need = |group, resource, verb| Permission::new(key, &gateway.namespace, group, resource, verb);
        let plural = if gateway.workload.starts_with("daemonset/") { "daemonsets" } else { "deployments" };
        let mut all = vec![
            need("apps", plural, "get"),
            need("", "services", "get"),
            need("discovery.k8s.io", "endpointslices", "list"),
            GATEWAY.permission(key),
            API_GATEWAY.permission(key),
        ];
        all.extend(Permission::for_port_forward(key, &gateway.namespace));
        all
    }

    fn prepare<'a>(&'a self, world: &'a World, _: Role) -> BoxFuture<'a, Result<Box<dyn Observer>, ProbeError>> {
        Box::pin(async move {
            let inventory = world.inventory();
            let gateway = inventory.gateways.get(&self.name).cloned().ok_or_else(|| {
                let meant = nearest(&self.name, inventory.gateways.keys().map(String::as_str));
                let meant = meant.map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default();
                ProbeError(format!("the inventory has no gateway `{}`{meant}", self.name))
            })?;
            let cluster = Arc::clone(world.cluster(self.cluster.key())?);
            Ok(Box::new(GatewayObserver { cluster, name: self.name.clone(), gateway }) as Box<dyn Observer>)
        })
    }
}

struct GatewayObserver {
    cluster: Arc<Cluster>,
    name: String,
    gateway: Gateway,
}

impl GatewayObserver {
    async fn ask(&self) -> Result<Outcome, ProbeError> {
        let Gateway { namespace, workload, .. } = &self.gateway;
        let mut missed = Vec::new();
        missed.extend(self.rollout().await?);
        let service = gateway_service(&self.cluster, &self.gateway).await?;
        let mut addresses = Vec::new();
        match (&self.gateway.service, &service) {
            (Some(name), None) => missed
                .push(format!("Service {namespace}/{name} does not exist; `meshdrill mesh init --update` looks again")),
            (_, service) => {
                missed.extend(self.wrong_service(service.as_ref()).await?);
                addresses = gateway_addresses(&self.cluster, &self.gateway, self.first_port()).await?;
                if addresses.is_empty() && service.as_ref().is_none_or(|service| service["spec"]["type"] != "ClusterIP")
                {
                    missed.push("it has no address (pending?)".to_owned());
                }
            }
        }
        let path = format!("/api/v1/namespaces/{namespace}/pods");
        let pods = self.cluster.list(&path, Some(self.gateway.selector.as_str())).await?;
        let ready = pods.iter().filter(|pod| is_serving(pod)).count();
        if ready < pods.iter().filter(|pod| !pod.is_terminating()).count() || ready == 0 {
            missed.push(format!("{ready} of {} pods {namespace}/{} ready", pods.len(), self.gateway.selector));
        }
        let mut listening = BTreeSet::new();
        if let Some(pod) = pods.iter().find(|pod| is_serving(pod)) {
            listening = self.listeners(pod).await?;
            missed.extend(self.unbound(pod, service.as_ref(), &listening).await?);
        }
        let place = format!("gateway {} ({})", self.name, self.cluster.key);
        let seen = json!({ "addresses": addresses, "ready": ready, "listeners": listening });
        let message = match missed.as_slice() {
            [] => format!(
                "{place}: {workload} rolled out, {ready} pods ready, {}",
                if addresses.is_empty() {
                    "reached inside of the cluster".to_owned()
                } else {
                    format!("at {}", addresses.join(", "))
                }
            ),
            missed => format!("{place}: {}", missed.join("; ")),
        };
        Ok(Outcome::judged(missed.is_empty(), message, seen))
    }

    fn first_port(&self) -> u16 {
        self.gateway.ports.iter().copied().find(|port| *port != STATUS_PORT).unwrap_or(80)
    }

    async fn rollout(&self) -> Result<Option<String>, ProbeError> {
        let (kind, name) = self.gateway.workload.split_once('/').unwrap_or(("deployment", &self.gateway.workload));
        let (kind, plural) = match kind {
            "daemonset" => (WorkloadKind::DaemonSet, "daemonsets"),
            _ => (WorkloadKind::Deployment, "deployments"),
        };
        let collection = format!("/apis/apps/v1/namespaces/{}/{plural}", self.gateway.namespace);
        let object: Object = match self.cluster.get_named(&collection, name).await {
            Err(error) if error.is_not_found() => return Ok(Some(error.to_string())),
            found => found?,
        };
        let rollout = Workload::read(&object, kind).map_err(|error| ProbeError(error.to_string()))?.rollout;
        Ok((rollout != Rollout::Complete).then(|| format!("{} rollout {rollout}", self.gateway.workload)))
    }

    /// What the Service lacks: ports, and ready endpoints.
    async fn wrong_service(&self, service: Option<&Object>) -> Result<Vec<String>, ProbeError> {
        let Some(service) = service else { return Ok(Vec::new()) };
        let read = Service::read(service).map_err(|error| ProbeError(error.to_string()))?;
        let place = format!("Service {}/{}", read.namespace, read.name);
        let ports = self.gateway.ports.iter().filter(|port| read.port(**port).is_none());
        let mut missed: Vec<String> = ports.map(|port| format!("{place} has no port {port}")).collect();
        let endpoints = service_endpoints(&self.cluster, &read.namespace, &read.name).await?.unwrap_or_default();
        if endpoints.ready() == 0 {
            missed.push(format!("{place} has no ready endpoint"));
        }
        Ok(missed)
    }

    /// The ports on which the proxy of a pod listens.
    async fn listeners(&self, pod: &Object) -> Result<BTreeSet<u16>, ProbeError> {
        let admin = ProxyAdmin::for_pod(Arc::clone(&self.cluster), pod.object_ref());
        let (body, pod) = admin.get("/listeners?format=json").await?;
        let listed: Value = serde_json::from_slice(&body)
            .map_err(|error| ProbeError(format!("/listeners of {pod} is not JSON: {error}")))?;
        let statuses = listed["listener_statuses"].as_array().into_iter().flatten();
        let addresses = statuses.flat_map(|status| {
            let more = status["additional_local_addresses"].as_array().into_iter().flatten();
            more.chain([&status["local_address"]])
        });
        let port = |address: &Value| u16::try_from(address["socket_address"]["port_value"].as_u64()?).ok();
        Ok(addresses.filter_map(port).collect())
    }

    /// Ports that configuration binds and on which the proxy does not listen, or that nothing binds any port.
    async fn unbound(
        &self,
        pod: &Object,
        service: Option<&Object>,
        listening: &BTreeSet<u16>,
    ) -> Result<Option<String>, ProbeError> {
        if let Some(name) = &self.gateway.deployed_for {
            return self.not_programmed(name).await;
        }
        let labels = Pod::read(pod).map_err(|error| ProbeError(error.to_string()))?.labels;
        let all = GATEWAY.list(&self.cluster).await?;
        let own: Vec<IstioGateway> =
            all.iter().map(|one| IstioGateway::read(one)).filter(|gateway| gateway.selects(&labels)).collect();
        let read = service.and_then(|service| Service::read(service).ok());
        let target = |port: u16| {
            let target = read.as_ref().and_then(|service| service.port(port)?.target.parse().ok());
            target.unwrap_or(port)
        };
        let wanted: BTreeSet<u16> = own.iter().flat_map(|gateway| &gateway.servers).map(|server| server.port).collect();
        let silent: Vec<String> = wanted
            .iter()
            .filter(|port| !listening.contains(&target(**port)) && !listening.contains(port))
            .map(u16::to_string)
            .collect();
        let names = || own.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        Ok(if own.is_empty() && cause::is_configured_otherwise(&self.cluster).await {
            None
        } else if own.is_empty() {
            Some("no Gateway selects its pods, so that it serves nothing".to_owned())
        } else if silent.is_empty() {
            None
        } else {
            Some(format!("its proxy does not listen on {}, as {} would have it", silent.join(", "), names()))
        })
    }

    /// The Gateway of the Gateway API: whether its controller has programmed it.
    async fn not_programmed(&self, name: &str) -> Result<Option<String>, ProbeError> {
        let all = API_GATEWAY.list(&self.cluster).await?;
        let own = all.iter().find(|one| one.namespace() == self.gateway.namespace && one.name() == name);
        let Some(own) = own else {
            return Ok(Some(format!("Gateway {}/{name} does not exist", self.gateway.namespace)));
        };
        let conditions = own["status"]["conditions"].as_array().into_iter().flatten();
        let refused: Vec<String> = conditions
            .filter(|one| one["type"] == "Accepted" || one["type"] == "Programmed")
            .filter(|one| one["status"] != "True")
            .map(|one| {
                let text = |field: &str| one[field].as_str().unwrap_or_default().to_owned();
                format!("Gateway {name} {} is {}: {} {}", text("type"), text("status"), text("reason"), text("message"))
            })
            .collect();
        Ok((!refused.is_empty()).then(|| refused.join(", ")))
    }
}

impl Observer for GatewayObserver {
    fn observe(&self, _: Series) -> BoxFuture<'_, Outcome> {
        Box::pin(async move { settle(self.ask().await) })
    }

    fn causes<'a>(&'a self, _: &'a Outcome) -> BoxFuture<'a, Vec<String>> {
        Box::pin(cause::pod_causes(&self.cluster, &self.gateway.namespace, self.gateway.selector.as_str()))
    }
}
