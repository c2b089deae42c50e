//! The kinds of workload that a port-forward or a selector can name.

/// The kind that a port-forward names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkloadKind {
    /// Any ready pod of a Deployment.
    Deployment,
    /// One pod by name.
    Pod,
    /// Any ready pod behind a Service; the port is the Service's.
    Service,
}
