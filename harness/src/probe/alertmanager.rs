//! `alertmanager`: it is ready, Prometheus sends to it, every integration of every routed receiver leads to an endpoint that
//! exists and is not Alertmanager itself, and each critical alert is routed to somebody who is notified of it.

use std::sync::Arc;

use futures::future::BoxFuture;
use meshdrill_checks::observe::alertmanager::ClusterState;
use meshdrill_checks::record::Series;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::deliveries::Deliveries;
use super::outcome::settle;
use super::receivers::{self, IntegrationResolver};
use super::role::{Observation, Observer, Role};
use super::{Answer, Metrics, Outcome, ProbeError};
use crate::cluster::{Cluster, Permission, World};
use crate::format::{ClusterChoice, MeshSpec};

/// The Alertmanager of a cluster: ready, attached to Prometheus, with receivers that can be reached. Each alert with severity
/// `critical` or `page` must reach one of them now and in the coming week: by its routes, time intervals, inhibition by what fires
/// now, and silences.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Alertmanager {
    /// The cluster with the Alertmanager and the Prometheus.
    pub cluster: ClusterChoice,
}

impl Observation for Alertmanager {
    fn describe(&self) -> String {
        format!("the Alertmanager ({}), its receivers and silences", self.cluster)
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

    fn prepare<'a>(&'a self, world: &'a World, _: Role) -> BoxFuture<'a, Result<Box<dyn Observer>, ProbeError>> {
        Box::pin(async move {
            let cluster = Arc::clone(world.cluster(self.cluster.key())?);
            let alertmanager = Metrics::alertmanager(world, self.cluster.key()).await?;
            let prometheus = Metrics::prometheus(world, self.cluster.key()).await?;
            let spaces = cluster.list("/api/v1/namespaces", None).await?;
            let namespaces = spaces.iter().map(|space| space.name().to_owned()).collect();
            Ok(Box::new(AlertmanagerObserver { cluster, namespaces, alertmanager, prometheus }) as Box<dyn Observer>)
        })
    }
}

struct AlertmanagerObserver {
    cluster: Arc<Cluster>,
    /// All namespaces, to recognize a host name as a Service: `chat.example` is none.
    namespaces: Vec<String>,
    alertmanager: Metrics,
    prometheus: Metrics,
}

impl AlertmanagerObserver {
    async fn ask(&self) -> Result<Outcome, ProbeError> {
        let mut missed = Vec::new();
        let ready = self.alertmanager.get("/-/ready").await?;
        if ready.status != 200 {
            missed.push(format!("Alertmanager is not ready: GET /-/ready returned {}", ready.status));
        }
        let status = self.alertmanager.alertmanager_status().await?;
        if !matches!(status.cluster, ClusterState::Ready | ClusterState::Disabled) {
            missed.push(format!("the Alertmanager cluster has not settled: {:?}", status.cluster));
        }
        let config = status.config().map_err(|error| self.alertmanager.wrong(error))?;
        let own = self.alertmanager.address();
        let counts = self.alertmanager.notifications().await?.unwrap_or_default();
        let resolver = IntegrationResolver { cluster: &self.cluster, namespaces: &self.namespaces, own };
        let reach = receivers::judge(&config, &resolver.resolve(&config).await?, &counts);
        missed.extend(reach.missed);
        let attached = self.prometheus.alertmanagers().await?;
        if attached.active.is_empty() {
            missed.push(format!(
                "{} sends to no Alertmanager, so alerts reach nobody; set `alerting:` in prometheus.yml",
                self.prometheus.name()
            ));
        }
        let deliveries = Deliveries::find(&self.prometheus, &self.alertmanager, &config).await?;
        missed.extend(reach.empty_default.filter(|_| deliveries.paths.is_empty()));
        missed.extend(deliveries.missed.iter().cloned());
        let seen = json!({ "version": status.version, "receivers": reach.routed, "attached": attached.active,
            "unrouted": reach.unrouted, "notProven": reach.unproven, "paths": deliveries.paths });
        let at = self.alertmanager.name();
        if !missed.is_empty() {
            return Ok(Outcome::judged(false, format!("{} ({at})", missed.join("; ")), seen));
        }
        let unrouted = match reach.unrouted.as_slice() {
            [] => String::new(),
            unrouted => format!("; no route leads to {}", unrouted.join(", ")),
        };
        let unproven = match reach.unproven.as_slice() {
            [] => String::new(),
            unproven => format!("; not verifiable: {}", unproven.join(", ")),
        };
        let (proven, all) = (reach.proven, reach.proven + reach.unproven.len());
        let message = format!(
            "ready, attached, {proven} of {all} integrations of {} receivers lead to an existing endpoint{unproven}{unrouted}{} ({at})",
            reach.routed.len(),
            deliveries.text()
        );
        if !deliveries.undecided.is_empty() {
            let message = format!("{}: {message}", deliveries.undecided.join("; "));
            return Ok(Outcome { seen, ..Outcome::new(Answer::NoData, message) });
        }
        if proven == 0 {
            return Ok(Outcome { seen, ..Outcome::new(Answer::NoData, message) });
        }
        Ok(Outcome::judged(true, message, seen))
    }
}

impl Observer for AlertmanagerObserver {
    fn observe(&self, _: Series) -> BoxFuture<'_, Outcome> {
        Box::pin(async move { settle(self.ask().await) })
    }
}
