//! `apiServer`: the API server responds, has the declared version, belongs to the pinned cluster, and its clock agrees with
//! the runner's.

use std::sync::Arc;

use futures::future::BoxFuture;
use jiff::Timestamp;
use meshdrill_checks::record::Series;
use meshdrill_checks::units::TimeSpan;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::outcome::settle;
use super::role::{Observation, Observer, Role};
use super::{Answer, Outcome, ProbeError};
use crate::clock::Clock;
use crate::cluster::{Cluster, World};
use crate::format::ClusterChoice;

/// The API server of a cluster: its version, its identity (the pinned UID) and its clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApiServer {
    /// The cluster.
    pub cluster: ClusterChoice,
    /// The expectations.
    #[serde(default)]
    pub expect: ApiServerExpect,
}

/// The expectations of an API server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApiServerExpect {
    /// Its version, such as `v1.34.1`; by default `expect.kubernetes` of the mesh file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The largest difference between its clock and the runner's, such as `5s`; default 5 s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_skew: Option<TimeSpan>,
}

/// The resolution of the comparison: a `Date` header has whole seconds, and the response takes time.
const SKEW: TimeSpan = TimeSpan::secs(5);

impl Observation for ApiServer {
    fn describe(&self) -> String {
        format!("the API server ({})", self.cluster)
    }

    fn subject(&self) -> String {
        "version".to_owned()
    }

    fn choices(&mut self) -> Vec<&mut ClusterChoice> {
        vec![&mut self.cluster]
    }

    fn prepare<'a>(&'a self, world: &'a World, _: Role) -> BoxFuture<'a, Result<Box<dyn Observer>, ProbeError>> {
        Box::pin(async move {
            let cluster = Arc::clone(world.cluster(self.cluster.key())?);
            let clock = world.clock;
            Ok(Box::new(ApiServerObserver { cluster, clock, spec: self.clone() }) as Box<dyn Observer>)
        })
    }
}

struct ApiServerObserver {
    cluster: Arc<Cluster>,
    clock: Clock,
    spec: ApiServer,
}

impl ApiServerObserver {
    async fn ask(&self) -> Result<Outcome, ProbeError> {
        let key = &self.cluster.key;
        let (version, headers) = self.cluster.get_with_headers("/version").await?;
        let found = version["gitVersion"].as_str().unwrap_or_default().to_owned();
        let now = self.clock.wall_now();
        let date = headers.get(http::header::DATE).and_then(|date| date.to_str().ok());
        let skew = date.and_then(http_date).map(|date| date.duration_since(now));
        let mut missed = Vec::new();
        let wanted = self.spec.expect.version.as_ref().or(self.cluster.spec.expect.kubernetes.as_ref());
        if let Some(wanted) = wanted.filter(|wanted| **wanted != found) {
            missed.push(format!("Kubernetes is {found}, expected {wanted}"));
        }
        let bound = self.spec.expect.clock_skew.unwrap_or(SKEW);
        let seconds = skew.map(|skew| skew.as_secs_f64());
        match seconds {
            Some(skew) if skew.abs() > bound.as_secs_f64() => {
                let side = if skew > 0.0 { "ahead of" } else { "behind" };
                missed.push(format!("its clock is {:.0} s {side} the runner's, expected at most {bound}", skew.abs()));
            }
            _ => {}
        }
        let uid = &self.cluster.spec.uid;
        let seen = json!({ "version": found, "clockSkew": seconds, "pinned": uid });
        if !missed.is_empty() {
            return Ok(Outcome::judged(false, format!("{} ({key})", missed.join("; ")), seen));
        }
        // The run has already compared the UID when it connected. Without a pinned UID, nothing was compared.
        let missing = match (wanted, uid, seconds) {
            (None, ..) => Some(format!(
                "Kubernetes is {found}; nothing to compare with; set clusters.{key}.expect.kubernetes in the mesh file"
            )),
            (_, None, _) => Some(format!("the cluster is not pinned; set clusters.{key}.uid in the mesh file")),
            (.., None) => Some("its responses have no Date header, so its clock is unknown".to_owned()),
            _ => None,
        };
        if let Some(missing) = missing {
            return Ok(Outcome { seen, ..Outcome::new(Answer::NoData, format!("{missing} ({key})")) });
        }
        let message = format!(
            "{found}, the pinned cluster, clocks within {:.0} s ({key})",
            seconds.unwrap_or_default().abs().ceil()
        );
        Ok(Outcome::judged(true, message, seen))
    }
}

/// A date as HTTP writes it.
fn http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::parse(text).ok().map(|date| date.timestamp())
}

impl Observer for ApiServerObserver {
    fn observe(&self, _: Series) -> BoxFuture<'_, Outcome> {
        Box::pin(async move { settle(self.ask().await) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_headers() {
        assert_eq!(http_date("Tue, 24 Nov 2026 13:50:00 GMT").unwrap().to_string(), "2026-11-24T13:50:00Z");
        assert!(http_date("yesterday").is_none());
    }
}
