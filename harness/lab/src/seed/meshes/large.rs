//! Five clusters on one network, each with 40 namespaces, 400 workloads and 300 Services: what grows with a mesh is measured here.

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
    ClusterNames { key, context: key, istio: key, network: "backbone", region, zone }
}

pub(super) static SEED: MeshSeed = MeshSeed {
    mesh_id: "large-mesh",
    clusters: &[
        names("ams", "eu-amsterdam-1", "eu-amsterdam-1-ad-1"),
        names("fra", "eu-frankfurt-1", "eu-frankfurt-1-ad-1"),
        names("iad", "us-ashburn-1", "us-ashburn-1-ad-1"),
        names("nrt", "ap-tokyo-1", "ap-tokyo-1-ad-1"),
        names("sin", "ap-singapore-1", "ap-singapore-1-ad-1"),
    ],
    resizable: false,
    webhook: "http://pager.monitoring:8080/alerts",
    fill,
};

const REVISION: Revision = Revision { name: "default", version: None, replicas: 2, maximum: 5, helm: true };
const INGRESS: &str = "istio-ingress";
const MONITORING: &str = "monitoring";
/// How many namespaces have applications.
const NAMESPACES: usize = 40;
/// How many workloads a namespace has.
const WORKLOADS: usize = 10;
/// The namespaces whose first service has a host at the ingress gateway.
const ENTRY_POINTS: usize = 4;

/// How many Services a namespace has: 7 or 8 in turn. The other workloads are second versions of the first Services.
const fn services(number: usize) -> usize {
    7 + number % 2
}

fn namespace_name(number: usize) -> String {
    format!("team-{number:02}")
}

fn service_name(number: usize) -> String {
    format!("service-{number}")
}

fn fill(world: &mut World, cluster: usize, files: &Files) {
    let teams: Vec<String> = (1..=NAMESPACES).map(namespace_name).collect();
    kubernetes::namespace(world, cluster, SPACE, json!({"topology.istio.io/network": "backbone"}));
    kubernetes::namespace(world, cluster, INGRESS, json!({}));
    kubernetes::namespace(world, cluster, MONITORING, json!({}));
    for team in &teams {
        kubernetes::namespace(world, cluster, team, json!({"istio-injection": "enabled"}));
    }
    let accounts: Vec<&str> =
        [SPACE, INGRESS, MONITORING].into_iter().chain(teams.iter().map(String::as_str)).collect();
    kubernetes::basics(world, cluster, ISTIO_GROUPS, &accounts);
    istio::control_plane(world, cluster, &REVISION, files);
    istio::remote_secrets(world, cluster);
    for namespace in teams.iter().map(String::as_str).chain([INGRESS]) {
        istio::root_certificate(world, cluster, namespace, files);
    }
    gateway::of_helm(world, cluster, INGRESS, "edge", None);
    for (index, team) in teams.iter().enumerate() {
        applications(world, cluster, index + 1, team);
    }
    charts::install(world, cluster, MONITORING, "large", rules(world, cluster));
}

/// The applications of one namespace. The first service requests the second one, and some have a host outside.
fn applications(world: &mut World, cluster: usize, number: usize, team: &str) {
    let count = services(number);
    for service in 1..=count {
        web_service(world, cluster, team, &service_name(service));
    }
    for workload in 0..WORKLOADS {
        let (service, version) = if workload < count { (workload + 1, "v1") } else { (workload - count + 2, "v2") };
        let app = service_name(service);
        let calls: &[&str] = if number <= ENTRY_POINTS && service == 1 { &["service-2=service-2:8080"] } else { &[] };
        let web = Web { namespace: team, app: &app, version, replicas: 1, calls };
        web.deploy(world, cluster, &format!("{app}-{version}"));
    }
    shop::split(world, cluster, team, &service_name(2));
    if number <= ENTRY_POINTS {
        entry_point(world, cluster, team);
    }
}

fn entry_point(world: &mut World, cluster: usize, team: &str) {
    let host = format!("{team}.large.example");
    let servers = json!([{"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": [host]}]);
    let gateway = istio_object("Gateway", team, "outside", json!({"selector": {"istio": "edge"}, "servers": servers}));
    put(world, cluster, resources::gateways(), gateway);
    let route = json!([{"match": [{"uri": {"prefix": "/"}}],
        "route": [{"destination": {"host": service_name(1), "port": {"number": 8080}}}]}]);
    let bound = json!({"hosts": [host], "gateways": ["outside"], "http": route});
    put(world, cluster, resources::virtualservices(), istio_object("VirtualService", team, "outside", bound));
}

/// The rules of this mesh.
fn rules(world: &World, cluster: usize) -> Vec<RuleSource> {
    vec![
        failed_requests("RequestsFail"),
        absent(world, cluster, "EdgeGone", "edge", "No ingress gateway is up"),
        absent(world, cluster, "ControlPlaneGone", "istiod", "No istiod is up"),
        slow_requests(world, cluster, "RequestsSlow"),
    ]
}
