//! Why a cluster could not be asked, with the remedy.

/// A failed request to a cluster, or no way to one.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AccessError {
    /// No kubeconfig, or none that can be read.
    #[error("no kubeconfig: {0}; set KUBECONFIG or give --kubeconfig FILE")]
    Kubeconfig(String),
    /// The kubeconfig has no such context.
    #[error(
        "cluster `{cluster}`: the kubeconfig has no context `{context}` (it has {known}); correct `context` in the mesh file"
    )]
    NoContext {
        /// The mesh file's key.
        cluster: String,
        /// The context it names.
        context: String,
        /// Those there are.
        known: String,
    },
    /// Nothing answers there.
    #[error("cluster `{cluster}`: the API server cannot be reached: {why}")]
    Unreachable {
        /// The mesh file's key.
        cluster: String,
        /// What happened.
        why: String,
    },
    /// The credentials are not accepted.
    #[error(
        "cluster `{cluster}`: the API server does not accept the credentials (401): {why}; log in again or renew the certificate of the context"
    )]
    Unauthorized {
        /// The mesh file's key.
        cluster: String,
        /// What it says.
        why: String,
    },
    /// The credentials cannot be had.
    #[error("cluster `{cluster}`: no credentials for context `{context}`: {why}")]
    Credentials {
        /// The mesh file's key.
        cluster: String,
        /// The context.
        context: String,
        /// What is wrong with them, and the remedy.
        why: String,
    },
    /// The credentials do not suffice.
    #[error("cluster `{cluster}`: not permitted (403): {why}")]
    Forbidden {
        /// The mesh file's key.
        cluster: String,
        /// What it says.
        why: String,
    },
    /// There is no such object.
    #[error("cluster `{cluster}`: not found: {why}")]
    NotFound {
        /// The mesh file's key.
        cluster: String,
        /// What it says.
        why: String,
    },
    /// Any other refusal.
    #[error("cluster `{cluster}`: the API server answered {status}: {why}")]
    Status {
        /// The mesh file's key.
        cluster: String,
        /// The HTTP status.
        status: u16,
        /// What it says.
        why: String,
    },
    /// It took too long.
    #[error("cluster `{cluster}`: no answer within {seconds} s")]
    Timeout {
        /// The mesh file's key.
        cluster: String,
        /// How long.
        seconds: u64,
    },
    /// It is not the cluster it should be.
    #[error(
        "cluster `{cluster}`: context `{context}` leads to another cluster (kube-system UID {found}, the mesh file pins {pinned}); nothing was sent to it but this question"
    )]
    WrongCluster {
        /// The mesh file's key.
        cluster: String,
        /// The context.
        context: String,
        /// The UID found.
        found: String,
        /// The UID pinned.
        pinned: String,
    },
    /// Something else.
    #[error("cluster `{cluster}`: {why}")]
    Other {
        /// The mesh file's key.
        cluster: String,
        /// What.
        why: String,
    },
}

impl AccessError {
    /// Reads a client's error.
    pub fn from_kube(cluster: &str, error: &kube::Error) -> Self {
        let cluster = cluster.to_owned();
        match error {
            kube::Error::Api(status) => {
                let why = if status.message.is_empty() { status.reason.clone() } else { status.message.clone() };
                match status.code {
                    401 => Self::Unauthorized { cluster, why },
                    403 => Self::Forbidden { cluster, why },
                    404 => Self::NotFound { cluster, why },
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

    /// Whether the object asked for does not exist.
    pub const fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }

    /// Whether someone else changed the object first, or it exists already.
    pub const fn is_conflict(&self) -> bool {
        matches!(self, Self::Status { status: 409, .. })
    }

    /// Whether it says nothing of what was asked for: there was no way to the API server, or no leave to use it.
    pub const fn is_access_problem(&self) -> bool {
        !matches!(self, Self::NotFound { .. } | Self::Status { .. } | Self::Other { .. })
    }

    /// Whether asking again may help: the connection failed, or the server was overloaded.
    pub const fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. } | Self::Timeout { .. } | Self::Status { status: 429 | 500 | 502 | 503 | 504, .. }
        )
    }
}

/// An error with its causes, each said once.
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
