//! `webhooks`: the admission webhooks of Istio, for sidecar injection and for validation, lead to ready endpoints. If one
//! fails closed without an endpoint, no pod can be created or no configuration can be written. For a webhook outside the
//! cluster, the runner can test whether something listens there, but not whether the API server reaches it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use meshdrill_checks::record::Series;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::outcome::settle;
use super::role::{Observation, Observer, Role};
use super::slices::service_endpoints;
use super::{Answer, Outcome, ProbeError};
use crate::cluster::{Cluster, Object, Permission, World};
use crate::format::{ClusterChoice, MeshSpec, Selector};
use crate::net::{Net, port_of};

/// Admission webhook configurations, mutating and validating: they lead to ready endpoints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Webhooks {
    /// The cluster.
    pub cluster: ClusterChoice,
    /// The configurations, by label; by default those of sidecar injection and of validation by Istio.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<Selector>,
}

const GROUP: &str = "admissionregistration.k8s.io";
/// The timeout of a connection to a webhook outside the cluster.
const CONNECT: Duration = Duration::from_secs(3);

/// The purpose of a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Mutating,
    Validating,
}

impl Purpose {
    const BOTH: [Self; 2] = [Self::Mutating, Self::Validating];

    const fn resource(self) -> &'static str {
        match self {
            Self::Mutating => "mutatingwebhookconfigurations",
            Self::Validating => "validatingwebhookconfigurations",
        }
    }

    /// The label that Istio sets on its own.
    const fn selector(self) -> &'static str {
        match self {
            Self::Mutating => "app=sidecar-injector",
            Self::Validating => "app=istiod",
        }
    }
}

impl Observation for Webhooks {
    fn describe(&self) -> String {
        let which = self.selector.as_ref().map_or("of Istio", Selector::as_str);
        format!("admission webhooks {which} ({})", self.cluster)
    }

    fn subject(&self) -> String {
        let selector = self.selector.as_ref().map_or(Purpose::Mutating.selector(), Selector::as_str);
        selector.rsplit('=').next().unwrap_or_default().to_owned()
    }

    fn choices(&mut self) -> Vec<&mut ClusterChoice> {
        vec![&mut self.cluster]
    }

    fn permissions(&self, _: &MeshSpec) -> Vec<Permission> {
        let need = |group, resource| Permission::new(self.cluster.key(), "", group, resource, "list");
        let configurations = Purpose::BOTH.map(|purpose| need(GROUP, purpose.resource()));
        configurations.into_iter().chain([need("discovery.k8s.io", "endpointslices")]).collect()
    }

    fn prepare<'a>(&'a self, world: &'a World, _: Role) -> BoxFuture<'a, Result<Box<dyn Observer>, ProbeError>> {
        Box::pin(async move {
            let cluster = Arc::clone(world.cluster(self.cluster.key())?);
            let observer = WebhooksObserver { cluster, net: world.net.clone(), spec: self.clone() };
            Ok(Box::new(observer) as Box<dyn Observer>)
        })
    }
}

struct WebhooksObserver {
    cluster: Arc<Cluster>,
    net: Net,
    spec: Webhooks,
}

/// The destination of a webhook.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Target {
    /// Namespace and name of a Service.
    Service(String, String),
    /// Host and port.
    Url(String, u16),
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Service(namespace, name) => write!(f, "Service {namespace}/{name}"),
            Self::Url(host, port) => write!(f, "{host}:{port}"),
        }
    }
}

/// Webhooks by their destinations.
#[derive(Debug, Default)]
struct Found {
    configurations: [usize; 2],
    /// The webhooks in them that are active.
    active: [usize; 2],
    /// The consequence for each destination without a ready endpoint.
    targets: BTreeMap<Target, &'static str>,
    missed: Vec<String>,
}

impl Found {
    fn add(&mut self, purpose: Purpose, configuration: &Object) {
        let kind = usize::from(purpose == Purpose::Validating);
        self.configurations[kind] += 1;
        let name = configuration.name();
        // A deactivated revision keeps webhooks that select nothing.
        let active = |hook: &&Value| hook["namespaceSelector"]["matchLabels"]["istio.io/deactivated"].is_null();
        for webhook in configuration["webhooks"].as_array().into_iter().flatten().filter(active) {
            self.active[kind] += 1;
            let hook = webhook["name"].as_str().unwrap_or_default();
            let client = &webhook["clientConfig"];
            let Some(target) = target(client) else {
                self.missed.push(format!("webhook {hook} of {name} has no destination: {client}"));
                continue;
            };
            // Outside the cluster, the certificate may be from a public CA.
            if matches!(target, Target::Service(..)) && client["caBundle"].as_str().unwrap_or_default().is_empty() {
                self.missed.push(format!("webhook {hook} of {name} has no caBundle"));
            }
            let closed = webhook["failurePolicy"].as_str().is_none_or(|policy| policy == "Fail");
            let harm = match (purpose, closed) {
                (Purpose::Mutating, true) => "no pod can be created where it applies",
                (Purpose::Mutating, false) => "pods are created without its changes",
                (Purpose::Validating, true) => "no configuration can be written",
                (Purpose::Validating, false) => "configuration is written without validation",
            };
            self.targets.entry(target).or_insert(harm);
        }
        self.missed.dedup();
    }
}

/// The destination in a `clientConfig`. A URL that names a Service of the cluster counts as that Service.
fn target(client: &Value) -> Option<Target> {
    let text = |field: &str| client["service"][field].as_str().unwrap_or_default().to_owned();
    let Some(url) = client["url"].as_str() else {
        return Some(Target::Service(text("namespace"), text("name"))).filter(|_| client["service"].is_object());
    };
    let uri: http::Uri = url.parse().ok()?;
    let host = uri.host()?;
    match host.split('.').collect::<Vec<_>>().as_slice() {
        [name, namespace, "svc", ..] => Some(Target::Service((*namespace).to_owned(), (*name).to_owned())),
        _ => Some(Target::Url(host.to_owned(), port_of(&uri))),
    }
}

impl WebhooksObserver {
    async fn ask(&self) -> Result<Outcome, ProbeError> {
        let key = &self.cluster.key;
        let mut found = Found::default();
        for purpose in Purpose::BOTH {
            let path = format!("/apis/{GROUP}/v1/{}", purpose.resource());
            let selector = self.spec.selector.as_ref().map_or(purpose.selector(), Selector::as_str);
            for configuration in &self.cluster.list(&path, Some(selector)).await? {
                found.add(purpose, configuration);
            }
        }
        let Found { configurations: [mutating, validating], active: [injecting, checking], targets, mut missed } =
            found;
        let selector = self.spec.selector.as_ref().map(Selector::as_str);
        match selector {
            None if injecting == 0 => {
                let selector = Purpose::Mutating.selector();
                missed.push(format!(
                    "{mutating} configurations {selector} have no active webhook, so nothing injects sidecars"
                ));
            }
            Some(selector) if injecting + checking == 0 => missed.push(format!("no active webhook matches {selector}")),
            _ => {}
        }
        let (mut there, mut unseen) = (Vec::new(), Vec::new());
        for (target, harm) in &targets {
            match target {
                Target::Service(namespace, name) => {
                    let endpoints = service_endpoints(&self.cluster, namespace, name).await?;
                    if endpoints.is_none_or(|endpoints| endpoints.ready() == 0) {
                        missed.push(format!("{target} behind the webhooks has no ready endpoint, so {harm}"));
                    } else {
                        there.push(format!("{target}, with ready endpoints"));
                    }
                }
                Target::Url(host, port) => match self.listens(host, *port).await {
                    Ok(()) => there.push(format!("{target}, where something listens")),
                    Err(why) => unseen.push(format!("{target}, which cannot be reached from here ({why})")),
                },
            }
        }
        let seen = json!({ "mutating": mutating, "validating": validating,
            "targets": targets.keys().map(ToString::to_string).collect::<Vec<_>>(), "unseen": unseen });
        if !missed.is_empty() {
            return Ok(Outcome::judged(false, format!("{} ({key})", missed.join("; ")), seen));
        }
        let none = if checking == 0 { " (nothing validates configuration)" } else { "" };
        let what = format!("{mutating} mutating and {validating} validating configurations{none}");
        if !unseen.is_empty() {
            let message = format!(
                "{what} lead to {}; whether the API server reaches it is unknown ({key})",
                unseen.into_iter().chain(there).collect::<Vec<_>>().join("; ")
            );
            return Ok(Outcome { seen, ..Outcome::new(Answer::NoData, message) });
        }
        Ok(Outcome::judged(true, format!("{what} lead to {} ({key})", there.join("; ")), seen))
    }

    async fn listens(&self, host: &str, port: u16) -> Result<(), String> {
        match timeout(CONNECT, self.net.connect(host.trim_matches(['[', ']']), port)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no connection within {} s", CONNECT.as_secs())),
        }
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

    fn found(purpose: Purpose, webhooks: &Value) -> Found {
        let mut found = Found::default();
        found.add(purpose, &Object::from(json!({ "metadata": { "name": "c" }, "webhooks": webhooks })));
        found
    }

    #[test]
    fn a_check_of_injection_needs_no_selector() {
        let spec: Webhooks = serde_json::from_value::<Webhooks>(json!({ "cluster": "all" })).unwrap();
        assert_eq!(
            (spec.describe().as_str(), spec.subject().as_str()),
            ("admission webhooks of Istio (all)", "sidecar-injector")
        );
    }

    #[test]
    fn urls_are_targets_too() {
        let at = |url: &str| target(&json!({ "url": url }));
        let service = Target::Service("istio-system".to_owned(), "istiod".to_owned());
        assert_eq!(at("https://istiod.istio-system.svc:443/inject"), Some(service.clone()));
        assert_eq!(target(&json!({ "service": { "namespace": "istio-system", "name": "istiod" } })), Some(service));
        let outside = Target::Url("istiod.example".to_owned(), 15017);
        assert_eq!(at("https://istiod.example:15017/inject/cluster/one"), Some(outside));
        assert_eq!(at("https://198.51.100.7/inject"), Some(Target::Url("198.51.100.7".to_owned(), 443)));
        assert_eq!((at("::"), target(&json!({}))), (None, None));
    }

    #[test]
    fn what_is_at_stake_is_told() {
        let hook = |policy: &str| json!([{ "name": "h", "failurePolicy": policy, "clientConfig": { "url": "https://istiod.example/" } }]);
        let harm = |purpose, policy| *found(purpose, &hook(policy)).targets.values().next().unwrap();
        assert_eq!(harm(Purpose::Mutating, "Fail"), "no pod can be created where it applies");
        assert_eq!(harm(Purpose::Validating, "Fail"), "no configuration can be written");
        assert_eq!(harm(Purpose::Validating, "Ignore"), "configuration is written without validation");
        assert!(found(Purpose::Mutating, &hook("Fail")).missed.is_empty(), "a URL needs no caBundle");
    }

    #[test]
    fn a_revision_that_is_switched_off_does_not_count() {
        let off = json!([{ "name": "h", "namespaceSelector": { "matchLabels": { "istio.io/deactivated": "never-match" } },
            "clientConfig": { "service": { "namespace": "istio-system", "name": "istiod-old" } } }]);
        assert!(found(Purpose::Mutating, &off).targets.is_empty());
        let bare = json!([{ "name": "h", "clientConfig": { "service": { "namespace": "a", "name": "b" } } }]);
        assert_eq!(found(Purpose::Validating, &bare).missed, ["webhook h of c has no caBundle"]);
    }
}
