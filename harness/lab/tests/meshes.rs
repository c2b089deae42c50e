//! Every mesh of the lab starts settled, and shows from outside what a real mesh of its kind shows.

mod support;

use meshdrill_lab::{Lab, LabConfig, LabMesh};
use serde_json::Value;
use support::{api, balancer, get, get_of, mesh, number, pass, pods, proxies, responders, synced};

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
            for name in ["POD_NAME", "ISTIO_META_WORKLOAD_NAME", "ISTIO_META_OWNER", "PROXY_CONFIG", "ISTIO_META_NODE_NAME"] {
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
        let expected = [("ISTIO_META_CLUSTER_ID", cluster), ("ISTIO_META_NETWORK", "shop-net"), ("ISTIO_META_MESH_ID", "shop-mesh")];
        assert_environment(&lab, cluster, &expected).await;
    }
    assert_eq!(pods(&lab, "eu", "istio-system", "app=istiod").await.len(), 2);
    assert_eq!(pods(&lab, "eu", "shop", "app=cart").await, ["cart-0"]);
    let gateway = api(&lab, "eu", "/api/v1/namespaces/istio-ingress/pods").await;
    assert_eq!(gateway["items"][0]["spec"]["containers"][0]["args"][1], "router");
    assert!(items(&api(&lab, "us", "/apis/apps/v1/namespaces/monitoring/statefulsets").await).is_empty());
    assert!(api(&lab, "us", "/apis/gateway.networking.k8s.io/v1/gateways").await["items"].is_null());
}
