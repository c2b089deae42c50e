//! Two clusters on two networks with the Gateway API in place of Istio's own routing objects: istiod deploys the ingress and the
//! east-west gateways.

use serde_json::{Value, json};

use crate::prom::RuleSource;
use crate::seed::build::charts;
use crate::seed::build::istio::{self, Revision, SPACE};
use crate::seed::build::kubernetes::{self, ISTIO_GROUPS};
use crate::seed::build::monitoring::{failed_requests, gone, slow_requests};
use crate::seed::build::workload::{WEB, Web, web_service};
use crate::seed::mesh_seed::MeshSeed;
use crate::seed::pki::Files;
use crate::seed::put::put;
use crate::store::{Resource, resources};
use crate::world::{ClusterNames, World};

pub(super) static SEED: MeshSeed = MeshSeed {
    mesh_id: "store-mesh",
    clusters: &[
        ClusterNames {
            key: "north",
            context: "north",
            istio: "north",
            network: "north-net",
            region: "eu-north-1",
            zone: "eu-north-1-a",
        },
        ClusterNames {
            key: "south",
            context: "south",
            istio: "south",
            network: "south-net",
            region: "eu-south-1",
            zone: "eu-south-1-a",
        },
    ],
    resizable: false,
    webhook: "http://pager.monitoring:8080/alerts",
    fill,
};

const REVISION: Revision = Revision { name: "default", version: None, replicas: 2, maximum: 5, helm: true };
const GROUP: &str = "gateway.networking.k8s.io";
const INGRESS: &str = "istio-ingress";
const STORE: &str = "store";
const CATALOG: &str = "catalog";
const MONITORING: &str = "monitoring";

fn fill(world: &mut World, cluster: usize, files: &Files) {
    let network = world.clusters[cluster].ident.network.clone();
    kubernetes::namespace(world, cluster, SPACE, json!({"topology.istio.io/network": network}));
    kubernetes::namespace(world, cluster, INGRESS, json!({}));
    for name in [STORE, CATALOG] {
        kubernetes::namespace(world, cluster, name, json!({"istio-injection": "enabled"}));
    }
    kubernetes::namespace(world, cluster, MONITORING, json!({}));
    let groups = [ISTIO_GROUPS, &[GROUP]].concat();
    kubernetes::basics(world, cluster, &groups, &[SPACE, INGRESS, STORE, CATALOG, MONITORING]);
    istio::control_plane(world, cluster, &REVISION, files);
    istio::remote_secrets(world, cluster);
    for namespace in [INGRESS, STORE, CATALOG] {
        istio::root_certificate(world, cluster, namespace, files);
    }
    for (name, controller) in [
        ("istio", "istio.io/gateway-controller"),
        ("istio-remote", "istio.io/unmanaged-gateway"),
        ("istio-waypoint", "istio.io/mesh-controller"),
        ("istio-east-west", "istio.io/eastwest-controller"),
    ] {
        let mut class = api(resources::gateway_classes(), "", name, json!({"controllerName": controller}));
        if let Some(metadata) = class["metadata"].as_object_mut() {
            metadata.remove("namespace");
        }
        put(world, cluster, resources::gateway_classes(), class);
    }
    gateways(world, cluster, &network);
    applications(world, cluster);
    routes(world, cluster);
    charts::install(world, cluster, MONITORING, "store", rules(world, cluster));
}

fn api(resource: &Resource, namespace: &str, name: &str, spec: Value) -> Value {
    let version = format!("{GROUP}/{}", resource.versions[0]);
    let mut value =
        json!({"apiVersion": version, "kind": resource.kind, "metadata": {"name": name, "namespace": namespace}});
    value["spec"] = spec;
    value
}

fn gateways(world: &mut World, cluster: usize, network: &str) {
    let spec = json!({"gatewayClassName": "istio", "listeners": [{"name": "http", "hostname": "*.store.example", "port": 80, "protocol": "HTTP",
        "allowedRoutes": {"namespaces": {"from": "All"}}}]});
    put(world, cluster, resources::api_gateways(), api(resources::api_gateways(), INGRESS, "web", spec));
    let spec = json!({"gatewayClassName": "istio-east-west", "listeners": [{"name": "cross-network", "port": 15443, "protocol": "TLS",
        "tls": {"mode": "Passthrough", "options": {"gateway.istio.io/listener-protocol": "auto-passthrough"}},
        "allowedRoutes": {"namespaces": {"from": "Same"}}}]});
    let mut gateway = api(resources::api_gateways(), SPACE, "eastwest", spec);
    gateway["metadata"]["labels"] = json!({"topology.istio.io/network": network});
    put(world, cluster, resources::api_gateways(), gateway);
}

fn applications(world: &mut World, cluster: usize) {
    web_service(world, cluster, STORE, "store");
    for version in ["v1", "v2"] {
        let name = format!("store-{version}");
        let calls = &["catalog=catalog.catalog:8080"];
        Web { namespace: STORE, app: "store", version, replicas: 2, calls }.deploy(world, cluster, &name);
        let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": STORE, "labels": {"app": "store", "version": version}},
            "spec": {"selector": {"app": "store", "version": version}, "ports": [{"name": "http", "port": WEB}]}});
        put(world, cluster, resources::services(), service);
    }
    web_service(world, cluster, CATALOG, "catalog");
    Web { namespace: CATALOG, app: "catalog", version: "v1", replicas: 2, calls: &[] }
        .deploy(world, cluster, "catalog");
}

fn routes(world: &mut World, cluster: usize) {
    let path = |value: &str| json!([{"path": {"type": "PathPrefix", "value": value}}]);
    let service =
        |name: &str, weight: i64| json!({"group": "", "kind": "Service", "name": name, "port": WEB, "weight": weight});
    let shared =
        json!({"group": "", "kind": "Service", "name": "catalog", "namespace": CATALOG, "port": WEB, "weight": 1});
    let parent = json!([{"group": GROUP, "kind": "Gateway", "name": "web", "namespace": INGRESS}]);
    let spec = json!({"parentRefs": parent, "hostnames": ["www.store.example"], "rules": [
        {"matches": path("/products"), "backendRefs": [shared], "timeouts": {"request": "5s"}},
        {"matches": path("/"), "backendRefs": [service("store-v1", 90), service("store-v2", 10)], "timeouts": {"request": "10s"}}]});
    put(world, cluster, resources::httproutes(), api(resources::httproutes(), STORE, "store", spec));
    let spec = json!({"from": [{"group": GROUP, "kind": "HTTPRoute", "namespace": STORE}], "to": [{"group": "", "kind": "Service", "name": "catalog"}]});
    put(world, cluster, resources::referencegrants(), api(resources::referencegrants(), CATALOG, "from-store", spec));
}

fn rules(world: &World, cluster: usize) -> Vec<RuleSource> {
    vec![
        failed_requests("StoreRequestsFail"),
        gone("WebGatewayGone", r#"namespace="istio-ingress""#, "No ingress gateway is up"),
        gone("EastWestGone", r#"pod=~"eastwest-.*""#, "No east-west gateway is up"),
        slow_requests(world, cluster, "StoreSlow"),
    ]
}
