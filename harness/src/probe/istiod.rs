//! The debug interface of one istiod, through a port-forward: istiod answers only on its own loopback.

use std::sync::Arc;
use std::time::Duration;

use meshdrill_checks::observe::istiod::{SyncStatus, parse_clusterz};
use meshdrill_checks::record::Series;

use super::ProbeError;
use crate::cluster::{Cluster, ForwardTarget, Forwarder, Object, ObjectRef, WorkloadKind, is_serving};
use crate::net::{Exchange, HttpClient};

/// The port of the debug interface.
const DEBUG_PORT: u16 = 15014;

/// The default namespace of istiods, and a label that all their pods have in all revisions.
pub(super) const NAMESPACE: &str = "istio-system";
pub(super) const SELECTOR: &str = "app=istiod";

/// One istiod's debug interface, over one connection.
#[derive(Debug)]
pub(super) struct IstiodDebug {
    client: HttpClient,
}

impl IstiodDebug {
    /// The istiod in one pod.
    pub(super) fn for_pod(cluster: &Arc<Cluster>, pod: &ObjectRef) -> Self {
        let target = ForwardTarget {
            cluster: cluster.key.clone(),
            namespace: pod.namespace.clone(),
            kind: WorkloadKind::Pod,
            name: pod.name.clone(),
            port: DEBUG_PORT,
        };
        Self { client: HttpClient::over(Arc::new(Forwarder::new(Arc::clone(cluster), target)), Series::Kept) }
    }

    /// The body of the response to a GET; any status but 200 is an error.
    pub(super) async fn get(&self, path: &str) -> Result<Vec<u8>, ProbeError> {
        let url = format!("http://localhost:{DEBUG_PORT}{path}");
        let url = url.parse().map_err(|error| ProbeError(format!("`{url}`: {error}")))?;
        let answer = self.client.send(&Exchange { timeout: Duration::from_secs(10), ..Exchange::get(url) }).await?;
        match answer.status {
            200 => Ok(answer.body.to_vec()),
            status => Err(ProbeError(format!("GET {path} returned {status}"))),
        }
    }
}

/// Reports the clusters, by Istio cluster id, that an istiod does not know or has not synced.
pub(super) async fn unsynced(
    istiod: &IstiodDebug,
    pod: &ObjectRef,
    others: &[String],
) -> Result<Vec<String>, ProbeError> {
    let body = istiod.get("/debug/clusterz").await?;
    let known = parse_clusterz(&body).map_err(|error| ProbeError(format!("{pod}: {error}")))?;
    let missed = others.iter().filter_map(|id| match known.iter().find(|cluster| cluster.id == *id) {
        None => Some(format!("istiod {pod} does not know cluster {id}; is its remote secret missing?")),
        Some(cluster) if cluster.status != SyncStatus::Synced => {
            Some(format!("istiod {pod} has not synced cluster {id}: {:?} (secret {})", cluster.status, cluster.secret))
        }
        Some(_) => None,
    });
    Ok(missed.collect())
}

/// Whether a cluster has istiods, ready or not; false if they cannot be listed.
pub(super) async fn is_there(cluster: &Cluster) -> bool {
    cluster.list("/api/v1/pods", Some(SELECTOR)).await.is_ok_and(|pods| !pods.is_empty())
}

/// The same for all ready istiods of a cluster, in all namespaces.
pub(super) async fn all_unsynced(cluster: &Arc<Cluster>, others: &[String]) -> Result<Vec<String>, ProbeError> {
    let pods = cluster.list("/api/v1/pods", Some(SELECTOR)).await?;
    let mut missed = Vec::new();
    for pod in pods.iter().filter(|pod| is_serving(pod)).map(Object::object_ref) {
        missed.extend(unsynced(&IstiodDebug::for_pod(cluster, &pod), &pod, others).await?);
    }
    Ok(missed)
}
