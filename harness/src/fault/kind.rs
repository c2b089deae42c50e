//! All kinds of faults.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Apply, BlastRadius, ClusterOutage, CommandFault, Cordon, DeletePods, Drain, EvictPods, FaultBehavior, HttpFault,
    Isolate, NoFault, Patch, RolloutRestart, Scale,
};
use crate::format::ClusterChoice;
use crate::probe::{ProbeKind, SpecError};

/// A control request that may be left out.
trait OptionalControl {
    fn choices(&mut self) -> Vec<&mut ClusterChoice>;
}

impl OptionalControl for Option<Box<ProbeKind>> {
    fn choices(&mut self) -> Vec<&mut ClusterChoice> {
        self.iter_mut().flat_map(|kind| kind.choices()).collect()
    }
}

macro_rules! faults {
    ($($(#[doc = $doc:literal])+ $variant:ident($type:ty) $name:literal $(in $cluster:ident $(with $control:ident)?)?,)*) => {
        /// A kind of fault and its settings.
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

            /// Its behavior, common to all kinds.
            pub fn as_behavior(&self) -> &(dyn FaultBehavior + Send + Sync) {
                match self { $(Self::$variant(kind) => kind,)* }
            }

            /// Applies `grace`, `count` and `percent` that stand next to the kind. Those that do not fit are errors.
            pub fn apply_blast_radius(&mut self, radius: BlastRadius) -> Vec<SpecError> {
                match self { $(Self::$variant(kind) => kind.apply_blast_radius(radius),)* }
            }

            /// Reads the files that it names, relative to the folder of the scenario, so that the plan contains them.
            pub(crate) fn load(&mut self, folder: &Path) -> Result<(), SpecError> {
                match self { $(Self::$variant(kind) => kind.load(folder),)* }
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

            /// The cluster it changes, after `all` was expanded; none for a fault outside of clusters.
            pub fn cluster(&self) -> Option<&str> {
                match self { $(Self::$variant(_kind) => [$(_kind.$cluster.key())?].into_iter().next(),)* }
            }
        }
    };
}

faults! {
    /// Delete pods: gracefully, or by force with `grace: 0s` (a forced deletion, not a process crash).
    DeletePods(DeletePods) "deletePods" in cluster,
    /// Evict pods like a node drain, within disruption budgets.
    EvictPods(EvictPods) "evictPods" in cluster,
    /// Restart the pods of a workload one by one, like `kubectl rollout restart`.
    RolloutRestart(RolloutRestart) "rolloutRestart" in cluster,
    /// Cordon nodes: they take no new pods. Uncordoned at the end if they were not cordoned before.
    Cordon(Cordon) "cordon" in cluster,
    /// Cordon nodes and evict their pods, like `kubectl drain`. Uncordoned at the end if they were not cordoned before.
    Drain(Drain) "drain" in cluster,
    /// Delay or abort HTTP requests to a host, through the `VirtualService` that owns it.
    HttpFault(HttpFault) "httpFault" in cluster with control,
    /// Cut pods off by a `NetworkPolicy` that allows no traffic. Deleted at the end.
    Isolate(Isolate) "isolate" in cluster with control,
    /// Create objects of any kind; existing ones are never overwritten. Deleted at the end.
    Apply(Apply) "apply" in cluster,
    /// Scale every gateway and application of one cluster to 0. Each is restored at the end.
    ClusterOutage(ClusterOutage) "clusterOutage" in cluster,
    /// Change fields of any object by a merge patch. Restored at the end.
    Patch(Patch) "patch" in cluster,
    /// Scale a Deployment or `StatefulSet`. Restored at the end.
    Scale(Scale) "scale" in cluster,
    /// Run a program that breaks something, and another that undoes it.
    Command(CommandFault) "command",
    /// Change nothing: the negative control, whose verdict must be invalid.
    None(NoFault) "none",
}
