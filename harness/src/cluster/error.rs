//! Why a request to a cluster failed, and what to do.

/// The reason of a cause that marks an answer as a throttle of the API server.
pub(super) const THROTTLED: &str = "Throttled";

/// A request to a cluster that failed, or could not be sent.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AccessError {
    /// The kubeconfig is missing or cannot be read.
    #[error("no kubeconfig: {0}; set KUBECONFIG or pass --kubeconfig FILE")]
    Kubeconfig(String),
    /// The kubeconfig lacks the context.
    #[error(
        "cluster `{cluster}`: the kubeconfig has no context `{context}` (it has {known}); correct `context` in the mesh file"
    )]
    NoContext {
        /// The cluster's key in the mesh file.
        cluster: String,
        /// The context it names.
        context: String,
        /// The contexts that it has.
        known: String,
    },
    /// The API server did not respond.
    #[error("cluster `{cluster}`: the API server cannot be reached: {why}")]
    Unreachable {
        /// The cluster's key in the mesh file.
        cluster: String,
        /// The connection error.
        why: String,
    },
    /// The API server rejected the credentials.
    #[error(
        "cluster `{cluster}`: the API server rejected the credentials (401): {why}; log in again or renew the certificate of the context"
    )]
    Unauthorized {
        /// The cluster's key in the mesh file.
        cluster: String,
        /// The server's message.
        why: String,
    },
    /// There are no usable credentials.
    #[error("cluster `{cluster}`: no credentials for context `{context}`: {why}")]
    Credentials {
        /// The cluster's key in the mesh file.
        cluster: String,
        /// The context.
        context: String,
        /// What is wrong with the credentials, and what to do.
        why: String,
    },
    /// The credentials lack a permission.
    #[error("cluster `{cluster}`: forbidden (403): {why}")]
    Forbidden {
        /// The cluster's key in the mesh file.
        cluster: String,
        /// The server's message.
        why: String,
    },
    /// The object does not exist.
    #[error("cluster `{cluster}`: not found: {why}")]
    NotFound {
        /// The cluster's key in the mesh file.
        cluster: String,
        /// The server's message.
        why: String,
    },
    /// The namespace does not exist, so that nothing is found in it shows nothing.
    #[error("cluster `{cluster}`: there is no namespace `{namespace}`{hint}")]
    NoNamespace {
        /// The cluster's key in the mesh file.
        cluster: String,
        /// The namespace.
        namespace: String,
        /// The nearest name, as a question; empty if none is near.
        hint: String,
    },
    /// The API server is overloaded: it asked to retry later, for longer than the request's deadline.
    #[error("cluster `{cluster}`: the API server throttles requests (429): {why}")]
    Throttled {
        /// The cluster's key in the mesh file.
        cluster: String,
        /// The pause that it asked for, and its message.
        why: String,
    },
    /// Another HTTP error.
    #[error("cluster `{cluster}`: the API server returned {status}: {why}")]
    Status {
        /// The cluster's key in the mesh file.
        cluster: String,
        /// The HTTP status.
        status: u16,
        /// The server's message.
        why: String,
    },
    /// The request timed out.
    #[error("cluster `{cluster}`: the API server at {address} did not respond within {seconds} s")]
    Timeout {
        /// The cluster's key in the mesh file.
        cluster: String,
        /// Its address.
        address: String,
        /// The deadline in seconds.
        seconds: u64,
    },
    /// The context leads to another cluster.
    #[error(
        "cluster `{cluster}`: context `{context}` leads to another cluster: its kube-system UID is {found}, the mesh file pins {pinned}; correct `context` or `uid` in the mesh file (nothing but this check was sent)"
    )]
    WrongCluster {
        /// The cluster's key in the mesh file.
        cluster: String,
        /// The context.
        context: String,
        /// The UID found.
        found: String,
        /// The UID pinned.
        pinned: String,
    },
    /// Another error.
    #[error("cluster `{cluster}`: {why}")]
    Other {
        /// The cluster's key in the mesh file.
        cluster: String,
        /// The reason.
        why: String,
    },
}

impl AccessError {
    /// A key that the mesh file does not have.
    pub fn unknown(key: &str) -> Self {
        Self::Other { cluster: key.to_owned(), why: "the mesh file has no such cluster".to_owned() }
    }

    /// The kind of error that the client returned.
    pub fn from_kube(cluster: &str, error: &kube::Error) -> Self {
        let cluster = cluster.to_owned();
        match error {
            kube::Error::Api(status) => {
                let why = if status.message.is_empty() { status.reason.clone() } else { status.message.clone() };
                match status.code {
                    401 => Self::Unauthorized { cluster, why },
                    403 => Self::Forbidden { cluster, why },
                    404 => Self::NotFound { cluster, why },
                    429 if is_throttle(status) => Self::Throttled { cluster, why },
                    code => Self::Status { cluster, status: code, why },
                }
            }
            kube::Error::HyperError(_) | kube::Error::Service(_) => Self::Unreachable { cluster, why: chain(error) },
            kube::Error::Auth(_) => Self::Unauthorized { cluster, why: chain(error) },
            other => {
                let why = chain(other);
                if why.contains("certificate") {
                    Self::Unauthorized { cluster, why }
                } else {
                    Self::Other { cluster, why }
                }
            }
        }
    }

    /// The same, with the address that was tried where the connection failed.
    #[must_use]
    pub fn tried(self, address: &str) -> Self {
        match self {
            Self::Unreachable { cluster, why } => Self::Unreachable { cluster, why: format!("{address}: {why}") },
            other => other,
        }
    }

    /// Whether the object asked for does not exist.
    pub const fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }

    /// Whether a page of a list cannot be continued: what it continues is too old.
    pub const fn is_gone(&self) -> bool {
        matches!(self, Self::Status { status: 410, .. })
    }

    /// Whether a permission is missing.
    pub const fn is_forbidden(&self) -> bool {
        matches!(self, Self::Forbidden { .. })
    }

    /// Whether someone else changed the object first, or the object already exists.
    pub const fn is_conflict(&self) -> bool {
        matches!(self, Self::Status { status: 409, .. })
    }

    /// Whether this is an access problem: it says nothing about the object that was requested.
    pub const fn is_access_problem(&self) -> bool {
        !matches!(self, Self::NotFound { .. } | Self::NoNamespace { .. } | Self::Status { .. } | Self::Other { .. })
    }

    /// Whether a retry may help: the connection failed, or the server was overloaded.
    pub const fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::Timeout { .. }
                | Self::Throttled { .. }
                | Self::Status { status: 429 | 500 | 502 | 503 | 504, .. }
        )
    }
}

/// Whether a 429 comes from the API server's flow control. One of a disruption budget may have `Retry-After` too.
fn is_throttle(status: &kube::core::Status) -> bool {
    let causes = || status.details.iter().flat_map(|details| &details.causes);
    causes().any(|cause| cause.reason == THROTTLED) && causes().all(|cause| cause.reason != "DisruptionBudget")
}

/// An error with its causes, each once.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let words = cause.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        next = cause.source();
    }
    text
}
