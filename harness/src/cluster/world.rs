//! What a run works with: the clusters that it may contact and the network that its probes use.

use std::borrow::Cow;
use std::sync::Arc;

use indexmap::IndexMap;

use super::{AccessError, Cluster, Kubeconfigs, connect_in};
use crate::clock::Clock;
use crate::format::{Inventory, MeshFile};
use crate::net::Net;

/// The clusters and the network of a run.
#[derive(Debug, Clone)]
pub struct World {
    /// The mesh file; none if no cluster is needed.
    pub mesh: Option<Arc<MeshFile>>,
    /// The clusters by key.
    pub clusters: IndexMap<String, Arc<Cluster>>,
    /// The network.
    pub net: Net,
    /// The runner's clock.
    pub clock: Clock,
    /// The source of contexts for the other clusters of the mesh file.
    pub contexts: Option<Kubeconfigs>,
}

impl World {
    /// A world without clusters.
    pub fn without_clusters(net: Net) -> Self {
        let clock = Clock::start(&net);
        Self { mesh: None, clusters: IndexMap::new(), net, clock, contexts: None }
    }

    /// The namespace of leases and run records.
    pub fn state_namespace(&self) -> &str {
        self.mesh.as_ref().map_or("istio-system", |mesh| mesh.spec.state_namespace.as_str())
    }

    /// The inventory of the mesh; an empty one without a mesh file.
    pub fn inventory(&self) -> Cow<'_, Inventory> {
        self.mesh.as_ref().map_or_else(Cow::default, |mesh| mesh.spec.inventory())
    }

    /// The keys of all clusters of the mesh.
    pub fn keys(&self) -> Vec<String> {
        self.mesh.as_ref().map_or_else(|| self.clusters.keys().cloned().collect(), |mesh| mesh.spec.keys())
    }

    /// A cluster by its key.
    pub fn cluster(&self, key: &str) -> Result<&Arc<Cluster>, AccessError> {
        self.clusters.get(key).ok_or_else(|| AccessError::unknown(key))
    }

    /// The keys of all clusters of the mesh but one.
    pub fn others(&self, key: &str) -> Vec<String> {
        self.keys().into_iter().filter(|other| other != key).collect()
    }

    /// A cluster of the mesh, even if the run does not involve it; none if it cannot be reached or its UID is wrong.
    pub async fn reach(&self, key: &str) -> Option<Arc<Cluster>> {
        if let Some(known) = self.clusters.get(key) {
            return Some(Arc::clone(known));
        }
        connect_in(self.contexts.as_ref()?, key, &self.mesh.as_ref()?.spec).await.ok()
    }

    /// The key of the cluster with this Istio cluster id; the id itself if the mesh file has no such cluster.
    pub fn key_of_istio(&self, id: &str) -> String {
        let known = self.mesh.as_ref().and_then(|mesh| mesh.spec.key_of_istio(id));
        known.unwrap_or(id).to_owned()
    }
}
