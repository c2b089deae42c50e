//! The closed set of faults.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Apply, BlastRadius, ClusterOutage, CommandFault, Cordon, DeletePods, Drain, EvictPods, FaultBehavior, HttpFault,
    Isolate, NoFault, Patch, RolloutRestart, Scale,
};
use crate::format::ClusterChoice;
use crate::probe::SpecError;

macro_rules! faults {
    ($($(#[doc = $doc:literal])+ $variant:ident($type:ty) $name:literal $(in $cluster:ident $(with $control:ident)?)?,)*) => {
        /// What is broken.
        #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "camelCase")]
        pub enum FaultKind {
            $($(#[doc = $doc])+ $variant($type),)*
        }

        impl FaultKind {
            /// The kind's name in the scenario format.
            pub const fn name(&self) -> &'static str {
                match self { $(Self::$variant(_) => $name,)* }
            }

            /// The kind, as what it can tell about itself.
            pub fn as_behavior(&self) -> &(dyn FaultBehavior + Send + Sync) {
                match self { $(Self::$variant(kind) => kind,)* }
            }

            /// Takes the blast radius that stands beside it. What cannot be taken is wrong.
            pub fn apply_blast_radius(&mut self, radius: BlastRadius) -> Vec<SpecError> {
                match self { $(Self::$variant(kind) => kind.apply_blast_radius(radius),)* }
            }

            /// The cluster choices in it.
            pub fn choices(&mut self) -> Vec<&mut ClusterChoice> {
                match self {
                    $(Self::$variant(_kind) => {
                        let choices = Vec::new();
                        $(
                            let mut choices = choices;
                            choices.push(&mut _kind.$cluster);
                            $(choices.extend(_kind.$control.choices());)?
                        )?
                        choices
                    })*
                }
            }

            /// The cluster it breaks, once its choice was expanded; none for faults outside of clusters.
            pub fn cluster(&self) -> Option<&str> {
                match self { $(Self::$variant(_kind) => [$(_kind.$cluster.key())?].into_iter().next(),)* }
            }
        }
    };
}

impl FaultKind {
    /// Reads the files that it names, in the folder of the scenario: what is planned is what will be done.
    pub(crate) fn load(&mut self, folder: &Path) -> Result<(), SpecError> {
        match self {
            Self::Apply(apply) => apply.load(folder),
            _ => Ok(()),
        }
    }
}

faults! {
    /// Delete pods: gracefully, or by force with `grace: 0s` (a forced deletion, not a process crash).
    DeletePods(DeletePods) "deletePods" in cluster,
    /// Evict pods, as a node drain does it: disruption budgets are respected.
    EvictPods(EvictPods) "evictPods" in cluster,
    /// Restart a Deployment's pods one after the other, as `kubectl rollout restart` does it.
    RolloutRestart(RolloutRestart) "rolloutRestart" in cluster,
    /// Keep nodes from taking new pods; uncordoned if they were not cordoned before.
    Cordon(Cordon) "cordon" in cluster,
    /// Cordon nodes and evict their pods, as `kubectl drain` does it; uncordoned if they were not cordoned before.
    Drain(Drain) "drain" in cluster,
    /// Delay or abort requests to a host, through the `VirtualService` that owns it.
    HttpFault(HttpFault) "httpFault" in cluster with control,
    /// Cut pods off by a `NetworkPolicy` that admits nothing; deleted again.
    Isolate(Isolate) "isolate" in cluster with control,
    /// Make objects of any kind, never in place of one that is there; deleted again.
    Apply(Apply) "apply" in cluster,
    /// Every gateway and application of one cluster to zero replicas; each restored to what it was.
    ClusterOutage(ClusterOutage) "clusterOutage" in cluster,
    /// Change fields of any object by a merge patch; put back as they were.
    Patch(Patch) "patch" in cluster,
    /// Scale a Deployment or `StatefulSet`; restored to what it was.
    Scale(Scale) "scale" in cluster,
    /// Run a program that breaks something, and another that undoes it.
    Command(CommandFault) "command",
    /// Nothing: the negative control, which must be judged invalid.
    None(NoFault) "none",
}
