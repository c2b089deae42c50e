//! How the API server of a cluster treats requests.

/// How the API server treats requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum ApiMode {
    #[default]
    Normal,
    /// Refuses connections.
    Down,
    /// Accepts connections and never responds.
    Hangs,
    /// Rejects the credentials (401).
    Unauthorized,
    /// RBAC allows nothing (403).
    Forbidden,
    /// RBAC allows reading only.
    ReadOnly,
    /// RBAC denies `pods/exec` and `pods/portforward`.
    NoExec,
}

impl ApiMode {
    /// Whether connections are accepted.
    pub(crate) fn listens(self) -> bool {
        self != Self::Down
    }

    /// Whether requests get responses.
    pub(crate) fn answers(self) -> bool {
        !matches!(self, Self::Down | Self::Hangs)
    }

    /// Whether an access review is denied.
    pub(crate) fn denies(self, verb: &str, resource: &str, sub: &str) -> bool {
        match self {
            Self::Forbidden => true,
            Self::ReadOnly => {
                !matches!(verb, "get" | "list" | "watch")
                    || resource == "pods" && (sub == "exec" || sub == "portforward")
            }
            Self::NoExec => resource == "pods" && (sub == "exec" || sub == "portforward"),
            Self::Normal | Self::Down | Self::Hangs | Self::Unauthorized => false,
        }
    }
}
