//! `service`: a Service's load-balancer address, ports, labels and ready endpoints.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::BoxFuture;
use meshdrill_checks::observe::kube::Endpoints;
use meshdrill_checks::observe::kube::Service as Found;
use meshdrill_checks::record::Series;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::kind::{Kind, Observer, Permission, Role};
use super::outcome::settle;
use super::{CannotAsk, Outcome};
use crate::cluster::{Cluster, World};
use crate::spec::{ClusterChoice, Comparison};

/// A Service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Service {
    /// The cluster.
    pub cluster: ClusterChoice,
    /// The namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What it must have; at least one ready endpoint without it.
    #[serde(default)]
    pub expect: ServiceExpect,
}

/// What a Service must have.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServiceExpect {
    /// A load-balancer address: IP or host name.
    #[serde(default)]
    pub address: bool,
    /// Ports, each of which must be among its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<u16>,
    /// How many of its endpoints are ready; at least one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoints: Option<Comparison>,
    /// Labels with their values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

impl Kind for Service {
    fn describe(&self) -> String {
        format!("Service {}/{} in {}", self.namespace, self.name, self.cluster)
    }

    fn subject(&self) -> String {
        self.name.clone()
    }

    fn choices(&mut self) -> Vec<&mut ClusterChoice> {
        vec![&mut self.cluster]
    }

    fn permissions(&self) -> Vec<Permission> {
        let key = self.cluster.key();
        vec![
            Permission::new(key, &self.namespace, "", "services", "get"),
            Permission::new(key, &self.namespace, "discovery.k8s.io", "endpointslices", "list"),
        ]
    }

    fn prepare<'a>(&'a self, world: &'a World, _: Role) -> BoxFuture<'a, Result<Box<dyn Observer>, CannotAsk>> {
        Box::pin(async move {
            let cluster = Arc::clone(world.cluster(self.cluster.key())?);
            Ok(Box::new(ServiceObserver { cluster, spec: self.clone() }) as Box<dyn Observer>)
        })
    }
}

struct ServiceObserver {
    cluster: Arc<Cluster>,
    spec: Service,
}

impl ServiceObserver {
    async fn ask(&self) -> Result<Outcome, CannotAsk> {
        let (namespace, name) = (&self.spec.namespace, &self.spec.name);
        let object: Value = match self.cluster.get(&format!("/api/v1/namespaces/{namespace}/services/{name}")).await {
            Err(error) if error.is_not_found() => return Ok(Outcome::judged(false, error.to_string(), Value::Null)),
            found => found?,
        };
        let service = Found::read(&object).map_err(|error| CannotAsk(error.to_string()))?;
        let path = format!("/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices");
        let slices = self.cluster.list(&path, Some(&format!("kubernetes.io/service-name={name}"))).await?;
        let endpoints = Endpoints::read(&slices, name).map_err(|error| CannotAsk(error.to_string()))?;
        let expect = &self.spec.expect;
        let mut missed = Vec::new();
        if expect.address && service.load_balancer.is_empty() {
            missed.push("no load-balancer address (pending)".to_owned());
        }
        for port in expect.ports.iter().filter(|port| service.port(**port).is_none()) {
            missed.push(format!("no port {port}"));
        }
        for (label, wanted) in &expect.labels {
            match service.labels.get(label) {
                Some(found) if found == wanted => {}
                found => missed
                    .push(format!("label {label} is {}, expected {wanted}", found.map_or("missing", String::as_str))),
            }
        }
        let ready = endpoints.ready();
        let wanted = expect.endpoints.unwrap_or(Comparison::at_least(1.0));
        if !wanted.holds(ready as f64) {
            missed.push(format!("{ready} ready endpoints, expected {wanted}"));
        }
        let addresses: Vec<&str> =
            service.load_balancer.iter().map(meshdrill_checks::observe::kube::LoadBalancerAddress::as_str).collect();
        let seen = json!({ "addresses": addresses, "endpoints": ready, "ports": service.ports.iter().map(|port| port.port).collect::<Vec<_>>() });
        let place = format!("{namespace}/{name} in {}", self.cluster.key);
        let message = match missed.as_slice() {
            [] => format!(
                "{ready} ready endpoints{} ({place})",
                if addresses.is_empty() { String::new() } else { format!(", at {}", addresses.join(", ")) }
            ),
            missed => format!("{} ({place})", missed.join("; ")),
        };
        Ok(Outcome::judged(missed.is_empty(), message, seen))
    }
}

impl Observer for ServiceObserver {
    fn observe(&self, _: Series) -> BoxFuture<'_, Outcome> {
        Box::pin(async move { settle(self.ask().await) })
    }
}
