//! `service`: load-balancer address, ports, labels and ready endpoints of a Service, or of every Service that matches a
//! selector.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::BoxFuture;
use meshdrill_checks::observe::kube::Service as Found;
use meshdrill_checks::record::Series;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::outcome::settle;
use super::role::{Observation, Observer, Role, SpecError};
use super::slices::service_endpoints;
use super::{Answer, Outcome, ProbeError, cause};
use crate::cluster::{AccessError, Cluster, Object, Permission, World};
use crate::format::{ClusterChoice, Comparison, MeshSpec, Selector};

/// A Service, or all Services that match a selector: address, ports, labels, ready endpoints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Service {
    /// The cluster.
    pub cluster: ClusterChoice,
    /// The namespace. With `selector`, all namespaces by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The name. Write this or `selector`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The Services, by label: at least one must exist, and all must be as expected. Write this or `name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<Selector>,
    /// The expectations; by default at least one ready endpoint.
    #[serde(default)]
    pub expect: ServiceExpect,
}

/// The expectations of a Service.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServiceExpect {
    /// Whether it must have a load-balancer address: IP or host name.
    #[serde(default)]
    pub address: bool,
    /// Port numbers that it must have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<u16>,
    /// The number of ready endpoints, such as `>= 2`; default at least one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoints: Option<Comparison>,
    /// Labels that it must have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

impl Service {
    fn which(&self) -> String {
        let namespace = self.namespace.as_ref().map_or_else(String::new, |namespace| format!("{namespace}/"));
        let name = self.name.as_deref().or_else(|| self.selector.as_ref().map(Selector::as_str)).unwrap_or_default();
        format!("{namespace}{name}")
    }
}

impl Observation for Service {
    fn describe(&self) -> String {
        format!("Service {} ({})", self.which(), self.cluster)
    }

    fn subject(&self) -> String {
        match (&self.name, &self.selector) {
            (Some(name), _) => name.clone(),
            (None, Some(selector)) => {
                selector.as_str().rsplit(['=', '/']).next().unwrap_or_default().trim_matches(['(', ')']).to_owned()
            }
            (None, None) => String::new(),
        }
    }

    fn spec_errors(&self) -> Vec<SpecError> {
        let one = self.name.is_some() != self.selector.is_some();
        let help = "write `name: NAME` or `selector: LABELS`";
        let unclear = (!one).then(|| SpecError::new("name", "exactly one of `name` and `selector` is needed", help));
        let homeless = self.name.is_some() && self.namespace.is_none();
        let help = "write `namespace:` next to `name:`";
        let homeless = homeless.then(|| SpecError::new("namespace", "the Service's namespace is missing", help));
        unclear.into_iter().chain(homeless).collect()
    }

    fn choices(&mut self) -> Vec<&mut ClusterChoice> {
        vec![&mut self.cluster]
    }

    fn permissions(&self, _: &MeshSpec) -> Vec<Permission> {
        let (key, namespace) = (self.cluster.key(), self.namespace.as_deref().unwrap_or_default());
        let verb = if self.name.is_some() { "get" } else { "list" };
        vec![
            Permission::new(key, namespace, "", "services", verb),
            Permission::new(key, namespace, "discovery.k8s.io", "endpointslices", "list"),
        ]
    }

    fn prepare<'a>(&'a self, world: &'a World, _: Role) -> BoxFuture<'a, Result<Box<dyn Observer>, ProbeError>> {
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
    /// The Services.
    async fn objects(&self) -> Result<Vec<Object>, AccessError> {
        let collection = self.spec.namespace.as_ref().map_or_else(
            || "/api/v1/services".to_owned(),
            |namespace| format!("/api/v1/namespaces/{namespace}/services"),
        );
        match (&self.spec.name, &self.spec.selector) {
            (Some(name), _) => Ok(vec![self.cluster.get_named(&collection, name).await?]),
            (None, selector) => self.cluster.list(&collection, selector.as_ref().map(Selector::as_str)).await,
        }
    }

    async fn ask(&self) -> Result<Outcome, ProbeError> {
        let objects = match self.objects().await {
            Err(error) if error.is_not_found() => return Ok(Outcome::judged(false, error.to_string(), Value::Null)),
            objects => objects?,
        };
        if objects.is_empty() {
            if let Some(namespace) = &self.spec.namespace {
                self.cluster.may_have_namespace(namespace).await?;
            }
            let message = format!("no Service matches {} ({})", self.spec.which(), self.cluster.key);
            return Ok(Outcome::judged(false, message, Value::Null));
        }
        let mut all = Vec::new();
        for object in &objects {
            all.push(self.judge(object).await?);
        }
        if all.len() == 1 {
            return Ok(all.remove(0));
        }
        let good = all.iter().all(|one| one.answer == Answer::Good);
        let shown = all.iter().filter(|one| good || one.answer != Answer::Good);
        let message = shown.map(|one| one.message.as_str()).collect::<Vec<_>>().join("; ");
        let seen = all.iter().map(|one| one.seen.clone()).collect();
        Ok(Outcome::judged(good, message, Value::Array(seen)))
    }

    async fn judge(&self, object: &Value) -> Result<Outcome, ProbeError> {
        let service = Found::read(object).map_err(|error| ProbeError(error.to_string()))?;
        let (namespace, name) = (&service.namespace, &service.name);
        let endpoints = service_endpoints(&self.cluster, namespace, name).await?.unwrap_or_default();
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
        let place = format!("Service {namespace}/{name} ({})", self.cluster.key);
        let message = match missed.as_slice() {
            [] => format!(
                "{place}: {ready} ready endpoints{}",
                if addresses.is_empty() { String::new() } else { format!(", at {}", addresses.join(", ")) }
            ),
            missed => format!("{place}: {}", missed.join("; ")),
        };
        Ok(Outcome::judged(missed.is_empty(), message, seen))
    }
}

impl Observer for ServiceObserver {
    fn observe(&self, _: Series) -> BoxFuture<'_, Outcome> {
        Box::pin(async move { settle(self.ask().await) })
    }

    fn causes<'a>(&'a self, _: &'a Outcome) -> BoxFuture<'a, Vec<String>> {
        Box::pin(async move {
            let mut causes = Vec::new();
            for service in self.objects().await.unwrap_or_default() {
                causes.extend(cause::behind(&self.cluster, &service).await);
            }
            causes
        })
    }
}
