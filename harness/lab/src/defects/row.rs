//! One row of a group: a defect, when it is planted, and what it changes.

use super::info::DefectInfo;
use crate::lab_mesh::LabMesh;
use crate::world::World;

use LabMesh::{FlatThree, GatewayApi, Guide, PrimaryRemote, Single};

/// The meshes with several clusters.
pub(super) const SEVERAL: &[LabMesh] = &[Guide, FlatThree, GatewayApi, PrimaryRemote];
/// The meshes with an istiod in each of several clusters.
pub(super) const MULTI_PRIMARY: &[LabMesh] = &[Guide, FlatThree, GatewayApi];
/// The meshes with east-west gateways.
pub(super) const NETWORKS: &[LabMesh] = &[Guide, GatewayApi, PrimaryRemote];
/// The meshes that route with Istio's own objects.
pub(super) const ISTIO_ROUTES: &[LabMesh] = &[Guide, FlatThree, Single, PrimaryRemote];
/// The guide's mesh alone.
pub(super) const GUIDE: &[LabMesh] = &[Guide];
/// The meshes with one Alertmanager, in the first cluster.
const ONE_ALERTMANAGER: &[LabMesh] = &[FlatThree, GatewayApi, PrimaryRemote];

/// When a defect is planted while the lab starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Planted {
    /// Before any object exists.
    Bootstrap,
    /// When all objects exist, an hour before the lab starts.
    Objects,
    /// When the proxies have their configuration.
    Proxies,
    /// At the moment the lab starts.
    Start,
}

/// Changes the world; the second argument is the index of the cluster the defect is planted in.
type Change = fn(&mut World, usize);

/// One defect with its change.
pub(super) struct Row {
    pub(super) info: DefectInfo,
    pub(super) planted: Planted,
    pub(super) change: Change,
}

impl Row {
    /// The defect applies to these meshes only.
    pub(super) const fn on(self, meshes: &'static [LabMesh]) -> Self {
        Self { info: DefectInfo { meshes, ..self.info }, ..self }
    }

    /// It changes istiod or the configuration of the mesh, which are in the first cluster where another is remote.
    pub(super) const fn configured(self) -> Self {
        Self { info: DefectInfo { first_in: &[PrimaryRemote], ..self.info }, ..self }
    }

    /// It changes Alertmanager.
    pub(super) const fn alerting(self) -> Self {
        Self { info: DefectInfo { first_in: ONE_ALERTMANAGER, ..self.info }, ..self }
    }
}

/// A defect that is planted in the secondary cluster unless another is named.
pub(super) const fn in_secondary(name: &'static str, planted: Planted, what: &'static str, change: Change) -> Row {
    scoped(name, "secondary", planted, what, change)
}

/// A defect that is planted in the primary cluster unless another is named.
pub(super) const fn in_primary(name: &'static str, planted: Planted, what: &'static str, change: Change) -> Row {
    scoped(name, "primary", planted, what, change)
}

/// A defect that is planted in every cluster unless one is named.
pub(super) const fn in_all(name: &'static str, planted: Planted, what: &'static str, change: Change) -> Row {
    scoped(name, "all", planted, what, change)
}

/// A defect outside the clusters: it takes no cluster.
pub(super) const fn outside(name: &'static str, planted: Planted, what: &'static str, change: Change) -> Row {
    Row {
        info: DefectInfo {
            name,
            scoped: false,
            default_cluster: "primary",
            what,
            meshes: &LabMesh::ALL,
            first_in: &[],
        },
        planted,
        change,
    }
}

const fn scoped(
    name: &'static str,
    default_cluster: &'static str,
    planted: Planted,
    what: &'static str,
    change: Change,
) -> Row {
    Row {
        info: DefectInfo { name, scoped: true, default_cluster, what, meshes: &LabMesh::ALL, first_in: &[] },
        planted,
        change,
    }
}
