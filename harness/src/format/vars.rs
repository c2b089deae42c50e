//! The names that every mesh has, with their values.

use super::{GatewayRole, Inventory, MeshSpec};

/// Names that every mesh has, with the values that the quick-start guide gives them; `vars` of the mesh file overrides
/// them, so that the catalogue runs on meshes with non-default names.
pub const DEFAULT_VARS: [(&str, &str); 18] = [
    ("istioNamespace", "istio-system"),
    ("istiod", "istiod"),
    ("istiodSelector", "app=istiod"),
    ("gatewayNamespace", "istio-system"),
    ("ingressGateway", "istio-ingressgateway"),
    ("ingressSelector", "app=istio-ingressgateway"),
    ("eastWestNamespace", "istio-system"),
    ("eastWestGateway", "istio-eastwestgateway"),
    ("eastWestSelector", "app=istio-eastwestgateway"),
    ("exposeGateway", "cross-network-gateway"),
    ("monitoringNamespace", "istio-system"),
    ("appNamespace", "bookinfo"),
    ("sampleNamespace", "sample"),
    ("clientSelector", "app=sleep"),
    // The alert for a partition differs from mesh to mesh: no alert of the guide fires for it within minutes.
    ("partitionAlert", ""),
    ("partitionHold", "60s"),
    ("partitionDetection", "5m"),
    ("partitionRecovery", "5m"),
];

impl MeshSpec {
    /// The names that every mesh has: those of the inventory, and for the rest those of the quick-start guide.
    pub fn default_vars(&self) -> Vec<(&'static str, String)> {
        let known = self.inventory.as_deref().map(of_inventory).unwrap_or_default();
        let value = |name: &str, default: &str| {
            known
                .iter()
                .find(|(known, _)| *known == name)
                .map_or_else(|| default.to_owned(), |(_, value)| value.clone())
        };
        DEFAULT_VARS.iter().map(|(name, default)| (*name, value(name, default))).collect()
    }

    /// The value of a name: that of `vars`, or the default.
    pub fn var(&self, name: &str) -> String {
        let default = || self.default_vars().into_iter().find(|(known, _)| *known == name).map(|(_, value)| value);
        self.vars.get(name).map(|value| value.text().to_owned()).or_else(default).unwrap_or_default()
    }
}

/// The parts by which scenarios without `forEach` go: the first of each kind.
fn of_inventory(inventory: &Inventory) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    if let Some(plane) = inventory.control_planes.values().next() {
        let values = [plane.namespace.clone(), plane.deployment.clone(), plane.selector.to_string()];
        found.extend(["istioNamespace", "istiod", "istiodSelector"].into_iter().zip(values));
    }
    let names = [
        (GatewayRole::Ingress, ["gatewayNamespace", "ingressGateway", "ingressSelector"]),
        (GatewayRole::EastWest, ["eastWestNamespace", "eastWestGateway", "eastWestSelector"]),
    ];
    for (role, names) in names {
        if let Some(gateway) = inventory.gateways.values().find(|gateway| gateway.role == role) {
            let name = gateway.workload.rsplit('/').next().unwrap_or_default().to_owned();
            found.extend(names.into_iter().zip([gateway.namespace.clone(), name, gateway.selector.to_string()]));
        }
    }
    found
}
