//! Whether the Services of a cluster are gone: from its own endpoints, and from the proxies of the other clusters.

use std::collections::BTreeSet;
use std::sync::Arc;

use meshdrill_checks::observe::envoy::{ServiceName, config_dump};
use meshdrill_checks::observe::kube::Endpoints;

use crate::cluster::{Cluster, Object, ObjectRef, Permission, gateway_services, label_selector, ready_pods};
use crate::probe::{ProbeError, ProxyAdmin};

/// The Services of a cluster that must have no endpoints.
pub(super) struct Absence {
    pub cluster: Arc<Cluster>,
    /// The Services.
    pub services: Vec<ObjectRef>,
}

/// The permissions needed in each other cluster.
pub(super) fn permissions_beside(key: &str) -> Vec<Permission> {
    let services = Permission::new(key, "", "", "services", "list");
    [services].into_iter().chain(Permission::for_port_forward(key, "")).collect()
}

impl Absence {
    /// Reports a Service that still has ready endpoints in its own cluster.
    pub async fn still_ready(&self) -> Result<Option<String>, ProbeError> {
        let spaces: BTreeSet<&str> = self.services.iter().map(|service| service.namespace.as_str()).collect();
        for space in spaces {
            let path = format!("/apis/discovery.k8s.io/v1/namespaces/{space}/endpointslices");
            let slices = self.cluster.list(&path, None).await?;
            for service in self.services.iter().filter(|service| service.namespace == space) {
                let behind = Endpoints::read(&slices, &service.name).map_err(|error| ProbeError(error.to_string()))?;
                let count = behind.endpoints.iter().filter(|endpoint| endpoint.ready).count();
                if count > 0 {
                    return Ok(Some(format!(
                        "Service {service} ({}) still has {count} ready endpoints",
                        self.cluster.key
                    )));
                }
            }
        }
        Ok(None)
    }

    /// The hosts of these Services for which the ingress proxy of another cluster still has endpoints of this cluster; none if
    /// the other cluster has no ingress proxy.
    pub async fn seen_from(&self, other: &Arc<Cluster>) -> Result<Option<BTreeSet<String>>, ProbeError> {
        for service in gateway_services(other).await? {
            if service.label("istio") != Some("ingressgateway") {
                continue;
            }
            let selector = label_selector(&service["spec"]["selector"]);
            let pods = ready_pods(other, &service.object_ref().namespace, &selector).await?;
            let Some(pod) = pods.first().map(Object::object_ref) else { continue };
            let admin = ProxyAdmin::for_pod(Arc::clone(other), pod);
            let (body, pod) = admin.get("/config_dump?include_eds&resource=dynamic_endpoint_configs").await?;
            let endpoints = config_dump::parse(&body).map_err(|error| ProbeError(format!("{pod}: {error}")))?;
            let id = self.cluster.istio_id();
            let has = endpoints.iter().filter(|(_, all)| all.values().any(|info| info.clusters.contains(id)));
            let hosts = has.filter_map(|(name, _)| ServiceName::parse(name)).map(|name| name.host);
            return Ok(Some(hosts.filter(|host| self.services.iter().any(|service| is_host(host, service))).collect()));
        }
        Ok(None)
    }
}

/// Whether a fully qualified host name is the name of a Service.
fn is_host(host: &str, service: &ObjectRef) -> bool {
    host.strip_prefix(&format!("{}.{}.svc", service.name, service.namespace))
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_matched_whole() {
        let cart = ObjectRef { namespace: "shop".into(), name: "cart".into(), uid: String::new() };
        assert!(is_host("cart.shop.svc.cluster.local", &cart) && is_host("cart.shop.svc", &cart));
        assert!(!is_host("cart.shop.svcx", &cart) && !is_host("acart.shop.svc.cluster.local", &cart));
    }
}
