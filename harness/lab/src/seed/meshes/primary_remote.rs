//! Two clusters on two networks with one control plane: istiod runs in `hub`, and configures the proxies of `spoke` through the
//! east-west gateway of `hub`. The configuration of the mesh is in `hub`.

use serde_json::json;

use crate::prom::RuleSource;
use crate::seed::build::istio::{self, Revision, SPACE};
use crate::seed::build::kubernetes::{self, ISTIO_GROUPS};
use crate::seed::build::monitoring::{absent, failed_requests, slow_requests};
use crate::seed::build::workload::{Web, istio_object, web_service};
use crate::seed::build::{charts, gateway, remote, shop};
use crate::seed::mesh_seed::MeshSeed;
use crate::seed::pki::Files;
use crate::seed::put::put;
use crate::store::resources;
use crate::world::{ClusterNames, World};

pub(super) static SEED: MeshSeed = MeshSeed {
    mesh_id: "hub-mesh",
    clusters: &[
        ClusterNames {
            key: "hub",
            context: "hub",
            istio: "hub",
            network: "hub-net",
            region: "us-east-1",
            zone: "us-east-1-a",
        },
        ClusterNames {
            key: "spoke",
            context: "spoke",
            istio: "spoke",
            network: "spoke-net",
            region: "us-west-2",
            zone: "us-west-2-a",
        },
    ],
    resizable: false,
    webhook: "http://pager.monitoring:8080/alerts",
    fill,
};

const REVISION: Revision = Revision { name: "default", version: None, replicas: 2, maximum: 5, helm: false };
const BANK: &str = "bank";
const MONITORING: &str = "monitoring";

fn fill(world: &mut World, cluster: usize, files: &Files) {
    let network = world.clusters[cluster].ident.network.clone();
    kubernetes::namespace(world, cluster, SPACE, json!({"topology.istio.io/network": network}));
    kubernetes::namespace(world, cluster, BANK, json!({"istio-injection": "enabled"}));
    kubernetes::namespace(world, cluster, MONITORING, json!({}));
    kubernetes::basics(world, cluster, ISTIO_GROUPS, &[SPACE, BANK, MONITORING]);
    if cluster == 0 {
        istio::control_plane(world, cluster, &REVISION, files);
        istio::remote_secrets(world, cluster);
    } else {
        istio::root_certificate(world, cluster, SPACE, files);
    }
    istio::root_certificate(world, cluster, BANK, files);
    let labels = json!({"app": "istio-eastwestgateway", "istio": "eastwestgateway", "istio.io/rev": "default", "topology.istio.io/network": network});
    gateway::of_istioctl(world, cluster, "istio-eastwestgateway", &labels, gateway::east_west_ports(), 5);
    if cluster == 0 {
        remote::expose_istiod(world, cluster);
        gateway::cross_network(world, cluster);
    } else {
        remote::use_istiod_of(world, cluster, 0, &REVISION, files);
    }
    let labels = json!({"app": "istio-ingressgateway", "istio": "ingressgateway", "istio.io/rev": "default"});
    gateway::of_istioctl(world, cluster, "istio-ingressgateway", &labels, gateway::ingress_ports(), 5);
    applications(world, cluster);
    if cluster == 0 {
        routes(world, cluster);
    }
    charts::install(world, cluster, MONITORING, "bank", rules(world, cluster));
}

fn applications(world: &mut World, cluster: usize) {
    for name in ["portal", "accounts"] {
        web_service(world, cluster, BANK, name);
    }
    let calls = &["accounts=accounts:8080"];
    Web { namespace: BANK, app: "portal", version: "v1", replicas: 2, calls }.deploy(world, cluster, "portal");
    for version in ["v1", "v2"] {
        let accounts = Web { namespace: BANK, app: "accounts", version, replicas: 1, calls: &[] };
        accounts.deploy(world, cluster, &format!("accounts-{version}"));
    }
}

fn routes(world: &mut World, cluster: usize) {
    let servers = json!([{"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["bank.example"]}]);
    let gateway =
        istio_object("Gateway", BANK, "bank", json!({"selector": {"istio": "ingressgateway"}, "servers": servers}));
    put(world, cluster, resources::gateways(), gateway);
    let route = json!([{"match": [{"uri": {"prefix": "/"}}], "route": [{"destination": {"host": "portal", "port": {"number": 8080}}}]}]);
    let bound = json!({"hosts": ["bank.example"], "gateways": ["bank"], "http": route});
    put(world, cluster, resources::virtualservices(), istio_object("VirtualService", BANK, "bank", bound));
    shop::split(world, cluster, BANK, "accounts");
}

fn rules(world: &World, cluster: usize) -> Vec<RuleSource> {
    let mut rules = vec![
        failed_requests("BankRequestsFail"),
        absent(world, cluster, "BankIngressDown", "istio-ingressgateway", "No ingress gateway is up"),
        slow_requests(world, cluster, "BankSlow"),
    ];
    if cluster == 0 {
        rules.push(absent(world, cluster, "HubControlPlaneDown", "istiod", "No istiod is up"));
    }
    rules
}
