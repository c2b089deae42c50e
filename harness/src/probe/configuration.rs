//! The kinds of Istio's and the Gateway API's configuration, and the objects of one cluster.

use futures::future::try_join_all;

use crate::cluster::{AccessError, Cluster, Object, Permission};

/// A kind of configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ConfigKind {
    /// Such as `VirtualService`.
    pub kind: &'static str,
    /// Such as `networking.istio.io`.
    pub group: &'static str,
    /// Such as `virtualservices`.
    pub plural: &'static str,
    /// The versions that are tried, newest first.
    versions: &'static [&'static str],
}

const fn istio(kind: &'static str, group: &'static str, plural: &'static str) -> ConfigKind {
    ConfigKind { kind, group, plural, versions: &["v1", "v1beta1", "v1alpha3"] }
}

const fn gateway_api(kind: &'static str, plural: &'static str) -> ConfigKind {
    ConfigKind { kind, group: "gateway.networking.k8s.io", plural, versions: &["v1", "v1beta1", "v1alpha2"] }
}

pub(crate) const VIRTUAL_SERVICE: ConfigKind = istio("VirtualService", "networking.istio.io", "virtualservices");
pub(crate) const DESTINATION_RULE: ConfigKind = istio("DestinationRule", "networking.istio.io", "destinationrules");
pub(crate) const GATEWAY: ConfigKind = istio("Gateway", "networking.istio.io", "gateways");
pub(crate) const SERVICE_ENTRY: ConfigKind = istio("ServiceEntry", "networking.istio.io", "serviceentries");
pub(crate) const API_GATEWAY: ConfigKind = gateway_api("Gateway", "gateways");
pub(crate) const API_ROUTES: [ConfigKind; 4] = [
    gateway_api("HTTPRoute", "httproutes"),
    gateway_api("GRPCRoute", "grpcroutes"),
    gateway_api("TLSRoute", "tlsroutes"),
    gateway_api("TCPRoute", "tcproutes"),
];
const REFERENCE_GRANT: ConfigKind = gateway_api("ReferenceGrant", "referencegrants");

/// The kinds that are the same in every cluster of a mesh, unless somebody declares otherwise.
pub(super) const ALL: [ConfigKind; 16] = [
    GATEWAY,
    VIRTUAL_SERVICE,
    DESTINATION_RULE,
    SERVICE_ENTRY,
    istio("Sidecar", "networking.istio.io", "sidecars"),
    istio("EnvoyFilter", "networking.istio.io", "envoyfilters"),
    istio("PeerAuthentication", "security.istio.io", "peerauthentications"),
    istio("AuthorizationPolicy", "security.istio.io", "authorizationpolicies"),
    istio("RequestAuthentication", "security.istio.io", "requestauthentications"),
    istio("Telemetry", "telemetry.istio.io", "telemetries"),
    API_GATEWAY,
    API_ROUTES[0],
    API_ROUTES[1],
    API_ROUTES[2],
    API_ROUTES[3],
    REFERENCE_GRANT,
];

impl ConfigKind {
    /// The permission to list it everywhere in a cluster.
    pub(super) fn permission(self, cluster: &str) -> Permission {
        Permission::new(cluster, "", self.group, self.plural, "list")
    }

    /// All objects of a cluster; none where the cluster does not have the kind.
    pub(crate) async fn list(self, cluster: &Cluster) -> Result<Vec<Object>, AccessError> {
        for version in self.versions {
            match cluster.list(&format!("/apis/{}/{version}/{}", self.group, self.plural), None).await {
                Err(error) if error.is_not_found() => {}
                listed => return listed,
            }
        }
        Ok(Vec::new())
    }
}

/// The objects of several kinds, in their order.
pub(super) async fn lists(cluster: &Cluster, kinds: &[ConfigKind]) -> Result<Vec<Vec<Object>>, AccessError> {
    try_join_all(kinds.iter().map(|kind| kind.list(cluster))).await
}
