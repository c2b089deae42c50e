//! The parts of the file format that clusters, probes and faults are written with: mesh files, choices of clusters,
//! selectors and comparisons. Depends on nothing else of this crate, so that everything else can use it.

mod annotate;
mod choice;
mod comparison;
mod implied;
mod inventory;
mod mesh;
mod monitoring;
mod scalar;
mod selector;
mod tls;
mod vars;

pub use annotate::AnnotateSpec;
pub use choice::ClusterChoice;
pub use comparison::Comparison;
pub use inventory::{
    AlertTarget, ControlPlane, Dashboard, DataPlane, DrillTargets, Entrypoint, EntrypointExpect, Gateway, GatewayRole,
    Inventory, MeshService, Namespace, PrometheusEntry, ServiceScope, Topology,
};
pub use mesh::{
    ClusterExpect, ClusterSpec, FaultPermission, MeshExpect, MeshFile, MeshMetadata, MeshSpec, OciResources, Waiver,
    guide_sla,
};
pub use monitoring::{MonitoringPlace, MonitoringSpec, SecretSource};
pub use scalar::{Scalar, comparand};
pub use selector::Selector;
pub use tls::TlsSpec;
pub use vars::DEFAULT_VARS;
