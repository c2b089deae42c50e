//! The mesh that the quick-start guide's set-up leaves behind: istioctl's gateways, one network per cluster, `Bookinfo`.

use serde_json::{Value, json};

use super::{bookinfo, guide_monitoring};
use crate::seed::build::gateway;
use crate::seed::build::istio::{self, Revision, SPACE, client};
use crate::seed::build::kubernetes::{self, ISTIO_GROUPS};
use crate::seed::mesh_seed::MeshSeed;
use crate::seed::pki::Files;
use crate::seed::put::put;
use crate::store::resources;
use crate::world::{ClusterNames, ONCALL, World};

const fn names(key: &'static str, [context, istio, network, region, zone]: [&'static str; 5]) -> ClusterNames {
    ClusterNames { key, context, istio, network, region, zone }
}

pub(super) static SEED: MeshSeed = MeshSeed {
    mesh_id: "oke-mesh",
    clusters: &[
        names(
            "primary",
            ["primary-cluster-context", "primary-cluster", "primary-network", "us-sanjose-1", "us-sanjose-1-ad-1"],
        ),
        names(
            "secondary",
            ["secondary-cluster", "secondary-cluster", "secondary-network", "us-chicago-1", "us-chicago-1-ad-1"],
        ),
        names("third", ["third-cluster", "third-cluster", "third-network", "us-phoenix-1", "us-phoenix-1-ad-1"]),
        names("fourth", ["fourth-cluster", "fourth-cluster", "fourth-network", "us-ashburn-1", "us-ashburn-1-ad-1"]),
        names("fifth", ["fifth-cluster", "fifth-cluster", "fifth-network", "ca-toronto-1", "ca-toronto-1-ad-1"]),
    ],
    resizable: true,
    webhook: ONCALL,
    fill,
};

const REVISION: Revision = Revision { name: "default", version: None, replicas: 1, maximum: 5, helm: false };

fn fill(world: &mut World, cluster: usize, files: &Files) {
    let network = world.clusters[cluster].ident.network.clone();
    kubernetes::namespace(world, cluster, SPACE, json!({"topology.istio.io/network": network}));
    for name in ["sample", "bookinfo"] {
        kubernetes::namespace(world, cluster, name, json!({"istio-injection": "enabled"}));
    }
    kubernetes::basics(world, cluster, ISTIO_GROUPS, &[SPACE, "sample", "bookinfo"]);
    istio::certificates(world, cluster, files);
    istio::remote_secrets(world, cluster);
    istio::configuration(world, cluster, &REVISION);
    istio::istiod(world, cluster, &REVISION);
    let ingress = json!({"app": "istio-ingressgateway", "istio": "ingressgateway", "istio.io/rev": "default"});
    gateway::of_istioctl(world, cluster, "istio-ingressgateway", &ingress, gateway::ingress_ports(), 1);
    let mut east_west = json!({"app": "istio-eastwestgateway", "istio": "eastwestgateway", "istio.io/rev": "default"});
    east_west["topology.istio.io/network"] = json!(network);
    gateway::of_istioctl(world, cluster, "istio-eastwestgateway", &east_west, gateway::east_west_ports(), 5);
    gateway::cross_network(world, cluster);
    webhooks(world, cluster, files);
    bookinfo::seed(world, cluster);
    guide_monitoring::seed(world, cluster);
}

fn webhooks(world: &mut World, cluster: usize, files: &Files) {
    let client = |path: &str| -> Value { client("istiod", path, files) };
    let injector = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": "istio-sidecar-injector", "labels": {"app": "sidecar-injector", "istio.io/rev": "default"}},
        "webhooks": [{"name": "namespace.sidecar-injector.istio.io", "clientConfig": client("/inject"), "failurePolicy": "Fail", "sideEffects": "None",
            "admissionReviewVersions": ["v1"], "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}],
            "namespaceSelector": {"matchExpressions": [{"key": "istio-injection", "operator": "In", "values": ["enabled"]}]}}]});
    put(world, cluster, resources::mutating_webhooks(), injector);
    let validator = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "istio-validator-istio-system", "labels": {"app": "istiod", "istio.io/rev": "default"}},
        "webhooks": [{"name": "rev.validation.istio.io", "clientConfig": client("/validate"), "failurePolicy": "Fail", "sideEffects": "None",
            "admissionReviewVersions": ["v1"], "rules": [{"operations": ["CREATE", "UPDATE"], "apiGroups": ["security.istio.io", "networking.istio.io"], "apiVersions": ["*"], "resources": ["*"]}]}]});
    put(world, cluster, resources::validating_webhooks(), validator);
}
