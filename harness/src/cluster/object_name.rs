//! The name of an object of any kind.

/// An object by group and version, kind, namespace and name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObjectName<'a> {
    /// `networking.istio.io/v1`, or `v1`.
    pub api_version: &'a str,
    /// `DestinationRule`.
    pub kind: &'a str,
    /// None for objects of the cluster, such as a Node.
    pub namespace: Option<&'a str>,
    /// Its name.
    pub name: &'a str,
}

impl ObjectName<'_> {
    /// Its API group; empty for core.
    pub fn group(&self) -> &str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }

    /// The plural of its kind by the convention of the API, for use before a cluster is contacted: `NetworkPolicy` is in
    /// `networkpolicies`, `Gateway` in `gateways`, `Ingress` in `ingresses`; `Endpoints` and kinds of Chaos Mesh, such as
    /// `PodChaos`, are already plurals.
    pub fn plural(&self) -> String {
        let kind = self.kind.to_lowercase();
        match kind.as_bytes() {
            _ if kind == "endpoints" || kind.ends_with("chaos") => kind,
            [.., before, b'y'] if !b"aeou".contains(before) => format!("{}ies", &kind[..kind.len() - 1]),
            [.., b's' | b'x'] => format!("{kind}es"),
            [.., b'c' | b's', b'h'] => format!("{kind}es"),
            _ => format!("{kind}s"),
        }
    }
}

impl std::fmt::Display for ObjectName<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let namespace = self.namespace.map_or_else(String::new, |namespace| format!("{namespace}/"));
        write!(f, "{} {namespace}{}", self.kind, self.name)
    }
}
