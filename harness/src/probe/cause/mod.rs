//! Why an answer is not as expected: what the clusters' own objects say at that time. Facts and no guesses: each of them
//! holds and would alone make such an answer. Looked for once, when a check has failed for good, with what the credentials
//! happen to permit.

mod endpoints;
mod gateway;
mod pods;
mod service;

use serde_json::Value;

pub(super) use self::endpoints::of_endpoints;
pub(super) use self::gateway::Ingress;
pub(super) use self::pods::of_pods;
pub(super) use self::service::behind;
use crate::cluster::Cluster;

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
