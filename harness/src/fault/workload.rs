//! The workloads whose replicas are changed: Deployments and `StatefulSet`s.

use serde::{Deserialize, Serialize};

/// The resource of a workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WorkloadResource {
    /// A Deployment.
    Deployments,
    /// A `StatefulSet`.
    StatefulSets,
}

impl WorkloadResource {
    /// The plural in API paths.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Deployments => "deployments",
            Self::StatefulSets => "statefulsets",
        }
    }

    /// One of them, as kubectl names it.
    pub const fn singular(self) -> &'static str {
        match self {
            Self::Deployments => "deployment",
            Self::StatefulSets => "statefulset",
        }
    }

    /// The API path of one of them.
    pub fn path(self, namespace: &str, name: &str) -> String {
        format!("/apis/apps/v1/namespaces/{namespace}/{}/{name}", self.plural())
    }
}
