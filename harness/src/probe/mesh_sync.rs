//! `meshSync`: the sync state of each istiod: its remote clusters and its proxies. That a remote secret exists proves
//! nothing; istiod's own state does.

use std::sync::Arc;

use futures::future::BoxFuture;
use meshdrill_checks::observe::istiod::parse_syncz;
use meshdrill_checks::record::Series;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::istiod::{self, IstiodDebug};
use super::outcome::settle;
use super::role::{Observation, Observer, Role};
use super::{Outcome, ProbeError};
use crate::cluster::{Cluster, Object, Permission, World, ready_pods};
use crate::format::{ClusterChoice, MeshSpec, Selector};

/// The sync state of a cluster's istiods: every remote cluster is synced, and every proxy has acknowledged its configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MeshSync {
    /// The cluster.
    pub cluster: ClusterChoice,
    /// The namespace of istiod; default `istio-system`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The pods of istiod, by label; default `app=istiod`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<Selector>,
    /// The expectations; by default both.
    #[serde(default)]
    pub expect: MeshSyncExpect,
}

/// The expectations of istiod.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MeshSyncExpect {
    /// Whether every other cluster of the mesh file is known and synced; default `true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remotes: Option<bool>,
    /// Whether every connected proxy has acknowledged its configuration; default `true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxies: Option<bool>,
}

impl Observation for MeshSync {
    fn describe(&self) -> String {
        format!("sync state of istiod ({})", self.cluster)
    }

    fn subject(&self) -> String {
        "istiod".to_owned()
    }

    fn choices(&mut self) -> Vec<&mut ClusterChoice> {
        vec![&mut self.cluster]
    }

    fn needs_all_clusters(&self) -> bool {
        true
    }

    fn permissions(&self, _: &MeshSpec) -> Vec<Permission> {
        let namespace = self.namespace.as_deref().unwrap_or(istiod::NAMESPACE);
        Permission::for_port_forward(self.cluster.key(), namespace)
    }

    fn prepare<'a>(&'a self, world: &'a World, _: Role) -> BoxFuture<'a, Result<Box<dyn Observer>, ProbeError>> {
        Box::pin(async move {
            let cluster = Arc::clone(world.cluster(self.cluster.key())?);
            let others = world
                .clusters
                .values()
                .filter(|other| other.key != cluster.key)
                .map(|other| other.istio_id().to_owned());
            Ok(Box::new(SyncObserver { others: others.collect(), cluster, spec: self.clone() }) as Box<dyn Observer>)
        })
    }
}

struct SyncObserver {
    cluster: Arc<Cluster>,
    others: Vec<String>,
    spec: MeshSync,
}

impl SyncObserver {
    async fn ask(&self) -> Result<Outcome, ProbeError> {
        let namespace = self.spec.namespace.as_deref().unwrap_or(istiod::NAMESPACE);
        let selector = self.spec.selector.as_ref().map_or(istiod::SELECTOR, Selector::as_str);
        let pods = ready_pods(&self.cluster, namespace, selector).await?;
        if pods.is_empty() {
            return Ok(Outcome::judged(
                false,
                format!("no ready istiod matches {namespace}/{selector} ({})", self.cluster.key),
                Value::Null,
            ));
        }
        let mut missed = Vec::new();
        let mut proxies = 0;
        for pod in pods.iter().map(Object::object_ref) {
            let istiod = IstiodDebug::for_pod(&self.cluster, &pod);
            if self.spec.expect.remotes.unwrap_or(true) {
                missed.extend(istiod::unsynced(&istiod, &pod, &self.others).await?);
            }
            if self.spec.expect.proxies.unwrap_or(true) {
                let body = istiod.get("/debug/syncz").await?;
                let seen = parse_syncz(&body).map_err(|error| ProbeError(format!("{pod}: {error}")))?;
                proxies += seen.len();
                for proxy in seen.iter().filter(|proxy| !proxy.is_synced()) {
                    let stale: Vec<&str> = proxy.stale().map(|(resource, _)| resource).collect();
                    missed.push(format!("proxy {} has not acknowledged {}", proxy.name, stale.join(", ")));
                }
            }
        }
        if self.spec.expect.proxies.unwrap_or(true) && proxies == 0 {
            missed.push(format!("no proxy is connected to istiod ({})", self.cluster.key));
        }
        let seen = json!({ "istiods": pods.len(), "proxies": proxies, "remotes": self.others });
        let message = match missed.as_slice() {
            [] => {
                let remotes = self.spec.expect.remotes.unwrap_or(true);
                let remotes = remotes.then(|| format!("{} remote clusters synced", self.others.len()));
                let synced = self.spec.expect.proxies.unwrap_or(true);
                let synced = synced.then(|| format!("{proxies} proxies in sync"));
                let parts: Vec<String> = remotes.into_iter().chain(synced).collect();
                format!("{} ({})", parts.join(", "), self.cluster.key)
            }
            missed => missed.join("; "),
        };
        Ok(Outcome::judged(missed.is_empty(), message, seen))
    }
}

impl Observer for SyncObserver {
    fn observe(&self, _: Series) -> BoxFuture<'_, Outcome> {
        Box::pin(async move { settle(self.ask().await) })
    }
}
