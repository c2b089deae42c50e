//! The resources that the lab's API servers serve.
//!
//! The API answers 404 for every other resource, like for a CRD that is not installed.

/// One resource, such as `deployments` of group `apps`.
#[derive(Debug)]
pub(crate) struct Resource {
    /// Empty for the core group.
    pub(crate) group: &'static str,
    /// Served versions, the preferred one first.
    pub(crate) versions: &'static [&'static str],
    pub(crate) plural: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) namespaced: bool,
    pub(crate) short: &'static [&'static str],
    pub(crate) subresources: &'static [&'static str],
    /// Served by a `CustomResourceDefinition`: JSON merge semantics, no unconditional update.
    pub(crate) custom: bool,
}

const V1: &[&str] = &["v1"];
const ISTIO: &[&str] = &["v1", "v1beta1", "v1alpha3"];
const ISTIO_BETA: &[&str] = &["v1", "v1beta1"];
const GATEWAY_API: &str = "gateway.networking.k8s.io";
const GATEWAY_BETA: &[&str] = &["v1", "v1beta1"];
const OPERATOR: &str = "monitoring.coreos.com";

const fn core(plural: &'static str, kind: &'static str, namespaced: bool, short: &'static [&'static str]) -> Resource {
    grouped("", plural, kind, namespaced, short)
}

const fn grouped(
    group: &'static str,
    plural: &'static str,
    kind: &'static str,
    namespaced: bool,
    short: &'static [&'static str],
) -> Resource {
    Resource { group, versions: V1, plural, kind, namespaced, short, subresources: &[], custom: false }
}

const fn custom(
    group: &'static str,
    versions: &'static [&'static str],
    plural: &'static str,
    kind: &'static str,
    short: &'static [&'static str],
) -> Resource {
    Resource { group, versions, plural, kind, namespaced: true, short, subresources: &["status"], custom: true }
}

#[expect(clippy::needless_pass_by_value, reason = "the struct update takes it apart")]
const fn with(resource: Resource, subresources: &'static [&'static str]) -> Resource {
    Resource { subresources, ..resource }
}

/// Every resource, in the order discovery lists them.
pub(crate) static RESOURCES: &[Resource] = &[
    with(core("namespaces", "Namespace", false, &["ns"]), &["status", "finalize"]),
    with(core("nodes", "Node", false, &["no"]), &["status"]),
    with(
        core("pods", "Pod", true, &["po"]),
        &["status", "log", "exec", "portforward", "eviction", "attach", "proxy", "ephemeralcontainers"],
    ),
    with(core("services", "Service", true, &["svc"]), &["status", "proxy"]),
    core("endpoints", "Endpoints", true, &["ep"]),
    core("configmaps", "ConfigMap", true, &["cm"]),
    core("secrets", "Secret", true, &[]),
    core("events", "Event", true, &["ev"]),
    core("serviceaccounts", "ServiceAccount", true, &["sa"]),
    core("persistentvolumeclaims", "PersistentVolumeClaim", true, &["pvc"]),
    core("resourcequotas", "ResourceQuota", true, &["quota"]),
    core("limitranges", "LimitRange", true, &["limits"]),
    core("replicationcontrollers", "ReplicationController", true, &["rc"]),
    core("persistentvolumes", "PersistentVolume", false, &["pv"]),
    with(grouped("apps", "deployments", "Deployment", true, &["deploy"]), &["status", "scale"]),
    with(grouped("apps", "replicasets", "ReplicaSet", true, &["rs"]), &["status", "scale"]),
    with(grouped("apps", "statefulsets", "StatefulSet", true, &["sts"]), &["status", "scale"]),
    with(grouped("apps", "daemonsets", "DaemonSet", true, &["ds"]), &["status"]),
    grouped("apps", "controllerrevisions", "ControllerRevision", true, &[]),
    grouped("discovery.k8s.io", "endpointslices", "EndpointSlice", true, &[]),
    Resource {
        versions: &["v2"],
        ..with(
            grouped("autoscaling", "horizontalpodautoscalers", "HorizontalPodAutoscaler", true, &["hpa"]),
            &["status"],
        )
    },
    with(grouped("policy", "poddisruptionbudgets", "PodDisruptionBudget", true, &["pdb"]), &["status"]),
    grouped("coordination.k8s.io", "leases", "Lease", true, &[]),
    with(grouped("batch", "jobs", "Job", true, &[]), &["status"]),
    with(grouped("batch", "cronjobs", "CronJob", true, &["cj"]), &["status"]),
    grouped("networking.k8s.io", "networkpolicies", "NetworkPolicy", true, &["netpol"]),
    with(grouped("networking.k8s.io", "ingresses", "Ingress", true, &["ing"]), &["status"]),
    grouped("rbac.authorization.k8s.io", "roles", "Role", true, &[]),
    grouped("rbac.authorization.k8s.io", "rolebindings", "RoleBinding", true, &[]),
    grouped("rbac.authorization.k8s.io", "clusterroles", "ClusterRole", false, &[]),
    grouped("rbac.authorization.k8s.io", "clusterrolebindings", "ClusterRoleBinding", false, &[]),
    with(
        grouped(
            "apiextensions.k8s.io",
            "customresourcedefinitions",
            "CustomResourceDefinition",
            false,
            &["crd", "crds"],
        ),
        &["status"],
    ),
    grouped(
        "admissionregistration.k8s.io",
        "mutatingwebhookconfigurations",
        "MutatingWebhookConfiguration",
        false,
        &[],
    ),
    grouped(
        "admissionregistration.k8s.io",
        "validatingwebhookconfigurations",
        "ValidatingWebhookConfiguration",
        false,
        &[],
    ),
    grouped("scheduling.k8s.io", "priorityclasses", "PriorityClass", false, &["pc"]),
    grouped("storage.k8s.io", "storageclasses", "StorageClass", false, &["sc"]),
    custom("networking.istio.io", ISTIO, "gateways", "Gateway", &["gw"]),
    custom("networking.istio.io", ISTIO, "virtualservices", "VirtualService", &["vs"]),
    custom("networking.istio.io", ISTIO, "destinationrules", "DestinationRule", &["dr"]),
    custom("networking.istio.io", ISTIO, "serviceentries", "ServiceEntry", &["se"]),
    custom("networking.istio.io", ISTIO, "sidecars", "Sidecar", &[]),
    custom("networking.istio.io", ISTIO, "workloadentries", "WorkloadEntry", &["we"]),
    custom("networking.istio.io", &["v1alpha3"], "envoyfilters", "EnvoyFilter", &[]),
    custom("security.istio.io", ISTIO_BETA, "peerauthentications", "PeerAuthentication", &["pa"]),
    custom("security.istio.io", ISTIO_BETA, "authorizationpolicies", "AuthorizationPolicy", &["ap"]),
    custom("security.istio.io", ISTIO_BETA, "requestauthentications", "RequestAuthentication", &["ra"]),
    custom("telemetry.istio.io", &["v1", "v1alpha1"], "telemetries", "Telemetry", &["telemetry"]),
    Resource { namespaced: false, ..custom(GATEWAY_API, GATEWAY_BETA, "gatewayclasses", "GatewayClass", &["gc"]) },
    custom(GATEWAY_API, GATEWAY_BETA, "gateways", "Gateway", &["gtw"]),
    custom(GATEWAY_API, GATEWAY_BETA, "httproutes", "HTTPRoute", &[]),
    custom(GATEWAY_API, V1, "grpcroutes", "GRPCRoute", &[]),
    custom(GATEWAY_API, &["v1beta1"], "referencegrants", "ReferenceGrant", &["refgrant"]),
    custom(OPERATOR, V1, "prometheuses", "Prometheus", &["prom"]),
    custom(OPERATOR, V1, "alertmanagers", "Alertmanager", &["am"]),
    custom(OPERATOR, V1, "prometheusrules", "PrometheusRule", &["promrule"]),
    custom(OPERATOR, V1, "servicemonitors", "ServiceMonitor", &["smon"]),
    custom(OPERATOR, V1, "podmonitors", "PodMonitor", &["pmon"]),
];

macro_rules! known {
    ($($name:ident = $group:literal $plural:literal;)*) => {
        $(#[doc = concat!("`", $plural, "`")] pub(crate) fn $name() -> &'static Resource { must($group, $plural) })*
    };
}

known! {
    namespaces = "" "namespaces"; nodes = "" "nodes"; pods = "" "pods"; services = "" "services"; endpoints = "" "endpoints";
    configmaps = "" "configmaps"; secrets = "" "secrets"; events = "" "events"; serviceaccounts = "" "serviceaccounts";
    deployments = "apps" "deployments"; replicasets = "apps" "replicasets"; statefulsets = "apps" "statefulsets";
    endpointslices = "discovery.k8s.io" "endpointslices"; hpas = "autoscaling" "horizontalpodautoscalers";
    pdbs = "policy" "poddisruptionbudgets"; jobs = "batch" "jobs";
    networkpolicies = "networking.k8s.io" "networkpolicies"; crds = "apiextensions.k8s.io" "customresourcedefinitions";
    mutating_webhooks = "admissionregistration.k8s.io" "mutatingwebhookconfigurations";
    validating_webhooks = "admissionregistration.k8s.io" "validatingwebhookconfigurations";
    gateways = "networking.istio.io" "gateways"; virtualservices = "networking.istio.io" "virtualservices";
    destinationrules = "networking.istio.io" "destinationrules";
    peerauthentications = "security.istio.io" "peerauthentications";
    gateway_classes = "gateway.networking.k8s.io" "gatewayclasses"; api_gateways = "gateway.networking.k8s.io" "gateways";
    httproutes = "gateway.networking.k8s.io" "httproutes"; referencegrants = "gateway.networking.k8s.io" "referencegrants";
    prometheuses = "monitoring.coreos.com" "prometheuses"; alertmanagers = "monitoring.coreos.com" "alertmanagers";
    prometheusrules = "monitoring.coreos.com" "prometheusrules"; podmonitors = "monitoring.coreos.com" "podmonitors";
}

/// The resource of a group by its plural name.
pub(crate) fn find(group: &str, plural: &str) -> Option<&'static Resource> {
    RESOURCES.iter().find(|r| r.group == group && r.plural == plural)
}

fn must(group: &'static str, plural: &'static str) -> &'static Resource {
    find(group, plural).unwrap_or(&RESOURCES[0])
}

impl Resource {
    pub(crate) fn api_version(&self, version: &str) -> String {
        if self.group.is_empty() { version.to_owned() } else { format!("{}/{version}", self.group) }
    }

    pub(crate) fn singular(&self) -> String {
        self.kind.to_lowercase()
    }

    /// `deployments.apps`, or the plural alone in the core group, as in error messages.
    pub(crate) fn qualified(&self) -> String {
        if self.group.is_empty() { self.plural.to_owned() } else { format!("{}.{}", self.plural, self.group) }
    }
}

impl PartialEq for Resource {
    fn eq(&self, other: &Self) -> bool {
        self.group == other.group && self.plural == other.plural
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_unique_within_its_group_and_known_ones_resolve() {
        for (i, a) in RESOURCES.iter().enumerate() {
            assert!(RESOURCES[i + 1..].iter().all(|b| a != b), "{} twice", a.plural);
        }
        assert_eq!(deployments().qualified(), "deployments.apps");
        assert_eq!(destinationrules().api_version("v1"), "networking.istio.io/v1");
    }
}
