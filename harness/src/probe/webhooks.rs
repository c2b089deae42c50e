//! `webhooks`: admission webhooks that a selector finds lead to Services with ready endpoints. Where one fails closed and
//! nothing stands behind it, no pod can be made.

use std::sync::Arc;

use futures::future::BoxFuture;
use meshdrill_checks::record::Series;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::kind::{Kind, Observer, Role};
use super::outcome::settle;
use super::service::endpoints_of;
use super::{CannotAsk, Outcome};
use crate::cluster::{Cluster, Permission, World};
use crate::spec::{ClusterChoice, MeshSpec, Selector};

/// Mutating webhook configurations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Webhooks {
    /// The cluster.
    pub cluster: ClusterChoice,
    /// The configurations, by label; those of sidecar injection without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<Selector>,
}

const COLLECTION: &str = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";

impl Webhooks {
    fn selector(&self) -> &str {
        self.selector.as_ref().map_or("app=sidecar-injector", Selector::as_str)
    }
}

impl Kind for Webhooks {
    fn describe(&self) -> String {
        format!("mutating webhooks {} of {}", self.selector(), self.cluster)
    }

    fn subject(&self) -> String {
        self.selector().rsplit('=').next().unwrap_or_default().to_owned()
    }

    fn choices(&mut self) -> Vec<&mut ClusterChoice> {
        vec![&mut self.cluster]
    }

    fn permissions(&self, _: &MeshSpec) -> Vec<Permission> {
        let group = "admissionregistration.k8s.io";
        vec![
            Permission::new(self.cluster.key(), "", group, "mutatingwebhookconfigurations", "list"),
            Permission::new(self.cluster.key(), "", "discovery.k8s.io", "endpointslices", "list"),
        ]
    }

    fn prepare<'a>(&'a self, world: &'a World, _: Role) -> BoxFuture<'a, Result<Box<dyn Observer>, CannotAsk>> {
        Box::pin(async move {
            let cluster = Arc::clone(world.cluster(self.cluster.key())?);
            Ok(Box::new(WebhooksObserver { cluster, spec: self.clone() }) as Box<dyn Observer>)
        })
    }
}

struct WebhooksObserver {
    cluster: Arc<Cluster>,
    spec: Webhooks,
}

impl WebhooksObserver {
    async fn ask(&self) -> Result<Outcome, CannotAsk> {
        let key = &self.cluster.key;
        let configurations = self.cluster.list(COLLECTION, Some(self.spec.selector())).await?;
        let mut missed = Vec::new();
        let mut services: Vec<(String, String)> = Vec::new();
        for configuration in &configurations {
            let name = configuration["metadata"]["name"].as_str().unwrap_or_default();
            for webhook in configuration["webhooks"].as_array().into_iter().flatten() {
                let client = &webhook["clientConfig"];
                let text = |field: &str| client["service"][field].as_str().unwrap_or_default().to_owned();
                if client["caBundle"].as_str().unwrap_or_default().is_empty() {
                    let hook = webhook["name"].as_str().unwrap_or_default();
                    missed.push(format!("webhook {hook} of {name} has no caBundle"));
                }
                let service = (text("namespace"), text("name"));
                if client["url"].is_null() && !services.contains(&service) {
                    services.push(service);
                }
            }
        }
        missed.dedup();
        for (namespace, name) in &services {
            let endpoints = endpoints_of(&self.cluster, namespace, name).await?;
            if endpoints.is_none_or(|endpoints| endpoints.ready() == 0) {
                missed.push(format!("Service {namespace}/{name} behind the webhooks has no ready endpoint"));
            }
        }
        if services.is_empty() {
            missed.push(format!(
                "no mutating webhook {} leads to a Service: nothing injects sidecars",
                self.spec.selector()
            ));
        }
        let names: Vec<String> = services.iter().map(|(namespace, name)| format!("{namespace}/{name}")).collect();
        let seen = json!({ "configurations": configurations.len(), "services": names });
        let message = match missed.as_slice() {
            [] => format!(
                "{} configurations lead to {}, with ready endpoints ({key})",
                configurations.len(),
                names.join(", ")
            ),
            missed => format!("{} ({key})", missed.join("; ")),
        };
        Ok(Outcome::judged(missed.is_empty(), message, seen))
    }
}

impl Observer for WebhooksObserver {
    fn observe(&self, _: Series) -> BoxFuture<'_, Outcome> {
        Box::pin(async move { settle(self.ask().await) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_of_injection_needs_no_selector() {
        let spec: Webhooks = serde_json::from_value::<Webhooks>(json!({ "cluster": "all" })).unwrap();
        assert_eq!((spec.selector(), spec.subject().as_str()), ("app=sidecar-injector", "sidecar-injector"));
    }
}
