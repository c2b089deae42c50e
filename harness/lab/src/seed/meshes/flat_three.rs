//! Three clusters on one network: pods reach pods of other clusters directly, and there is no east-west gateway.

use serde_json::json;

use crate::prom::RuleSource;
use crate::seed::build::istio::{self, Revision, SPACE};
use crate::seed::build::kubernetes::{self, ISTIO_GROUPS};
use crate::seed::build::monitoring::{absent, failed_requests, slow_requests};
use crate::seed::build::workload::{Web, istio_object, web_service};
use crate::seed::build::{charts, gateway, shop};
use crate::seed::mesh_seed::MeshSeed;
use crate::seed::pki::Files;
use crate::seed::put::put;
use crate::store::resources;
use crate::world::{ClusterNames, World};

const fn names(key: &'static str, region: &'static str, zone: &'static str) -> ClusterNames {
    ClusterNames { key, context: key, istio: key, network: "shop-net", region, zone }
}

pub(super) static SEED: MeshSeed = MeshSeed {
    mesh_id: "shop-mesh",
    clusters: &[
        names("eu", "eu-frankfurt-1", "eu-frankfurt-1-ad-1"),
        names("us", "us-ashburn-1", "us-ashburn-1-ad-1"),
        names("ap", "ap-tokyo-1", "ap-tokyo-1-ad-1"),
    ],
    resizable: false,
    webhook: "http://pager.monitoring:8080/alerts",
    fill,
};

const REVISION: Revision = Revision { name: "default", version: None, replicas: 2, maximum: 5, helm: true };
const INGRESS: &str = "istio-ingress";
const SHOP: &str = "shop";
const MONITORING: &str = "monitoring";

fn fill(world: &mut World, cluster: usize, files: &Files) {
    kubernetes::namespace(world, cluster, SPACE, json!({"topology.istio.io/network": "shop-net"}));
    kubernetes::namespace(world, cluster, INGRESS, json!({}));
    kubernetes::namespace(world, cluster, SHOP, json!({"istio-injection": "enabled"}));
    kubernetes::namespace(world, cluster, MONITORING, json!({}));
    kubernetes::basics(world, cluster, ISTIO_GROUPS, &[SPACE, INGRESS, SHOP, MONITORING]);
    istio::control_plane(world, cluster, &REVISION, files);
    istio::remote_secrets(world, cluster);
    for namespace in [INGRESS, SHOP] {
        istio::root_certificate(world, cluster, namespace, files);
    }
    gateway::of_helm(world, cluster, INGRESS, "edge", None);
    applications(world, cluster);
    routes(world, cluster);
    charts::install(world, cluster, MONITORING, "shop", rules(world, cluster));
}

fn applications(world: &mut World, cluster: usize) {
    for name in ["front", "reviews", "cart"] {
        web_service(world, cluster, SHOP, name);
    }
    let front = Web {
        namespace: SHOP,
        app: "front",
        version: "v1",
        replicas: 2,
        calls: &["reviews=reviews:8080", "cart=cart:8080"],
    };
    front.deploy(world, cluster, "front");
    for version in ["v1", "v2"] {
        let reviews = Web { namespace: SHOP, app: "reviews", version, replicas: 2, calls: &[] };
        reviews.deploy(world, cluster, &format!("reviews-{version}"));
    }
    let cart = Web { namespace: SHOP, app: "cart", version: "v1", replicas: 1, calls: &[] };
    cart.deploy_stateful(world, cluster, "cart", "cart-headless");
}

fn routes(world: &mut World, cluster: usize) {
    let gateway = istio_object(
        "Gateway",
        SHOP,
        "shop",
        json!({"selector": {"istio": "edge"}, "servers": [{"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["shop.example"]}]}),
    );
    put(world, cluster, resources::gateways(), gateway);
    let bound = istio_object(
        "VirtualService",
        SHOP,
        "shop",
        json!({"hosts": ["shop.example"], "gateways": ["shop"],
            "http": [{"match": [{"uri": {"prefix": "/"}}], "route": [{"destination": {"host": "front", "port": {"number": 8080}}}]}]}),
    );
    put(world, cluster, resources::virtualservices(), bound);
    shop::split(world, cluster, SHOP, "reviews");
}

/// The rules of this mesh.
fn rules(world: &World, cluster: usize) -> Vec<RuleSource> {
    vec![
        failed_requests("ShopRequestsFail"),
        absent(world, cluster, "EdgeGone", "edge", "No ingress gateway is up"),
        absent(world, cluster, "ControlPlaneGone", "istiod", "No istiod is up"),
        slow_requests(world, cluster, "ShopSlow"),
    ]
}
