//! Three clusters on one network: pods reach pods of other clusters directly, and there is no east-west gateway.

use serde_json::json;

use crate::prom::{Monitoring, RuleSource};
use crate::seed::build::istio::{self, Revision, SPACE};
use crate::seed::build::kubernetes::{self, ISTIO_GROUPS};
use crate::seed::build::monitoring::{self, Program, absent, chart, failed_requests, slow_requests};
use crate::seed::build::workload::{Web, istio_object, web_service};
use crate::seed::build::{gateway, shop};
use crate::seed::mesh_seed::MeshSeed;
use crate::seed::pki::Files;
use crate::seed::put::put;
use crate::store::{object, resources};
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
    monitor(world, cluster);
}

fn applications(world: &mut World, cluster: usize) {
    for name in ["front", "reviews", "cart"] {
        web_service(world, cluster, SHOP, name);
    }
    let front = Web { namespace: SHOP, app: "front", version: "v1", replicas: 2, calls: &["reviews=reviews:8080", "cart=cart:8080"] };
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
    shop::reviews(world, cluster, SHOP);
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

fn monitor(world: &mut World, cluster: usize) {
    // One Alertmanager for all clusters: the others reach it at its load balancer.
    let first = &world.clusters[0].store;
    let alerts = first.get(resources::services(), MONITORING, "alerts");
    let elsewhere = alerts.map(|service| format!("{}:9093", object::text(service, "/status/loadBalancer/ingress/0/ip")));
    world.clusters[cluster].monitoring = Monitoring {
        group: "shop",
        file: "/etc/config/alerting_rules.yml",
        rules: rules(world, cluster),
        alertmanager: if cluster == 0 { Some("alerts.monitoring:9093".into()) } else { elsewhere },
        federates: false,
    };
    let labels = monitoring::labels(&chart("prometheus", "prom", "prometheus-27.42.0", "v3.5.0"), "server");
    monitoring::prometheus_files(world, cluster, MONITORING, "prom", &labels);
    let selector = |name: &str, instance: &str, component: &str| {
        json!({"app.kubernetes.io/name": name, "app.kubernetes.io/instance": instance, "app.kubernetes.io/component": component})
    };
    let prometheus = Program {
        namespace: MONITORING,
        name: "prom",
        service: "prom",
        kind: "LoadBalancer",
        port: 9090,
        selector: selector("prometheus", "prom", "server"),
        labels,
        container: monitoring::prometheus(),
        stateful: false,
    };
    monitoring::program(world, cluster, &prometheus);
    if cluster > 0 {
        return;
    }
    let labels = chart("alertmanager", "alerts", "alertmanager-1.28.0", "v0.25.0");
    monitoring::alertmanager_files(world, cluster, MONITORING, "alerts", &labels);
    let alerts = Program {
        namespace: MONITORING,
        name: "alerts",
        service: "alerts",
        kind: "LoadBalancer",
        port: 9093,
        selector: json!({"app.kubernetes.io/name": "alertmanager", "app.kubernetes.io/instance": "alerts"}),
        labels,
        container: monitoring::alertmanager(),
        stateful: true,
    };
    monitoring::program(world, cluster, &alerts);
    monitoring::receiver(world, cluster, MONITORING, "pager");
}
