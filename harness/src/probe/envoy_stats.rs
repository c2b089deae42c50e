//! `envoyStats`: a metric of a proxy's Prometheus text.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::BoxFuture;
use meshdrill_checks::observe::prometheus::parse_exposition;
use meshdrill_checks::record::Series;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::admin::ProxyAdmin;
use super::outcome::settle;
use super::role::{Observation, Observer, Role};
use super::{Answer, Outcome, ProbeError};
use crate::cluster::{Permission, World};
use crate::format::{ClusterChoice, Comparison, MeshSpec, Selector};

/// A metric of a proxy, from its Prometheus endpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnvoyStats {
    /// The cluster of the proxy.
    pub cluster: ClusterChoice,
    /// The namespace of the proxy.
    pub namespace: String,
    /// The pod of the proxy, by label; the first ready one is used.
    pub selector: Selector,
    /// The metric, as in `/stats/prometheus`, such as `istio_requests_total`.
    pub metric: String,
    /// Labels that the samples must have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The port: 15020 (merged with the application's metrics, the default) or 15090 (the proxy's own).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The expected sum of the samples, such as `> 0`; by default at least one sample must exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Comparison>,
}

impl Observation for EnvoyStats {
    fn describe(&self) -> String {
        format!("metric {} of the proxy of {}/{} ({})", self.metric, self.namespace, self.selector, self.cluster)
    }

    fn subject(&self) -> String {
        self.metric.clone()
    }

    fn choices(&mut self) -> Vec<&mut ClusterChoice> {
        vec![&mut self.cluster]
    }

    fn permissions(&self, _: &MeshSpec) -> Vec<Permission> {
        Permission::for_port_forward(self.cluster.key(), &self.namespace)
    }

    fn prepare<'a>(&'a self, world: &'a World, _: Role) -> BoxFuture<'a, Result<Box<dyn Observer>, ProbeError>> {
        Box::pin(async move {
            let cluster = Arc::clone(world.cluster(self.cluster.key())?);
            let admin = ProxyAdmin::new(cluster, &self.namespace, &self.selector, self.port.unwrap_or(15020));
            Ok(Box::new(StatsObserver { admin, spec: self.clone() }) as Box<dyn Observer>)
        })
    }
}

struct StatsObserver {
    admin: ProxyAdmin,
    spec: EnvoyStats,
}

impl StatsObserver {
    async fn ask(&self) -> Result<Outcome, ProbeError> {
        let (body, pod) = self.admin.get("/stats/prometheus").await?;
        let text = parse_exposition(200, &body).map_err(|error| ProbeError(format!("{pod}: {error}")))?;
        let labels: Vec<(&str, &str)> =
            self.spec.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let Some(sum) = text.sum(&self.spec.metric, &labels) else {
            let message = format!(
                "no data: pod {pod} exposes no {} with these labels; Istio exposes few metrics by default, see proxyStatsMatcher",
                self.spec.metric
            );
            return Ok(Outcome::new(Answer::NoData, message));
        };
        let good = self.spec.expect.is_none_or(|expect| expect.holds(sum));
        let expected =
            self.spec.expect.filter(|_| !good).map_or_else(String::new, |expect| format!(", expected {expect}"));
        Ok(Outcome::judged(good, format!("{sum} at {pod}{expected}"), json!({ "sum": sum })))
    }
}

impl Observer for StatsObserver {
    fn observe(&self, _: Series) -> BoxFuture<'_, Outcome> {
        Box::pin(async move { settle(self.ask().await) })
    }
}
