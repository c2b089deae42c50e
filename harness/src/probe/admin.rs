//! A proxy's admin interface: through a port-forward, or by `pilot-agent` in the container where port-forwards are refused.
//! The access that worked is used again. No access is an error, never "0 endpoints".

use std::sync::Arc;
use std::time::Duration;

use meshdrill_checks::record::Series;
use tokio::sync::Mutex;

use super::ProbeError;
use crate::cluster::{Cluster, ForwardTarget, Forwarder, Object, ObjectRef, WorkloadKind, ready_pods};
use crate::format::Selector;
use crate::net::{Exchange, HttpClient};

/// The port of the admin interface. It listens only on the pod's loopback.
pub(crate) const ADMIN_PORT: u16 = 15000;
/// A full dump of a large mesh takes seconds.
const DEADLINE: Duration = Duration::from_secs(20);

/// The admin interface of the proxy of a workload (another pod is chosen when one is gone) or of one pod.
#[derive(Debug)]
pub(crate) struct ProxyAdmin {
    cluster: Arc<Cluster>,
    target: ProxyTarget,
    port: u16,
    chosen: Mutex<Option<Chosen>>,
}

#[derive(Debug)]
enum ProxyTarget {
    Workload(String, Selector),
    Pod(ObjectRef),
}

#[derive(Debug)]
struct Chosen {
    pod: ObjectRef,
    client: HttpClient,
    by_exec: bool,
}

impl ProxyAdmin {
    /// The proxy of the first ready pod that a selector matches.
    pub(crate) fn new(cluster: Arc<Cluster>, namespace: &str, selector: &Selector, port: u16) -> Self {
        let target = ProxyTarget::Workload(namespace.to_owned(), selector.clone());
        Self { cluster, target, port, chosen: Mutex::new(None) }
    }

    /// The proxy of one pod.
    pub(crate) fn for_pod(cluster: Arc<Cluster>, pod: ObjectRef) -> Self {
        Self { cluster, target: ProxyTarget::Pod(pod), port: ADMIN_PORT, chosen: Mutex::new(None) }
    }

    /// The body of the response to a GET, and the pod that sent it.
    pub(crate) async fn get(&self, path: &str) -> Result<(Vec<u8>, ObjectRef), ProbeError> {
        let mut chosen = self.chosen.lock().await;
        if let Some(current) = chosen.as_mut()
            && let Ok(body) = self.ask(current, path).await
        {
            return Ok((body, current.pod.clone()));
        }
        // The pod may be gone, or its connection broken: choose a pod again, once.
        let mut fresh = self.choose().await?;
        let body = match self.ask(&mut fresh, path).await {
            Ok(body) => body,
            Err(by_forward) => {
                fresh.by_exec = true;
                self.ask(&mut fresh, path).await.map_err(|by_exec| {
                    ProbeError(format!(
                        "the proxy of pod {} responds neither through a port-forward ({}) nor to pilot-agent ({})",
                        fresh.pod, by_forward.0, by_exec.0
                    ))
                })?
            }
        };
        let pod = fresh.pod.clone();
        *chosen = Some(fresh);
        Ok((body, pod))
    }

    async fn choose(&self) -> Result<Chosen, ProbeError> {
        let pod = match &self.target {
            ProxyTarget::Pod(pod) => pod.clone(),
            ProxyTarget::Workload(namespace, selector) => {
                let pods = ready_pods(&self.cluster, namespace, selector.as_str()).await?;
                pods.first().map(Object::object_ref).ok_or_else(|| {
                    ProbeError(format!("cluster `{}`: no ready pod matches {namespace}/{selector}", self.cluster.key))
                })?
            }
        };
        let target = ForwardTarget {
            cluster: self.cluster.key.clone(),
            namespace: pod.namespace.clone(),
            kind: WorkloadKind::Pod,
            name: pod.name.clone(),
            port: self.port,
        };
        let forwarder = Arc::new(Forwarder::new(Arc::clone(&self.cluster), target));
        Ok(Chosen { pod, client: HttpClient::over(forwarder, Series::Kept), by_exec: false })
    }

    async fn ask(&self, chosen: &mut Chosen, path: &str) -> Result<Vec<u8>, ProbeError> {
        if chosen.by_exec {
            let port = self.port.to_string();
            let command = ["pilot-agent", "request", "--debug-port", &port, "GET", path.trim_start_matches('/')]
                .map(str::to_owned);
            let output = self
                .cluster
                .exec(&chosen.pod.namespace, &chosen.pod.name, Some("istio-proxy"), &command, DEADLINE)
                .await?;
            return if output.exit_code == 0 { Ok(output.stdout.into_bytes()) } else { Err(ProbeError(output.stderr)) };
        }
        let url = format!("http://localhost:{}{path}", self.port);
        let url = url.parse().map_err(|error| ProbeError(format!("`{url}`: {error}")))?;
        let answer = chosen.client.send(&Exchange { timeout: DEADLINE, ..Exchange::get(url) }).await?;
        match answer.status {
            200 => Ok(answer.body.into()),
            status => Err(ProbeError(format!("GET {path} returned {status}"))),
        }
    }
}
