//! `alertmanager`: it is ready, Prometheus sends to it, and what it is sent reaches somebody: every receiver that a route
//! uses leads somewhere that is there, and not back to itself; no silence covers a critical rule.

use std::sync::Arc;

use futures::future::BoxFuture;
use meshdrill_checks::observe::alertmanager::{ClusterState, Config, Destination, Route, SilenceState};
use meshdrill_checks::observe::prometheus::RuleKind;
use meshdrill_checks::record::Series;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::kind::{Kind, Observer, Role};
use super::outcome::settle;
use super::service::endpoints_of;
use super::{CannotAsk, Metrics, Outcome};
use crate::cluster::{Cluster, Permission, World};
use crate::net::port_of;
use crate::spec::{ClusterChoice, MeshSpec};

/// The Alertmanager of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Alertmanager {
    /// The cluster.
    pub cluster: ClusterChoice,
}

impl Kind for Alertmanager {
    fn describe(&self) -> String {
        format!("the Alertmanager of {}, its receivers and silences", self.cluster)
    }

    fn subject(&self) -> String {
        "receivers".to_owned()
    }

    fn choices(&mut self) -> Vec<&mut ClusterChoice> {
        vec![&mut self.cluster]
    }

    fn permissions(&self, mesh: &MeshSpec) -> Vec<Permission> {
        let key = self.cluster.key();
        let mut all = Metrics::prometheus_permissions(mesh, key);
        all.extend(Metrics::alertmanager_permissions(mesh, key));
        all.push(Permission::new(key, "", "", "namespaces", "list"));
        all.push(Permission::new(key, "", "discovery.k8s.io", "endpointslices", "list"));
        all
    }

    fn prepare<'a>(&'a self, world: &'a World, _: Role) -> BoxFuture<'a, Result<Box<dyn Observer>, CannotAsk>> {
        Box::pin(async move {
            let cluster = Arc::clone(world.cluster(self.cluster.key())?);
            let alertmanager = Metrics::alertmanager(world, self.cluster.key()).await?;
            let prometheus = Metrics::prometheus(world, self.cluster.key()).await?;
            let spaces = cluster.list("/api/v1/namespaces", None).await?;
            let names = spaces.iter().filter_map(|space| space["metadata"]["name"].as_str());
            let namespaces = names.map(str::to_owned).collect();
            Ok(Box::new(AlertmanagerObserver { cluster, namespaces, alertmanager, prometheus }) as Box<dyn Observer>)
        })
    }
}

struct AlertmanagerObserver {
    cluster: Arc<Cluster>,
    /// Namespaces there are: `chat.example` is no Service of one.
    namespaces: Vec<String>,
    alertmanager: Metrics,
    prometheus: Metrics,
}

impl AlertmanagerObserver {
    async fn ask(&self) -> Result<Outcome, CannotAsk> {
        let mut missed = Vec::new();
        let ready = self.alertmanager.get("/-/ready").await?;
        if ready.status != 200 {
            missed.push(format!("it is not ready: /-/ready answers {}", ready.status));
        }
        let status = self.alertmanager.alertmanager_status().await?;
        if !matches!(status.cluster, ClusterState::Ready | ClusterState::Disabled) {
            missed.push(format!("its peers do not agree yet: {:?}", status.cluster));
        }
        let config = status.config().map_err(|error| self.alertmanager.wrong(error))?;
        let mut told = Vec::new();
        for name in receivers(&config.route) {
            missed.extend(self.receiver(&config, &name).await?);
            told.push(name);
        }
        let attached = self.prometheus.alertmanagers().await?;
        if attached.active.is_empty() {
            missed.push(format!("{} sends to no Alertmanager: what fires reaches nobody", self.prometheus.name()));
        }
        missed.extend(self.silenced().await?);
        let seen = json!({ "version": status.version, "receivers": told, "attached": attached.active });
        let at = self.alertmanager.name();
        let message = match missed.as_slice() {
            [] => format!("ready, attached, {} receivers lead somewhere ({at})", told.len()),
            missed => format!("{} ({at})", missed.join("; ")),
        };
        Ok(Outcome::judged(missed.is_empty(), message, seen))
    }

    /// What keeps a receiver from hearing of anything.
    async fn receiver(&self, config: &Config, name: &str) -> Result<Vec<String>, CannotAsk> {
        let Some(receiver) = config.receiver(name) else {
            return Ok(vec![format!("a route names the receiver {name}, which is not defined")]);
        };
        if receiver.integrations.is_empty() {
            // A place to put what nobody wants to hear of; only where everything else ends up too is nobody told.
            let silent = format!("receiver {name} has no integration: it is never told anything");
            return Ok(if config.route.receiver == name { vec![silent] } else { Vec::new() });
        }
        let mut missed = Vec::new();
        for integration in &receiver.integrations {
            let Destination::Url(url) = &integration.destination else { continue };
            let Ok(uri) = url.parse::<http::Uri>() else {
                missed.push(format!("receiver {name}: `{url}` is not a URL"));
                continue;
            };
            let host = uri.host().unwrap_or_default();
            if self.is_itself(host, port_of(&uri)) {
                missed.push(format!("receiver {name} points at Alertmanager itself: {url}"));
            } else if let Some((service, namespace)) = self.in_cluster(host) {
                missed.extend(self.dead(name, &service, &namespace).await?);
            }
        }
        Ok(missed)
    }

    fn is_itself(&self, host: &str, port: u16) -> bool {
        let (own_host, own_port) = self.alertmanager.address();
        let (own_service, own_namespace) = self.service();
        let loopback = host == "localhost" || host.starts_with("127.") || host == "[::1]";
        let by_name = self.in_cluster(host).is_some_and(|(name, space)| name == own_service && space == own_namespace);
        (loopback || by_name || host == own_host) && (port == own_port || port == 9093)
    }

    /// Name and namespace of its own Service, as discovery found it.
    fn service(&self) -> (String, String) {
        let (host, _) = self.alertmanager.address();
        match host.split_once('.') {
            Some((name, namespace)) if host.parse::<std::net::IpAddr>().is_err() => {
                (name.to_owned(), namespace.split('.').next().unwrap_or_default().to_owned())
            }
            _ => ("alertmanager".to_owned(), "istio-system".to_owned()),
        }
    }

    /// The Service a host name may stand for: `NAME`, `NAME.NAMESPACE`, `NAME.NAMESPACE.svc…`.
    fn in_cluster(&self, host: &str) -> Option<(String, String)> {
        let parts: Vec<&str> = host.split('.').collect();
        match parts.as_slice() {
            [name] if *name != "localhost" && !name.starts_with('[') => Some(((*name).to_owned(), self.service().1)),
            [name, namespace] if self.namespaces.iter().any(|known| known == namespace) => {
                Some(((*name).to_owned(), (*namespace).to_owned()))
            }
            [name, namespace, "svc", ..] => Some(((*name).to_owned(), (*namespace).to_owned())),
            _ => None,
        }
    }

    /// Whether nothing stands behind a receiver's Service. A name that is no Service here may be one elsewhere.
    async fn dead(&self, receiver: &str, service: &str, namespace: &str) -> Result<Option<String>, CannotAsk> {
        let Some(endpoints) = endpoints_of(&self.cluster, namespace, service).await? else {
            let path = format!("/api/v1/namespaces/{namespace}/services/{service}");
            let missing = matches!(self.cluster.find::<serde_json::Value>(&path).await, Ok(None));
            return Ok(missing.then(|| format!("receiver {receiver}: there is no Service {namespace}/{service}")));
        };
        Ok((endpoints.ready() == 0)
            .then(|| format!("receiver {receiver}: Service {namespace}/{service} has no ready endpoint")))
    }

    /// Silences that keep a critical rule from telling anybody.
    async fn silenced(&self) -> Result<Option<String>, CannotAsk> {
        let silences = self.alertmanager.silences().await?;
        let active = silences.iter().filter(|silence| silence.state == SilenceState::Active);
        let groups = self.prometheus.rules().await?;
        let rules = groups.iter().flat_map(|group| &group.rules).filter(|rule| {
            rule.kind == RuleKind::Alerting
                && rule.labels.get("severity").is_some_and(|severity| severity == "critical")
        });
        let named: Vec<_> = rules
            .map(|rule| {
                let mut labels = rule.labels.clone();
                labels.insert("alertname".to_owned(), rule.name.clone());
                labels
            })
            .collect();
        for silence in active {
            let covered: Vec<&str> = named
                .iter()
                .filter(|labels| silence.covers(labels) == Some(true))
                .map(|labels| labels["alertname"].as_str())
                .collect();
            if !covered.is_empty() {
                return Ok(Some(format!(
                    "silence {} by {} covers {} until {}",
                    silence.id,
                    silence.created_by,
                    covered.join(", "),
                    silence.ends_at.strftime("%Y-%m-%d %H:%M")
                )));
            }
        }
        Ok(None)
    }
}

/// Every receiver that a route uses.
fn receivers(route: &Route) -> Vec<String> {
    let mut names = vec![route.receiver.clone()];
    for name in route.routes.iter().flat_map(receivers) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

impl Observer for AlertmanagerObserver {
    fn observe(&self, _: Series) -> BoxFuture<'_, Outcome> {
        Box::pin(async move { settle(self.ask().await) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receivers_of_all_routes() {
        let yaml = "route: { receiver: a, routes: [{ receiver: b, routes: [{ receiver: a }, {}] }, { receiver: c }] }\nreceivers: []";
        assert_eq!(receivers(&Config::parse(yaml).unwrap().route), ["a", "b", "c"]);
    }
}
