//! The workloads that faults scale: Deployments and `StatefulSets`.

use serde::{Deserialize, Serialize};

/// A kind of workload.
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

    /// The kind.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Deployments => "Deployment",
            Self::StatefulSets => "StatefulSet",
        }
    }

    /// The API path of one of them.
    pub fn path(self, namespace: &str, name: &str) -> String {
        format!("{}/{name}", self.collection(namespace))
    }

    /// Its collection in the API.
    pub fn collection(self, namespace: &str) -> String {
        format!("/apis/apps/v1/namespaces/{namespace}/{}", self.plural())
    }
}
