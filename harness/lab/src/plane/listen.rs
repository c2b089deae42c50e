//! The listeners of a pod.

use crate::world::{Pod, Role, Uid};

/// A listening program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The API server.
    Api,
    /// A gateway's HTTP server, by the port of the Gateway object.
    Gateway(u16),
    /// The application, behind its sidecar where it has one.
    App,
    /// productpage's own metrics.
    AppMetrics,
    /// Envoy's admin interface; only from within the pod.
    EnvoyAdmin,
    /// The agent's status port.
    Agent,
    /// Readiness for load balancers and probes.
    Health,
    /// Envoy's metrics.
    EnvoyMetrics,
    /// istiod's HTTP; `true` when the caller is on its loopback.
    Istiod(bool),
    Prometheus,
    Alertmanager,
    /// Accepts connections, but does not speak HTTP.
    Opaque,
}

/// Where a connection ended.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) cluster: usize,
    /// None for the API server.
    pub(crate) uid: Option<Uid>,
    pub(crate) kind: Kind,
    /// The port in the pod.
    pub(crate) port: u16,
}

/// The listener on a port of a pod. `inside` is a caller in the pod's own network namespace.
pub(crate) fn listener(pod: &Pod, port: u16, inside: bool) -> Option<Kind> {
    if pod.proxy.is_some() {
        match port {
            15000 => return inside.then_some(Kind::EnvoyAdmin),
            15020 => return Some(Kind::Agent),
            15021 => return Some(Kind::Health),
            15090 => return Some(Kind::EnvoyMetrics),
            _ => {}
        }
    }
    let sidecar = pod.proxy.is_some() && !pod.gateway() && !inside;
    // A sidecar accepts every connection, and connects to the application afterwards.
    if !pod.serving && !sidecar {
        return None;
    }
    let app = match pod.role {
        Role::Gateway => return gateway(pod, port),
        Role::Istiod => match port {
            8080 | 15014 => Some(Kind::Istiod(inside)),
            15010 | 15012 | 15017 => Some(Kind::Opaque),
            _ => None,
        },
        Role::Productpage => match port {
            9080 => Some(Kind::App),
            9091 => Some(Kind::AppMetrics),
            _ => None,
        },
        Role::Reviews | Role::Ratings | Role::Details => (port == 9080).then_some(Kind::App),
        Role::Helloworld => (port == 5000).then_some(Kind::App),
        Role::Prometheus => match port {
            9090 => Some(Kind::Prometheus),
            9533 => Some(Kind::App),
            _ => None,
        },
        Role::Alertmanager => (port == 9093).then_some(Kind::Alertmanager),
        Role::Stub(own) | Role::Web(own) => (port == own).then_some(Kind::App),
        Role::Dns => matches!(port, 53 | 8181).then_some(Kind::Opaque),
        Role::Sleep | Role::Other => None,
    };
    match app {
        None if sidecar => Some(Kind::App),
        found => found,
    }
}

/// Gateways listen on the ports of Gateway objects.
fn gateway(pod: &Pod, port: u16) -> Option<Kind> {
    let snapshot = pod.proxy.as_ref()?.snapshot.as_ref()?;
    let number = match port {
        8080 => 80,
        8443 => 443,
        other => other,
    };
    let server = snapshot.servers.iter().find(|s| s.port == number && s.selector.matches(Some(&pod.labels)))?;
    Some(if server.passthrough || server.tls || number == 443 { Kind::Opaque } else { Kind::Gateway(number) })
}
