//! Why an outcome is not as expected: what the objects of the clusters show at that time. Every cause is true while the
//! outcome is bad; there may be others. The search starts once the verdict of the outcome is final, and uses what the
//! credentials permit.

mod endpoints;
mod forward;
mod gateway;
mod hosts;
mod ingress;
mod pods;
mod ports;
mod routes;
mod service;
mod split;

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::time::timeout;

pub(super) use self::endpoints::endpoint_causes;
pub(super) use self::gateway::is_configured_otherwise;
pub(super) use self::pods::pod_causes;
pub(super) use self::service::behind;
use crate::cluster::{Cluster, ForwardTarget, Object, World};

const DESTINATION_RULES: &str = "/apis/networking.istio.io/v1/destinationrules";

/// The timeout of one part of the search: a slow API server must not hide the causes in other clusters.
const PART: Duration = Duration::from_secs(2);

/// The entry of an HTTP request into the mesh.
#[derive(Debug, Clone)]
pub(super) enum Entry {
    /// Through the ingress gateways of a cluster.
    Ingress { world: World, cluster: Arc<Cluster> },
    /// Through a port-forward.
    Forward { world: World, cluster: Arc<Cluster>, target: ForwardTarget },
}

/// A request and its result.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    /// The address of the request.
    pub(super) address: String,
    /// The port.
    pub(super) port: u16,
    /// The `Host` of the request.
    pub(super) host: String,
    /// The path.
    pub(super) path: String,
    /// The status of the response, if there was one.
    pub(super) status: Option<u64>,
    /// Whether it connected.
    pub(super) connected: bool,
    /// Whether the application responded, in time or late.
    pub(super) answered: bool,
    /// Whether every response is good, and only the shares of the responders are not as expected.
    pub(super) divided: bool,
}

impl Entry {
    /// The causes of the result.
    pub(super) async fn causes(&self, asked: &Asked) -> Vec<String> {
        match self {
            Self::Ingress { world, cluster } => ingress::ingress_causes(world, cluster, asked).await,
            Self::Forward { world, cluster, target } => forward::forward_causes(world, cluster, target, asked).await,
        }
    }
}

/// Limits one part of the search to its timeout.
fn within<'a>(work: impl Future<Output = Vec<String>> + Send + 'a) -> BoxFuture<'a, Vec<String>> {
    Box::pin(async move { timeout(PART, work).await.unwrap_or_default() })
}

/// The objects of a collection; none if they may not be read or the kind does not exist.
async fn objects(cluster: &Cluster, path: &str, selector: Option<&str>) -> Option<Vec<Object>> {
    cluster.list(path, selector).await.ok()
}

/// How many objects a message lists.
const SHOWN: usize = 3;

/// The first names, and how many more there are.
fn some(names: &[String]) -> String {
    let shown = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN { format!("{shown} and {} more", names.len() - SHOWN) } else { shown }
}
