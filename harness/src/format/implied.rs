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
    let var = |name: &str| mesh.var(name);
    let all = ClusterChoice::all;
    let selector = |name: &str| -> Selector { var(name).parse().unwrap_or_else(|_| Selector::with_label("app")) };
    let gateway = |role, namespace: &str, name: &str, by: &str, ports: &[u16]| Gateway {
        role,
        clusters: all(),
        namespace: var(namespace),
        workload: format!("deployment/{}", var(name)),
        selector: selector(by),
        service: Some(var(name)),
        ports: ports.to_vec(),
        deployed_for: None,
    };
    let several = mesh.clusters.len() > 1 && !mesh.without.contains_key("severalClusters");
    let ingress =
        gateway(GatewayRole::Ingress, "gatewayNamespace", "ingressGateway", "ingressSelector", &[80, 443, 15021]);
    let ports = [15012, 15017, 15021, 15443];
    let east_west = gateway(GatewayRole::EastWest, "eastWestNamespace", "eastWestGateway", "eastWestSelector", &ports);
    let mut gateways = IndexMap::from([("ingress".to_owned(), ingress)]);
    if several {
        gateways.insert("east-west".to_owned(), east_west);
    }
    let application = var("appNamespace");
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
    let hub = mesh.clusters.keys().next().cloned().unwrap_or_default();
    let prometheus = mesh.clusters.keys().map(|key| {
        let is_hub = *key == hub;
        let federates = mesh.clusters.keys().filter(|other| is_hub && *other != key).cloned().collect();
        let alertmanager = is_hub && !mesh.without.contains_key("alertmanager");
        (key.clone(), PrometheusEntry { federates, alertmanager, rules: is_hub })
    });
    let dashboard = |name: &str, port, path: &str| {
        let entry = Dashboard {
            cluster: hub.clone(),
            namespace: var("monitoringNamespace"),
            service: name.to_owned(),
            port,
            path: path.to_owned(),
        };
        (name.to_owned(), entry)
    };
    Inventory {
        control_planes: [(
            "default".to_owned(),
            ControlPlane {
                clusters: all(),
                namespace: var("istioNamespace"),
                deployment: var("istiod"),
                selector: selector("istiodSelector"),
                version: None,
                tags: Vec::new(),
            },
        )]
        .into(),
        gateways,
        entrypoints: [(
            "productpage".to_owned(),
            Entrypoint {
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
            },
        )]
        .into(),
        namespaces: [(application.clone(), namespace(workloads)), (var("sampleNamespace"), namespace(IndexMap::new()))]
            .into(),
        services: ["productpage", "details", "ratings", "reviews"].map(service).into(),
        prometheus: prometheus.collect(),
        dashboards: [
            dashboard("grafana", 3000, "/api/health"),
            dashboard("kiali", 20001, "/kiali/healthz"),
            dashboard("tracing", 80, "/jaeger"),
        ]
        .into(),
        ..Inventory::default()
    }
}
