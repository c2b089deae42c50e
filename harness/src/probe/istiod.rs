//! The debug interface of one istiod, which answers callers on its own loopback only: a port-forward is the way.

use std::sync::Arc;
use std::time::Duration;

use meshdrill_checks::record::Series;

use super::CannotAsk;
use crate::cluster::{Cluster, ForwardTarget, Forwarder, PodRef, WorkloadKind};
use crate::net::{Exchange, HttpClient};

/// Where it listens.
const DEBUG_PORT: u16 = 15014;

/// One istiod's debug interface, over one connection.
#[derive(Debug)]
pub(super) struct IstiodDebug {
    client: HttpClient,
}

impl IstiodDebug {
    /// Of one pod.
    pub(super) fn of_pod(cluster: &Arc<Cluster>, pod: &PodRef) -> Self {
        let target = ForwardTarget {
            cluster: cluster.key.clone(),
            namespace: pod.namespace.clone(),
            kind: WorkloadKind::Pod,
            name: pod.name.clone(),
            port: DEBUG_PORT,
        };
        Self { client: HttpClient::over(Arc::new(Forwarder::new(Arc::clone(cluster), target)), Series::Kept) }
    }

    /// The body of the answer to a GET; anything but 200 is an error.
    pub(super) async fn get(&self, path: &str) -> Result<Vec<u8>, CannotAsk> {
        let url = format!("http://localhost:{DEBUG_PORT}{path}");
        let url = url.parse().map_err(|error| CannotAsk(format!("`{url}`: {error}")))?;
        let answer = self.client.send(&Exchange { timeout: Duration::from_secs(10), ..Exchange::get(url) }).await?;
        match answer.status {
            200 => Ok(answer.body.to_vec()),
            status => Err(CannotAsk(format!("{path} answers {status}"))),
        }
    }
}
