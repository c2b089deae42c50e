//! Every mesh of the lab starts settled, and shows from outside what a real mesh of its kind shows.

mod support;

use meshdrill_lab::{Lab, LabConfig, LabMesh};
use serde_json::Value;
use support::{
    MERGE, api, balancer, client, delete, exec, get, get_of, mesh, number, pass, pods, proxies, responders, scale,
    synced, write,
};

/// Every workload is rolled out, every Service with a selector has endpoints, and every load balancer has an address.
async fn assert_settled(lab: &Lab, cluster: &str) {
    for kind in ["deployments", "statefulsets"] {
        for one in items(&api(lab, cluster, &format!("/apis/apps/v1/{kind}")).await) {
            assert_eq!(one["status"]["readyReplicas"], one["spec"]["replicas"], "{cluster}: {}", one["metadata"]);
        }
    }
    for service in items(&api(lab, cluster, "/api/v1/services").await) {
        if service["spec"]["type"] == "LoadBalancer" {
            assert!(service["status"]["loadBalancer"]["ingress"][0]["ip"].is_string(), "{cluster}: {service}");
        }
        if service["spec"]["selector"].is_object() {
            let (namespace, name) = (&service["metadata"]["namespace"], &service["metadata"]["name"]);
            let path = format!("/api/v1/namespaces/{}/endpoints/{}", text(namespace), text(name));
            let found = api(lab, cluster, &path).await;
            assert!(found["subsets"][0]["addresses"].is_array(), "{cluster}: {name} {found}");
        }
    }
}

fn items(list: &Value) -> Vec<Value> {
    list["items"].as_array().cloned().unwrap_or_default()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The targets of a Prometheus are up, and its rules are healthy and do not fire.
async fn assert_monitored(lab: &Lab, prometheus: &str) {
    assert_eq!(number(lab, prometheus, "count(up == 0)").await, None);
    assert!(number(lab, prometheus, "count(up == 1)").await.unwrap() > 3.0);
    let (_, rules) = get(lab, prometheus, 9090, "/api/v1/rules").await;
    let rules: Value = serde_json::from_str(&rules).unwrap();
    let list = rules["data"]["groups"][0]["rules"].as_array().unwrap().clone();
    assert!(list.len() >= 3);
    for rule in list {
        assert_eq!((text(&rule["health"]), text(&rule["state"])), ("ok", "inactive"), "{rule}");
    }
}

/// The environment of the proxies of a cluster, by name.
async fn assert_environment(lab: &Lab, cluster: &str, expected: &[(&str, &str)]) {
    for pod in items(&api(lab, cluster, "/api/v1/pods").await) {
        let lists = ["/spec/containers", "/spec/initContainers"];
        let containers = lists.iter().filter_map(|list| pod.pointer(list)?.as_array()).flatten();
        for proxy in containers.filter(|container| container["name"] == "istio-proxy") {
            let env = proxy["env"].as_array().unwrap();
            for (name, value) in expected {
                let found = env.iter().find(|one| one["name"] == *name);
                assert_eq!(found.and_then(|one| one["value"].as_str()), Some(*value), "{}: {name}", pod["metadata"]);
            }
            for name in
                ["POD_NAME", "ISTIO_META_WORKLOAD_NAME", "ISTIO_META_OWNER", "PROXY_CONFIG", "ISTIO_META_NODE_NAME"]
            {
                assert!(env.iter().any(|one| one["name"] == name), "{}: {name}", pod["metadata"]);
            }
            assert!(["router", "sidecar"].contains(&text(&proxy["args"][1])), "{proxy}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_mesh_has_its_own_clusters_and_an_outline() {
    for (kind, keys) in [
        (LabMesh::Guide, vec!["primary", "secondary"]),
        (LabMesh::FlatThree, vec!["eu", "us", "ap"]),
        (LabMesh::Single, vec!["prod"]),
        (LabMesh::GatewayApi, vec!["north", "south"]),
        (LabMesh::PrimaryRemote, vec!["hub", "spoke"]),
    ] {
        let config = LabConfig { mesh: kind, ..LabConfig::default() };
        let outline = Lab::outline(&config).unwrap();
        assert_eq!(outline.iter().map(|cluster| cluster.key.as_str()).collect::<Vec<_>>(), keys);
        assert_eq!(outline, Lab::start(config).unwrap().clusters());
    }
}

#[tokio::test(start_paused = true)]
async fn proxies_of_the_guides_mesh_have_the_environment_of_real_ones() {
    let lab = mesh(LabMesh::Guide, &[]);
    let expected = [
        ("ISTIO_META_CLUSTER_ID", "primary-cluster"),
        ("ISTIO_META_NETWORK", "primary-network"),
        ("ISTIO_META_MESH_ID", "oke-mesh"),
        ("CA_ADDR", "istiod.istio-system.svc:15012"),
    ];
    assert_environment(&lab, "primary", &expected).await;
}

#[tokio::test(start_paused = true)]
async fn flat_three_is_one_mesh_on_one_network() {
    let lab = mesh(LabMesh::FlatThree, &[]);
    pass(10.0).await;
    for cluster in ["eu", "us", "ap"] {
        assert_settled(&lab, cluster).await;
        let edge = balancer(&lab, cluster, "istio-ingress", "edge").await;
        assert_eq!(get_of(&lab, (&edge, 80), "shop.example", "/").await.0, 200);
        assert_eq!(get_of(&lab, (&edge, 80), "other.example", "/").await.0, 404);
        let fronts = responders(&lab, &edge, "shop.example", "/", "/cluster").await;
        assert_eq!(fronts.keys().collect::<Vec<_>>(), ["ap", "eu", "us"], "{fronts:?}");
        let reviews = responders(&lab, &edge, "shop.example", "/reviews", "/reviews/cluster").await;
        assert_eq!(reviews.keys().collect::<Vec<_>>(), ["ap", "eu", "us"], "{reviews:?}");
        let versions = responders(&lab, &edge, "shop.example", "/reviews", "/reviews/version").await;
        assert!(versions["v1"] > 90 && versions["v2"] > 2, "{versions:?}");
        let prometheus = balancer(&lab, cluster, "monitoring", "prom").await;
        assert_monitored(&lab, &prometheus).await;
        let seen = synced(&lab, cluster).await;
        let own: Vec<String> = proxies(&lab, cluster).await;
        assert_eq!(seen.iter().map(|(proxy, _)| proxy.clone()).collect::<Vec<_>>(), own);
        assert!(seen.iter().all(|(_, id)| id == cluster));
        let expected = [
            ("ISTIO_META_CLUSTER_ID", cluster),
            ("ISTIO_META_NETWORK", "shop-net"),
            ("ISTIO_META_MESH_ID", "shop-mesh"),
        ];
        assert_environment(&lab, cluster, &expected).await;
    }
    assert_eq!(pods(&lab, "eu", "istio-system", "app=istiod").await.len(), 2);
    assert_eq!(pods(&lab, "eu", "shop", "app=cart").await, ["cart-0"]);
    let gateway = api(&lab, "eu", "/api/v1/namespaces/istio-ingress/pods").await;
    assert_eq!(gateway["items"][0]["spec"]["containers"][0]["args"][1], "router");
    assert!(items(&api(&lab, "us", "/apis/apps/v1/namespaces/monitoring/statefulsets").await).is_empty());
    assert!(api(&lab, "us", "/apis/gateway.networking.k8s.io/v1/gateways").await["items"].is_null());
}

#[tokio::test(start_paused = true)]
async fn single_is_one_cluster_with_two_revisions_and_two_ingresses() {
    let lab = mesh(LabMesh::Single, &[]);
    pass(10.0).await;
    assert_settled(&lab, "prod").await;
    let public = balancer(&lab, "prod", "ingress-public", "public").await;
    let internal = balancer(&lab, "prod", "ingress-internal", "internal").await;
    assert_eq!(get_of(&lab, (&public, 80), "www.prod.example", "/").await.0, 200);
    assert_eq!(get_of(&lab, (&public, 80), "stock.prod.internal", "/").await.0, 404);
    let (status, body) = get_of(&lab, (&internal, 80), "stock.prod.internal", "/ledger").await;
    assert!(status == 200 && body.contains("ledger-"), "{status} {body}");
    let (status, body) = get_of(&lab, (&public, 80), "www.prod.example", "/orders/payments").await;
    assert!(status == 200 && body.contains("payments-"), "{status} {body}");
    let versions = responders(&lab, &public, "www.prod.example", "/orders", "/orders/version").await;
    assert!(versions["v1"] > 90 && versions["v2"] > 2, "{versions:?}");
    let seen: Vec<String> = synced(&lab, "prod").await.into_iter().map(|(proxy, _)| proxy).collect();
    assert_eq!(seen, proxies(&lab, "prod").await);
    assert_environment(&lab, "prod", &[("ISTIO_META_CLUSTER_ID", "Kubernetes")]).await;
    let order = api(&lab, "prod", "/api/v1/namespaces/orders/pods?labelSelector=app=payments").await;
    let sidecar = &order["items"][0]["spec"]["initContainers"][1];
    assert_eq!(text(&sidecar["image"]).rsplit(':').next(), Some("1.29.0"));
    assert_eq!(order["items"][0]["metadata"]["annotations"]["istio.io/rev"], "canary");
    assert!(!sidecar.to_string().contains("ISTIO_META_NETWORK"));
    let name = text(&order["items"][0]["metadata"]["name"]);
    let orders: kube::Api<k8s_openapi::api::core::v1::Pod> = kube::Api::namespaced(client(&lab, "prod"), "orders");
    let (info, _, _) = exec(&orders, name, "istio-proxy", &["pilot-agent", "request", "GET", "server_info"]).await;
    let info: Value = serde_json::from_str(&info).unwrap();
    let metadata = &info["node"]["metadata"];
    assert_eq!(
        (text(&metadata["ISTIO_VERSION"]), text(&metadata["WORKLOAD_NAME"])),
        ("1.29.0", "payments"),
        "{metadata}"
    );
    let words = ["pilot-agent", "request", "GET", "config_dump?include_eds"];
    let (dump, _, _) = exec(&orders, name, "istio-proxy", &words).await;
    assert!(dump.contains("ledger;stock;ledger;v1;Kubernetes"), "a StatefulSet has its own name");
    let stack = "kps-kube-prometheus-stack-prometheus";
    let service = api(&lab, "prod", &format!("/api/v1/namespaces/observability/services/{stack}")).await;
    assert_monitored(&lab, text(&service["spec"]["clusterIP"])).await;
    let custom = api(&lab, "prod", "/apis/monitoring.coreos.com/v1/prometheuses").await;
    assert_eq!(items(&custom)[0]["metadata"]["name"], stack);
    let tags = api(
        &lab,
        "prod",
        "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations?labelSelector=istio.io/tag=stable",
    )
    .await;
    assert_eq!(items(&tags)[0]["webhooks"][0]["clientConfig"]["service"]["name"], "istiod");
}

#[tokio::test(start_paused = true)]
async fn a_revision_without_istiod_injects_no_pod_and_configures_no_proxy() {
    let lab = mesh(LabMesh::Single, &[]);
    scale(&lab, "prod", "istio-system", "istiod-canary", 0).await;
    pass(10.0).await;
    for (namespace, app) in [("orders", "payments"), ("storefront", "web")] {
        let name = pods(&lab, "prod", namespace, &format!("app={app}")).await.remove(0);
        delete(&lab, "prod", namespace, &name, Some(0)).await;
    }
    pass(30.0).await;
    assert!(pods(&lab, "prod", "orders", "app=payments").await.is_empty());
    assert_eq!(pods(&lab, "prod", "storefront", "app=web").await.len(), 2);
    scale(&lab, "prod", "istio-system", "istiod-canary", 1).await;
    pass(30.0).await;
    assert_eq!(pods(&lab, "prod", "orders", "app=payments").await.len(), 1);
}

/// The condition of a type in a list.
fn condition<'a>(list: &'a Value, kind: &str) -> (&'a str, &'a str) {
    let found = list.as_array().into_iter().flatten().find(|one| one["type"] == kind);
    found.map_or(("", ""), |one| (text(&one["status"]), text(&one["reason"])))
}

#[tokio::test(start_paused = true)]
async fn gateway_api_routes_and_status_are_those_of_istio() {
    let lab = mesh(LabMesh::GatewayApi, &[]);
    pass(10.0).await;
    for cluster in ["north", "south"] {
        assert_settled(&lab, cluster).await;
        let web = balancer(&lab, cluster, "istio-ingress", "web-istio").await;
        assert_eq!(get_of(&lab, (&web, 80), "other.example", "/").await.0, 404);
        let found = responders(&lab, &web, "www.store.example", "/", "/cluster").await;
        assert_eq!(found.keys().collect::<Vec<_>>(), ["north", "south"], "{found:?}");
        let versions = responders(&lab, &web, "www.store.example", "/", "/version").await;
        assert!(versions["v1"] > 90 && versions["v2"] > 2, "{versions:?}");
        let (status, body) = get_of(&lab, (&web, 80), "www.store.example", "/products/1").await;
        assert!(status == 200 && body.contains("catalog-"), "{status} {body}");
        let (status, body) = get_of(&lab, (&web, 80), "www.store.example", "/productsale").await;
        assert!(status == 200 && body.contains("store-v"), "{status} {body}");
        let seen: Vec<String> = synced(&lab, cluster).await.into_iter().map(|(proxy, _)| proxy).collect();
        assert_eq!(seen, proxies(&lab, cluster).await);
        assert_monitored(&lab, &balancer(&lab, cluster, "monitoring", "prom").await).await;
        let gateways = api(&lab, cluster, "/apis/gateway.networking.k8s.io/v1/gateways").await;
        assert_eq!(items(&gateways).len(), 2);
        for gateway in items(&gateways) {
            assert_eq!(condition(&gateway["status"]["conditions"], "Accepted"), ("True", "Accepted"));
            assert_eq!(condition(&gateway["status"]["conditions"], "Programmed"), ("True", "Programmed"));
            assert!(gateway["status"]["addresses"][0]["value"].is_string());
        }
        let ingress = items(&gateways).into_iter().find(|one| one["metadata"]["name"] == "web").unwrap();
        assert_eq!(ingress["status"]["listeners"][0]["attachedRoutes"], 1);
        let route = api(&lab, cluster, "/apis/gateway.networking.k8s.io/v1/namespaces/store/httproutes/store").await;
        let conditions = &route["status"]["parents"][0]["conditions"];
        assert_eq!(condition(conditions, "Accepted"), ("True", "Accepted"));
        assert_eq!(condition(conditions, "ResolvedRefs"), ("True", "ResolvedRefs"));
        let deployment = api(&lab, cluster, "/apis/apps/v1/namespaces/istio-ingress/deployments/web-istio").await;
        assert_eq!(deployment["metadata"]["ownerReferences"][0]["uid"], ingress["metadata"]["uid"]);
        let labels = &deployment["spec"]["template"]["metadata"]["labels"];
        assert_eq!(labels["gateway.networking.k8s.io/gateway-name"], "web");
        assert_eq!(labels["gateway.istio.io/managed"], "istio.io-gateway-controller");
        let classes = api(&lab, cluster, "/apis/gateway.networking.k8s.io/v1/gatewayclasses").await;
        assert_eq!(condition(&items(&classes)[0]["status"]["conditions"], "Accepted").0, "True");
        let groups = api(&lab, cluster, "/apis").await.to_string();
        assert!(groups.contains("gateway.networking.k8s.io"));
    }
}

#[tokio::test(start_paused = true)]
async fn gateways_of_the_gateway_api_follow_their_objects() {
    let lab = mesh(LabMesh::GatewayApi, &[]);
    let path = "/apis/gateway.networking.k8s.io/v1/namespaces/store/httproutes/store";
    let hosts = serde_json::json!({"spec": {"hostnames": ["shop.store.example"]}});
    assert_eq!(write(&lab, "north", "PATCH", path, MERGE, hosts).await.0, 200);
    pass(5.0).await;
    let web = balancer(&lab, "north", "istio-ingress", "web-istio").await;
    assert_eq!(get_of(&lab, (&web, 80), "www.store.example", "/").await.0, 404);
    assert_eq!(get_of(&lab, (&web, 80), "shop.store.example", "/").await.0, 200);
    let spec = serde_json::json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": {"name": "extra"},
        "spec": {"gatewayClassName": "istio", "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]}});
    let gateways = "/apis/gateway.networking.k8s.io/v1/namespaces/store/gateways";
    assert_eq!(write(&lab, "north", "POST", gateways, "application/json", spec).await.0, 201);
    pass(15.0).await;
    let extra = api(&lab, "north", &format!("{gateways}/extra")).await;
    assert_eq!(condition(&extra["status"]["conditions"], "Programmed").0, "True", "{extra}");
    assert!(!balancer(&lab, "north", "store", "extra-istio").await.is_empty());
    scale(&lab, "north", "store", "extra-istio", 0).await;
    pass(15.0).await;
    let extra = api(&lab, "north", &format!("{gateways}/extra")).await;
    assert_eq!(condition(&extra["status"]["conditions"], "Programmed").0, "False");
    write(&lab, "north", "DELETE", &format!("{gateways}/extra"), "application/json", serde_json::json!({})).await;
    pass(5.0).await;
    assert!(
        items(&api(&lab, "north", "/apis/apps/v1/namespaces/store/deployments").await)
            .iter()
            .all(|one| one["metadata"]["name"] != "extra-istio")
    );
}

#[tokio::test(start_paused = true)]
async fn one_control_plane_configures_both_clusters_of_primary_remote() {
    let lab = mesh(LabMesh::PrimaryRemote, &[]);
    pass(10.0).await;
    for cluster in ["hub", "spoke"] {
        assert_settled(&lab, cluster).await;
        let ingress = balancer(&lab, cluster, "istio-system", "istio-ingressgateway").await;
        assert_eq!(get_of(&lab, (&ingress, 80), "bank.example", "/").await.0, 200);
        let found = responders(&lab, &ingress, "bank.example", "/accounts", "/accounts/cluster").await;
        assert_eq!(found.keys().collect::<Vec<_>>(), ["hub", "spoke"], "{found:?}");
        assert_monitored(&lab, &balancer(&lab, cluster, "monitoring", "prom").await).await;
    }
    assert!(pods(&lab, "spoke", "istio-system", "app=istiod").await.is_empty());
    let seen = synced(&lab, "hub").await;
    let mut own = proxies(&lab, "hub").await;
    own.extend(proxies(&lab, "spoke").await);
    own.sort();
    assert_eq!(seen.iter().map(|(proxy, _)| proxy.clone()).collect::<Vec<_>>(), own);
    assert!(seen.iter().any(|(_, id)| id == "spoke") && seen.iter().any(|(_, id)| id == "hub"));
    assert!(items(&api(&lab, "spoke", "/apis/networking.istio.io/v1/virtualservices").await).is_empty());
    // Without the east-west gateway of hub, spoke has no control plane: its webhook has nowhere to go.
    scale(&lab, "hub", "istio-system", "istio-eastwestgateway", 0).await;
    pass(20.0).await;
    let name = pods(&lab, "spoke", "bank", "app=portal").await.remove(0);
    delete(&lab, "spoke", "bank", &name, Some(0)).await;
    pass(20.0).await;
    assert_eq!(pods(&lab, "spoke", "bank", "app=portal").await.len(), 1);
    scale(&lab, "hub", "istio-system", "istio-eastwestgateway", 1).await;
    pass(30.0).await;
    assert_eq!(pods(&lab, "spoke", "bank", "app=portal").await.len(), 2);
}
