//! Prometheus and Alertmanager: history, staleness, federation, rules and notifications.

mod support;

use support::{REVIEWS, delete, get, lab, number, pass, pods, query, scale};

const HUB: &str = "198.18.1.20";
const OTHER: &str = "198.18.2.20";

#[tokio::test(start_paused = true)]
async fn there_is_history_and_the_guides_queries_have_answers() {
    let lab = lab(&[]);
    assert_eq!(get(&lab, HUB, 9090, "/-/ready").await, (200, "Prometheus Server is Ready.\n".into()));
    let rate = number(&lab, HUB, r#"sum(rate(istio_requests_total{reporter="source"}[5m]))"#).await.unwrap();
    assert!(rate > 1.0, "{rate}");
    for (from, to) in [("primary", "secondary"), ("secondary", "primary")] {
        let text = format!(
            r#"sum(rate(istio_requests_total{{reporter="source",source_cluster="{from}-cluster",destination_cluster="{to}-cluster"}}[5m]))"#
        );
        assert!(number(&lab, HUB, &text).await.unwrap() > 0.1, "{text}");
    }
    assert!(
        number(
            &lab,
            HUB,
            "histogram_quantile(0.99, sum by (le) (rate(istio_request_duration_milliseconds_bucket[5m])))"
        )
        .await
        .unwrap()
            > 10.0
    );
    assert_eq!(number(&lab, HUB, r#"count(up{job="kubernetes-pods",cluster=""} == 1)"#).await, Some(11.0));
    assert!(
        number(&lab, HUB, r#"count(up{job="kubernetes-pods",cluster="secondary-cluster"} == 1)"#).await.unwrap() >= 4.0
    );
    let bad = query(&lab, HUB, "rate(istio_requests_total[5m]) by (cluster)").await;
    assert_eq!((bad["status"].as_str(), bad["errorType"].as_str()), (Some("error"), Some("bad_data")));
    let age = number(&lab, HUB, r#"time() - max(timestamp(up{cluster="secondary-cluster"}))"#).await.unwrap();
    assert!(age < 10.0, "{age}");
    let empty = query(&lab, HUB, "nothing").await;
    assert_eq!(empty["data"]["result"].as_array().map(Vec::len), Some(0));
}

#[tokio::test(start_paused = true)]
async fn traffic_is_counted() {
    let lab = lab(&[]);
    pass(6.0).await;
    let count = r#"sum(istio_requests_total{reporter="source"})"#;
    let before = number(&lab, HUB, count).await.unwrap();
    for _ in 0..50 {
        get(&lab, "198.18.1.10", 80, REVIEWS).await;
    }
    pass(12.0).await;
    let after = number(&lab, HUB, count).await.unwrap();
    assert!((after - before - 50.0).abs() < 0.5, "{before} {after}");
}

#[tokio::test(start_paused = true)]
async fn a_target_that_is_gone_goes_stale_and_never_down() {
    let lab = lab(&[]);
    let up = r#"up{job="kubernetes-pods",app="istio-ingressgateway",cluster=""}"#;
    assert_eq!(number(&lab, HUB, up).await, Some(1.0));
    scale(&lab, "primary", "istio-system", "istio-ingressgateway", 0).await;
    pass(25.0).await;
    assert_eq!(number(&lab, HUB, up).await, None);
    assert_eq!(number(&lab, HUB, &format!("absent({up} == 1)")).await, Some(1.0));
}

#[tokio::test(start_paused = true)]
async fn federated_series_linger_for_five_minutes() {
    let lab = lab(&[]);
    let far = r#"sum(up{cluster="secondary-cluster"})"#;
    scale(&lab, "secondary", "istio-system", "prometheus", 0).await;
    pass(30.0).await;
    assert_eq!(number(&lab, HUB, r#"up{job="federate-peer"}"#).await, Some(0.0));
    assert!(number(&lab, HUB, far).await.is_some());
    pass(240.0).await;
    assert!(number(&lab, HUB, far).await.is_some());
    pass(60.0).await;
    assert_eq!(number(&lab, HUB, far).await, None);
    assert!(lab.dial(OTHER, 9090).await.is_err());
}

async fn state(lab: &meshdrill_lab::Lab, name: &str) -> String {
    let (_, body) = get(lab, HUB, 9090, "/api/v1/rules").await;
    let value: serde_json::Value = serde_json::from_str(&body).unwrap();
    let rules = value["data"]["groups"][0]["rules"].as_array().cloned().unwrap_or_default();
    rules.iter().find(|r| r["name"] == name).and_then(|r| r["state"].as_str()).unwrap_or("").to_owned()
}

#[tokio::test(start_paused = true)]
async fn an_absent_rule_fires_after_its_time_and_reaches_the_receiver() {
    let lab = lab(&[]);
    assert_eq!(state(&lab, "IstiodDown").await, "inactive");
    scale(&lab, "primary", "istio-system", "istiod", 0).await;
    pass(20.0).await;
    assert_eq!(state(&lab, "IstiodDown").await, "pending");
    pass(120.0).await;
    assert_eq!(state(&lab, "IstiodDown").await, "firing");
    let ip = cluster_ip(&lab, "alertmanager").await;
    let (_, alerts) = get(&lab, &ip, 9093, "/api/v2/alerts?filter=alertname%3D%22IstiodDown%22").await;
    assert!(alerts.contains("IstiodDown") && alerts.contains("\"state\":\"active\""), "{alerts}");
    let oncall = cluster_ip(&lab, "oncall").await;
    let (_, got) = get(&lab, &oncall, 8080, "/alerts").await;
    assert!(got.contains("IstiodDown") && got.contains("\"firing\""), "{got}");
    scale(&lab, "primary", "istio-system", "istiod", 1).await;
    pass(30.0).await;
    assert_eq!(state(&lab, "IstiodDown").await, "inactive");
    let (_, got) = get(&lab, &oncall, 8080, "/alerts").await;
    assert!(got.contains("\"resolved\""), "{got}");
    assert_eq!(pods(&lab, "primary", "istio-system", "app=istiod").await.len(), 1);
}

async fn cluster_ip(lab: &meshdrill_lab::Lab, name: &str) -> String {
    let service = support::api(lab, "primary", &format!("/api/v1/namespaces/istio-system/services/{name}")).await;
    service["spec"]["clusterIP"].as_str().unwrap_or("").to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_restart_of_the_pod_does_not_reach_the_rules() {
    let lab = lab(&[]);
    let names = pods(&lab, "primary", "istio-system", "app=istio-ingressgateway").await;
    delete(&lab, "primary", "istio-system", &names[0], Some(0)).await;
    pass(90.0).await;
    assert_eq!(state(&lab, "IngressGatewayDown").await, "inactive");
}
