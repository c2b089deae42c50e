//! The versions that every cluster has unless a defect changes them.

/// The version of Istio.
pub(crate) const ISTIO: &str = "1.28.3";
/// The version of Kubernetes.
pub(crate) const KUBERNETES: &str = "v1.34.1";
