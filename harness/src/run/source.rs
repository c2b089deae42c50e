//! Where a run finds its clusters: those of a kubeconfig, or an embedded mesh.

use std::path::PathBuf;
use std::sync::Arc;

use futures::future::join_all;
use indexmap::IndexMap;
use meshdrill_lab::Lab;

use super::Clock;
use crate::cluster::{AccessError, Kubeconfigs, World, connect_in, share_lately};
use crate::format::MeshFile;
use crate::net::Net;
use crate::plan::Plan;

/// Where clusters and probes lead to.
#[derive(Clone)]
pub struct WorldSource {
    /// The mesh file; none where no cluster is needed.
    pub mesh: Option<Arc<MeshFile>>,
    /// Where contexts come from.
    pub kubeconfigs: Kubeconfigs,
    /// The network of the probes.
    pub net: Net,
    /// Whether it is the embedded mesh.
    pub lab: bool,
    /// Whether several validations run at the same time, whose checks share what they read.
    pub shares: bool,
}

impl WorldSource {
    /// Real clusters, by a kubeconfig.
    pub fn of_clusters(mesh: Option<Arc<MeshFile>>, kubeconfig: Option<PathBuf>) -> Self {
        Self { mesh, kubeconfigs: Kubeconfigs::file(kubeconfig), net: Net::Machine, lab: false, shares: false }
    }

    /// An embedded mesh.
    pub fn of_lab(mesh: Option<Arc<MeshFile>>, lab: Lab) -> Self {
        Self { mesh, kubeconfigs: Kubeconfigs::lab(lab.clone()), net: Net::Lab(lab), lab: true, shares: false }
    }

    /// The same clusters for another tokio runtime; credentials are not asked for again.
    #[must_use]
    pub fn for_another_runtime(&self) -> Self {
        Self { kubeconfigs: self.kubeconfigs.for_another_runtime(), ..self.clone() }
    }

    /// Does some work of a plan with what the checks of other validations have read lately, where they share. A drill never does.
    pub(super) async fn sharing<T>(&self, plan: &Plan, work: impl Future<Output = T>) -> T {
        if self.shares_for(plan) { share_lately(work).await } else { work.await }
    }

    /// Whether the checks of a plan share what they read.
    pub(super) fn shares_for(&self, plan: &Plan) -> bool {
        self.shares && !plan.is_drill()
    }

    /// Connects to the clusters that a plan has to do with.
    pub async fn connect_for(&self, plan: &Plan) -> Result<World, AccessError> {
        let all = self.mesh.as_ref().filter(|_| plan.needs_all_clusters()).map(|mesh| mesh.spec.keys());
        let keys = all.unwrap_or_else(|| plan.clusters.iter().cloned().collect());
        self.connect(keys.iter().map(String::as_str)).await
    }

    /// Connects to some clusters of the mesh.
    pub async fn connect(&self, keys: impl IntoIterator<Item = &str>) -> Result<World, AccessError> {
        let Some(mesh) = &self.mesh else { return Ok(World::without_clusters(self.net.clone())) };
        let wanted: Vec<&str> = keys.into_iter().collect();
        let connecting = mesh.spec.clusters.keys().filter(|key| wanted.contains(&key.as_str())).map(|key| async move {
            connect_in(&self.kubeconfigs, key, &mesh.spec).await.map(|cluster| (key.clone(), cluster))
        });
        let clusters = join_all(connecting).await.into_iter().collect::<Result<IndexMap<_, _>, _>>()?;
        Ok(World {
            mesh: Some(Arc::clone(mesh)),
            clusters,
            net: self.net.clone(),
            clock: Clock::start(&self.net),
            contexts: Some(self.kubeconfigs.clone()),
        })
    }
}
