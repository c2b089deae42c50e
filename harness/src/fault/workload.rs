//! The workloads that faults scale, restart and cut off.

use super::FaultError;
use crate::cluster::{Object, World, label_selector};
use crate::format::{ClusterChoice, Selector};
use crate::probe::{ProbeError, SpecError};
use meshdrill_checks::observe::kube::{Workload, WorkloadKind};
use serde::{Deserialize, Serialize};

/// A kind of workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WorkloadResource {
    /// A Deployment.
    Deployments,
    /// A `StatefulSet`.
    StatefulSets,
    /// A `DaemonSet`.
    DaemonSets,
}

impl WorkloadResource {
    /// The kind and name of a workload as the inventory writes it, such as `deployment/front`.
    pub fn parse(workload: &str) -> Option<(Self, &str)> {
        let (kind, name) = workload.split_once('/')?;
        let resource = match kind {
            "deployment" => Self::Deployments,
            "statefulset" => Self::StatefulSets,
            "daemonset" => Self::DaemonSets,
            _ => return None,
        };
        (!name.is_empty()).then_some((resource, name))
    }

    /// An object of this kind.
    pub(super) fn read(self, object: &Object) -> Result<Workload, ProbeError> {
        let kind = match self {
            Self::Deployments => WorkloadKind::Deployment,
            Self::StatefulSets => WorkloadKind::StatefulSet,
            Self::DaemonSets => WorkloadKind::DaemonSet,
        };
        Workload::read(object, kind).map_err(|error| ProbeError(error.to_string()))
    }

    /// The plural in API paths.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Deployments => "deployments",
            Self::StatefulSets => "statefulsets",
            Self::DaemonSets => "daemonsets",
        }
    }

    /// The kind.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Deployments => "Deployment",
            Self::StatefulSets => "StatefulSet",
            Self::DaemonSets => "DaemonSet",
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

/// What is wrong with a `workload` key.
pub(super) fn workload_error(workload: Option<&str>) -> Option<SpecError> {
    let wrong = workload.is_some_and(|text| !text.contains("${") && WorkloadResource::parse(text).is_none());
    let help = "write `deployment/NAME`, `statefulset/NAME` or `daemonset/NAME`";
    wrong.then(|| SpecError::new("workload", "this is not a workload", help))
}

/// What is wrong with the keys of a fault whose pods are meant by `selector` or by `workload`.
pub(super) fn pods_errors(selector: &Selector, workload: Option<&str>) -> impl Iterator<Item = SpecError> {
    let help = "write `selector: LABELS` or `workload: deployment/NAME`";
    let unclear = (workload.is_some() != selector.is_empty())
        .then(|| SpecError::new("selector", "exactly one of `selector` and `workload` is needed", help));
    unclear.into_iter().chain(workload_error(workload))
}

/// The labels of the pods that are meant: as they are written, or those by which a workload, such as `deployment/front`, finds
/// its pods.
pub(super) async fn selector_of(
    world: &World,
    cluster: &ClusterChoice,
    namespace: &str,
    selector: &Selector,
    workload: Option<&str>,
) -> Result<Selector, FaultError> {
    let Some(workload) = workload else { return Ok(selector.clone()) };
    let unknown = || FaultError::Refused(format!("`{workload}` is no Deployment, StatefulSet or DaemonSet"));
    let (resource, name) = WorkloadResource::parse(workload).ok_or_else(unknown)?;
    let cluster = world.cluster(cluster.key())?;
    let object: Object = cluster.get_named(&resource.collection(namespace), name).await.map_err(FaultError::missing)?;
    let labels = label_selector(&object["spec"]["selector"]["matchLabels"]);
    let kind = resource.kind();
    let no_labels = |_| FaultError::Refused(format!("{kind} {namespace}/{name} does not find its pods by labels"));
    labels.parse().map_err(no_labels)
}
