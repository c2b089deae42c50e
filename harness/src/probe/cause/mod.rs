//! Why an answer is not as expected: what the clusters' own objects say at that time. Facts and no guesses: each of them
//! holds while the answer is wrong, and nobody says that there is no other. Looked for once, when a check has failed for good,
//! with what the credentials happen to permit.

mod endpoints;
mod forward;
mod gateway;
mod pods;
mod routes;
mod service;

use std::sync::Arc;

use serde_json::Value;

pub(super) use self::endpoints::of_endpoints;
pub(super) use self::pods::of_pods;
pub(super) use self::service::behind;
use crate::cluster::{Cluster, ForwardTarget};

const VIRTUAL_SERVICES: &str = "/apis/networking.istio.io/v1/virtualservices";

const DESTINATION_RULES: &str = "/apis/networking.istio.io/v1/destinationrules";

/// Where an HTTP request enters a mesh.
#[derive(Debug, Clone)]
pub(super) enum Entry {
    /// Through the ingress gateways of a cluster, at a port, or that of HTTP.
    Ingress { cluster: Arc<Cluster>, port: Option<u16> },
    /// Where a port-forward leads to.
    Forward { cluster: Arc<Cluster>, target: ForwardTarget },
}

impl Entry {
    /// Why it is not answered as expected: not at all, or with this status.
    pub(super) async fn causes(&self, status: Option<u64>) -> Vec<String> {
        match self {
            Self::Ingress { cluster, port } => gateway::of_ingress(cluster, *port, status).await,
            Self::Forward { cluster, target } => forward::of_target(cluster, target, status).await,
        }
    }
}

/// The objects of a collection; none if they may not be read or there is no such kind.
async fn objects(cluster: &Cluster, path: &str, selector: Option<&str>) -> Option<Vec<Value>> {
    cluster.list(path, selector).await.ok()
}

/// Names of some, and how many more there are.
fn some(names: &[String]) -> String {
    const SHOWN: usize = 3;
    let shown = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN { format!("{shown} and {} more", names.len() - SHOWN) } else { shown }
}
