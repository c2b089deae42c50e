//! Why an answer is not as expected: what the clusters' own objects say at that time. Each of them holds while the answer is
//! wrong, and nobody says that there is no other. Looked for once an answer has been judged for good, with what the credentials
//! happen to permit.

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
pub(super) use self::pods::pod_causes;
pub(super) use self::service::behind;
use crate::cluster::{Cluster, ForwardTarget, Object, World};

const DESTINATION_RULES: &str = "/apis/networking.istio.io/v1/destinationrules";

/// How long one part of the search may take: an API server that does not answer must not hide what others told.
const PART: Duration = Duration::from_secs(2);

/// Where an HTTP request enters a mesh.
#[derive(Debug, Clone)]
pub(super) enum Entry {
    /// Through the ingress gateways of a cluster.
    Ingress { world: World, cluster: Arc<Cluster> },
    /// Where a port-forward leads to.
    Forward { world: World, cluster: Arc<Cluster>, target: ForwardTarget },
}

/// What was asked, and what came of it.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    /// The address.
    pub(super) address: String,
    /// The port.
    pub(super) port: u16,
    /// The host that the request names.
    pub(super) host: String,
    /// The path.
    pub(super) path: String,
    /// The status of the answer, if there was one.
    pub(super) status: Option<u64>,
    /// Whether there was a connection.
    pub(super) connected: bool,
    /// Whether what stands behind answered it, in time or late.
    pub(super) answered: bool,
    /// Whether the answers are right one by one, and it is who gave how many of them that is not as expected.
    pub(super) divided: bool,
}

impl Entry {
    /// Why it is not answered as expected.
    pub(super) async fn causes(&self, asked: &Asked) -> Vec<String> {
        match self {
            Self::Ingress { world, cluster } => ingress::ingress_causes(world, cluster, asked).await,
            Self::Forward { world, cluster, target } => forward::forward_causes(world, cluster, target, asked).await,
        }
    }
}

/// What one part of the search finds in its time.
fn within<'a>(work: impl Future<Output = Vec<String>> + Send + 'a) -> BoxFuture<'a, Vec<String>> {
    Box::pin(async move { timeout(PART, work).await.unwrap_or_default() })
}

/// The objects of a collection; none if they may not be read or there is no such kind.
async fn objects(cluster: &Cluster, path: &str, selector: Option<&str>) -> Option<Vec<Object>> {
    cluster.list(path, selector).await.ok()
}

/// How many of a kind are told.
const SHOWN: usize = 3;

/// Names of some, and how many more there are.
fn some(names: &[String]) -> String {
    let shown = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN { format!("{shown} and {} more", names.len() - SHOWN) } else { shown }
}
