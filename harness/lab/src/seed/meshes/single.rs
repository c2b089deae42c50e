//! One cluster: two ingress gateways, three namespaces of applications, a canary revision of istiod, and monitoring of the
//! operator's stack. No network and no mesh id is set, as an installation of one cluster leaves it.

use serde_json::json;

use crate::seed::build::istio::{self, Revision, SPACE};
use crate::seed::build::kubernetes::{self, ISTIO_GROUPS};
use crate::seed::build::monitoring::{absent, failed_requests, slow_requests};
use crate::seed::build::operator::{self, Stack};
use crate::seed::build::workload::{Web, istio_object, web_service};
use crate::seed::build::{gateway, shop};
use crate::seed::mesh_seed::MeshSeed;
use crate::seed::pki::Files;
use crate::seed::put::put;
use crate::store::resources;
use crate::world::{ClusterNames, World};

pub(super) static SEED: MeshSeed = MeshSeed {
    mesh_id: "cluster.local",
    clusters: &[ClusterNames {
        key: "prod",
        context: "prod",
        istio: "Kubernetes",
        network: "",
        region: "eu-frankfurt-1",
        zone: "eu-frankfurt-1-ad-1",
    }],
    resizable: false,
    webhook: "http://duty.observability:8080/alerts",
    fill,
};

const REVISION: Revision = Revision { name: "default", version: None, replicas: 2, maximum: 5, helm: true };
const CANARY: Revision = Revision { name: "canary", version: Some("1.29.0"), replicas: 1, maximum: 5, helm: true };
/// The namespaces of the gateways, which have the names of the gateways.
const GATEWAYS: [(&str, &str); 2] = [("ingress-public", "public"), ("ingress-internal", "internal")];
const STORE: &str = "storefront";
const ORDERS: &str = "orders";
const STOCK: &str = "stock";
const OBSERVABILITY: &str = "observability";

fn fill(world: &mut World, cluster: usize, files: &Files) {
    kubernetes::namespace(world, cluster, SPACE, json!({}));
    for (namespace, _) in GATEWAYS {
        kubernetes::namespace(world, cluster, namespace, json!({}));
    }
    kubernetes::namespace(world, cluster, STORE, json!({"istio-injection": "enabled"}));
    kubernetes::namespace(world, cluster, ORDERS, json!({"istio.io/rev": "canary"}));
    kubernetes::namespace(world, cluster, STOCK, json!({"istio.io/rev": "stable"}));
    kubernetes::namespace(world, cluster, OBSERVABILITY, json!({}));
    let groups = [ISTIO_GROUPS, &["monitoring.coreos.com"]].concat();
    let spaces = [SPACE, GATEWAYS[0].0, GATEWAYS[1].0, STORE, ORDERS, STOCK, OBSERVABILITY];
    kubernetes::basics(world, cluster, &groups, &spaces);
    istio::control_plane(world, cluster, &REVISION, files);
    istio::tag(world, cluster, "stable", &REVISION, files);
    istio::configuration(world, cluster, &CANARY);
    istio::istiod(world, cluster, &CANARY);
    istio::webhooks(world, cluster, &CANARY, files);
    for namespace in [GATEWAYS[0].0, GATEWAYS[1].0, STORE, ORDERS, STOCK] {
        istio::root_certificate(world, cluster, namespace, files);
    }
    for (namespace, name) in GATEWAYS {
        gateway::of_helm(world, cluster, namespace, name, None);
    }
    applications(world, cluster);
    routes(world, cluster);
    let rules = vec![
        failed_requests("RequestsFail"),
        absent(world, cluster, "PublicIngressDown", "public", "No public ingress gateway is up"),
        absent(world, cluster, "InternalIngressDown", "internal", "No internal ingress gateway is up"),
        absent(world, cluster, "PilotDown", "istiod", "No istiod is up"),
        slow_requests(world, cluster, "RequestsSlow"),
    ];
    let stack = Stack { namespace: OBSERVABILITY, release: "kps", group: "mesh.rules", rules, receiver: "duty" };
    operator::install(world, cluster, stack);
}

fn applications(world: &mut World, cluster: usize) {
    let calls = &["orders=orders.orders:8080", "stock=stock.stock:8080"];
    web_service(world, cluster, STORE, "web");
    Web { namespace: STORE, app: "web", version: "v1", replicas: 2, calls }.deploy(world, cluster, "web");
    web_service(world, cluster, ORDERS, "orders");
    for version in ["v1", "v2"] {
        let orders = Web { namespace: ORDERS, app: "orders", version, replicas: 1, calls: &["payments=payments:8080"] };
        orders.deploy(world, cluster, &format!("orders-{version}"));
    }
    web_service(world, cluster, ORDERS, "payments");
    Web { namespace: ORDERS, app: "payments", version: "v1", replicas: 1, calls: &[] }
        .deploy(world, cluster, "payments");
    web_service(world, cluster, STOCK, "stock");
    let ledger = &["ledger=ledger:8080"];
    Web { namespace: STOCK, app: "stock", version: "v1", replicas: 2, calls: ledger }.deploy(world, cluster, "stock");
    web_service(world, cluster, STOCK, "ledger");
    let ledger = Web { namespace: STOCK, app: "ledger", version: "v1", replicas: 2, calls: &[] };
    ledger.deploy_stateful(world, cluster, "ledger", "ledger-headless");
}

fn routes(world: &mut World, cluster: usize) {
    for (selector, host, namespace, service) in
        [("public", "www.prod.example", STORE, "web"), ("internal", "stock.prod.internal", STOCK, "stock")]
    {
        let servers = json!([{"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": [host]}]);
        let gateway =
            istio_object("Gateway", namespace, selector, json!({"selector": {"istio": selector}, "servers": servers}));
        put(world, cluster, resources::gateways(), gateway);
        let route = json!([{"match": [{"uri": {"prefix": "/"}}], "route": [{"destination": {"host": service, "port": {"number": 8080}}}]}]);
        let bound = json!({"hosts": [host], "gateways": [selector], "http": route});
        put(world, cluster, resources::virtualservices(), istio_object("VirtualService", namespace, service, bound));
    }
    shop::split(world, cluster, ORDERS, "orders");
}
