//! The inventory of a mesh file without one: the parts of the quick-start guide, by the names in `vars`.

use std::borrow::Cow;

use indexmap::IndexMap;

use super::{
    ClusterChoice, ControlPlane, Dashboard, DataPlane, Entrypoint, EntrypointExpect, Gateway, GatewayRole, Inventory,
    MeshService, MeshSpec, Namespace, PrometheusEntry, Selector, ServiceScope,
};

impl MeshSpec {
    /// The inventory: the one in the file, or else that of the quick-start guide.
    pub fn inventory(&self) -> Cow<'_, Inventory> {
        match &self.inventory {
            Some(inventory) => Cow::Borrowed(inventory),
            None => Cow::Owned(of_the_guide(self)),
        }
    }
}

fn of_the_guide(mesh: &MeshSpec) -> Inventory {
    let all = ClusterChoice::all;
    let application = mesh.var("appNamespace");
    let parts = ["productpage-v1", "details-v1", "ratings-v1", "reviews-v1", "reviews-v2", "reviews-v3"];
    let workloads = parts.map(|name| (format!("deployment/{name}"), all())).into();
    let namespace = |workloads: IndexMap<String, ClusterChoice>| Namespace {
        clusters: all(),
        data_plane: DataPlane::Sidecar,
        revision: None,
        workloads,
        without_proxy: Vec::new(),
    };
    let service = |name: &str| {
        (format!("{name}.{application}"), MeshService { clusters: all(), ports: vec![9080], scope: ServiceScope::Mesh })
    };
    let istiod = ControlPlane {
        clusters: all(),
        namespace: mesh.var("istioNamespace"),
        deployment: mesh.var("istiod"),
        selector: selector(mesh, "istiodSelector"),
        version: None,
        tags: Vec::new(),
    };
    let productpage = Entrypoint {
        gateway: "ingress".to_owned(),
        clusters: all(),
        host: None,
        port: None,
        tls: false,
        ca: None,
        sla: None,
        path: "/productpage".to_owned(),
        expect: EntrypointExpect { status: 200, body: Some("<title>Simple Bookstore App</title>".to_owned()) },
        route: Some(format!("VirtualService {application}/bookinfo")),
    };
    let hub = mesh.clusters.keys().next().cloned().unwrap_or_default();
    Inventory {
        control_planes: [("default".to_owned(), istiod)].into(),
        gateways: gateways(mesh),
        entrypoints: [("productpage".to_owned(), productpage)].into(),
        services: ["productpage", "details", "ratings", "reviews"].map(service).into(),
        namespaces: [
            (application.clone(), namespace(workloads)),
            (mesh.var("sampleNamespace"), namespace(IndexMap::new())),
        ]
        .into(),
        prometheus: prometheus(mesh, &hub),
        dashboards: dashboards(mesh, &hub),
        ..Inventory::default()
    }
}

fn selector(mesh: &MeshSpec, name: &str) -> Selector {
    mesh.var(name).parse().unwrap_or_else(|_| Selector::with_label("app"))
}

fn gateways(mesh: &MeshSpec) -> IndexMap<String, Gateway> {
    let gateway = |role, namespace: &str, name: &str, by: &str, ports: &[u16]| Gateway {
        role,
        clusters: ClusterChoice::all(),
        namespace: mesh.var(namespace),
        workload: format!("deployment/{}", mesh.var(name)),
        selector: selector(mesh, by),
        service: Some(mesh.var(name)),
        ports: ports.to_vec(),
        deployed_for: None,
    };
    let ports = [80, 443, 15021];
    let ingress = gateway(GatewayRole::Ingress, "gatewayNamespace", "ingressGateway", "ingressSelector", &ports);
    let mut gateways = IndexMap::from([("ingress".to_owned(), ingress)]);
    if mesh.clusters.len() > 1 && !mesh.without.contains_key("severalClusters") {
        let ports = [15012, 15017, 15021, 15443];
        let inner = gateway(GatewayRole::EastWest, "eastWestNamespace", "eastWestGateway", "eastWestSelector", &ports);
        gateways.insert("east-west".to_owned(), inner);
    }
    gateways
}

/// The first cluster is the hub: it federates the others, and has the rules.
fn prometheus(mesh: &MeshSpec, hub: &str) -> IndexMap<String, PrometheusEntry> {
    let entry = |key: &String| {
        let is_hub = key == hub;
        let federates = mesh.clusters.keys().filter(|other| is_hub && *other != key).cloned().collect();
        let alertmanager = is_hub && !mesh.without.contains_key("alertmanager");
        (key.clone(), PrometheusEntry { federates, alertmanager, rules: is_hub })
    };
    mesh.clusters.keys().map(entry).collect()
}

fn dashboards(mesh: &MeshSpec, hub: &str) -> IndexMap<String, Dashboard> {
    let dashboard = |(name, port, path): (&str, u16, &str)| {
        let entry = Dashboard {
            cluster: hub.to_owned(),
            namespace: mesh.var("monitoringNamespace"),
            service: name.to_owned(),
            port,
            path: path.to_owned(),
        };
        (name.to_owned(), entry)
    };
    let all = [("grafana", 3000, "/api/health"), ("kiali", 20001, "/kiali/healthz"), ("tracing", 80, "/jaeger")];
    all.into_iter().map(dashboard).collect()
}
