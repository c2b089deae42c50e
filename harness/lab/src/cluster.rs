//! The clusters of a lab, as a mesh file describes them.

use crate::store::{object, resources};
use crate::world::{Cluster, World};

/// One cluster of a lab, as a mesh file describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabCluster {
    /// The key in a mesh file: `primary`, `secondary`, ….
    pub key: String,
    /// The kubeconfig context: `primary-cluster-context`, `secondary-cluster`, ….
    pub context: String,
    /// Istio's cluster id: `primary-cluster`, ….
    pub istio_cluster: String,
    /// Istio's network: `primary-network`, …; empty where the mesh names none.
    pub network: String,
    /// Istio's mesh id.
    pub mesh_id: String,
    /// The region its nodes are labelled with.
    pub region: String,
    /// Host to dial for the API server, which speaks plain HTTP.
    pub api_host: String,
    /// Port of the API server.
    pub api_port: u16,
    /// The uid of the namespace `kube-system`.
    pub uid: String,
    /// The pod CIDR.
    pub pod_cidr: String,
}

/// The clusters of a world, in order.
pub(crate) fn describe(world: &World) -> Vec<LabCluster> {
    let describe = |cluster: &Cluster| {
        let ident = &cluster.ident;
        let system = cluster.store.get(resources::namespaces(), "", "kube-system");
        LabCluster {
            key: ident.key.into(),
            context: ident.context.clone(),
            istio_cluster: ident.istio.clone(),
            network: ident.network.clone(),
            mesh_id: ident.mesh_id.into(),
            region: ident.region.into(),
            api_host: ident.api_host(),
            api_port: 6443,
            uid: system.map(|n| object::uid(n).to_owned()).unwrap_or_default(),
            pod_cidr: format!("198.18.{}.0/20", 64 + 16 * ident.number),
        }
    };
    world.clusters.iter().map(describe).collect()
}
