//! The workloads that a forward or a selector can be named by.

/// What a forward is named by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkloadKind {
    /// Any ready pod of a Deployment.
    Deployment,
    /// One pod by name.
    Pod,
    /// Any ready pod behind a Service; the port is the Service's.
    Service,
}
