//! Shared by the tests: an HTTP client over `Lab::dial`, a kube client, and an open-loop prober.
#![allow(dead_code, reason = "every test binary uses its part")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use meshdrill_lab::{Lab, LabConfig, LabMesh};
use serde_json::Value;
use tokio::io::AsyncReadExt as _;
use tokio::time::{Instant, sleep_until, timeout};

/// A lab of two clusters with defects.
pub fn lab(defects: &[&str]) -> Lab {
    let defects = defects.iter().map(|d| d.parse().expect("a known defect")).collect();
    Lab::start(LabConfig { defects, ..LabConfig::default() }).expect("the lab starts")
}

/// A lab with a mesh and defects.
pub fn mesh(mesh: LabMesh, defects: &[&str]) -> Lab {
    let defects = defects.iter().map(|d| d.parse().expect("a known defect")).collect();
    Lab::start(LabConfig { mesh, defects, ..LabConfig::default() }).expect("the lab starts")
}

/// One request on a connection of its own: status and body.
pub async fn request(
    lab: &Lab,
    method: &str,
    host: &str,
    port: u16,
    path: &str,
    body: Option<(&str, Value)>,
) -> std::io::Result<(u16, String)> {
    request_of(lab, method, (host, port), host, path, body).await
}

/// A GET with a Host header of its own.
pub async fn get_of(lab: &Lab, at: (&str, u16), host: &str, path: &str) -> (u16, String) {
    request_of(lab, "GET", at, host, path, None).await.expect("an answer")
}

async fn request_of(
    lab: &Lab,
    method: &str,
    at: (&str, u16),
    host: &str,
    path: &str,
    body: Option<(&str, Value)>,
) -> std::io::Result<(u16, String)> {
    let stream = lab.dial(at.0, at.1).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(std::io::Error::other)?;
    tokio::spawn(connection);
    let mut request = http::Request::builder().method(method).uri(path).header("host", host);
    if let Some((kind, _)) = &body {
        request = request.header("content-type", *kind);
    }
    let bytes = body.map(|(_, value)| value.to_string()).unwrap_or_default();
    let request = request.body(Full::new(bytes::Bytes::from(bytes))).expect("a request");
    let response = sender.send_request(request).await.map_err(std::io::Error::other)?;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.map_err(std::io::Error::other)?.to_bytes();
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

pub async fn get(lab: &Lab, host: &str, port: u16, path: &str) -> (u16, String) {
    request(lab, "GET", host, port, path, None).await.expect("an answer")
}

/// A GET to the API server of a cluster.
pub async fn api(lab: &Lab, cluster: &str, path: &str) -> Value {
    let (_, body) = get(lab, &format!("api.{cluster}.lab"), 6443, path).await;
    serde_json::from_str(&body).unwrap_or(Value::Null)
}

/// A write to the API server of a cluster.
pub async fn write(lab: &Lab, cluster: &str, method: &str, path: &str, kind: &str, body: Value) -> (u16, Value) {
    let (status, body) =
        request(lab, method, &format!("api.{cluster}.lab"), 6443, path, Some((kind, body))).await.expect("an answer");
    (status, serde_json::from_str(&body).unwrap_or(Value::Null))
}

pub const MERGE: &str = "application/merge-patch+json";

/// The load balancer address of a Service.
pub async fn balancer(lab: &Lab, cluster: &str, namespace: &str, name: &str) -> String {
    let service = api(lab, cluster, &format!("/api/v1/namespaces/{namespace}/services/{name}")).await;
    service["status"]["loadBalancer"]["ingress"][0]["ip"].as_str().unwrap_or_default().to_owned()
}

/// The proxies that the istiods of a cluster list, with the cluster of each, over all their pods.
pub async fn synced(lab: &Lab, cluster: &str) -> Vec<(String, String)> {
    let system: kube::Api<k8s_openapi::api::core::v1::Pod> =
        kube::Api::namespaced(client(lab, cluster), "istio-system");
    let mut found = Vec::new();
    for pod in pods(lab, cluster, "istio-system", "app=istiod").await {
        let (out, _, _) =
            exec(&system, &pod, "discovery", &["pilot-discovery", "request", "GET", "/debug/syncz"]).await;
        let list: Value = serde_json::from_str(&out).unwrap_or_default();
        let text = |entry: &Value, key: &str| entry[key].as_str().unwrap_or_default().to_owned();
        found.extend(list.as_array().into_iter().flatten().map(|one| (text(one, "proxy"), text(one, "cluster_id"))));
    }
    found.sort();
    found
}

/// The pods with a proxy in a cluster, as istiod names them.
pub async fn proxies(lab: &Lab, cluster: &str) -> Vec<String> {
    let list = api(lab, cluster, "/api/v1/pods").await;
    let text = |pod: &Value, at: &str| pod.pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut names: Vec<String> = list["items"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|pod| pod.to_string().contains("\"name\":\"istio-proxy\""))
        .map(|pod| format!("{}.{}", text(pod, "/metadata/name"), text(pod, "/metadata/namespace")))
        .collect();
    names.sort();
    names
}

/// The clusters that answered requests to a path, by how often.
pub async fn responders(lab: &Lab, at: &str, host: &str, path: &str, field: &str) -> BTreeMap<String, usize> {
    let mut counted = BTreeMap::new();
    for _ in 0..120 {
        let (status, body) = get_of(lab, (at, 80), host, path).await;
        let body: Value = serde_json::from_str(&body).unwrap_or_default();
        let cluster = body.pointer(field).and_then(Value::as_str).map_or_else(|| status.to_string(), str::to_owned);
        *counted.entry(cluster).or_default() += 1;
    }
    counted
}

/// Names of the pods that match a selector.
pub async fn pods(lab: &Lab, cluster: &str, namespace: &str, selector: &str) -> Vec<String> {
    let list = api(lab, cluster, &format!("/api/v1/namespaces/{namespace}/pods?labelSelector={selector}")).await;
    list["items"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|p| p["metadata"]["name"].as_str().map(str::to_owned))
        .collect()
}

pub async fn scale(lab: &Lab, cluster: &str, namespace: &str, name: &str, replicas: i64) {
    let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments/{name}/scale");
    let (status, _) =
        write(lab, cluster, "PATCH", &path, MERGE, serde_json::json!({"spec": {"replicas": replicas}})).await;
    assert_eq!(status, 200);
}

pub async fn delete(lab: &Lab, cluster: &str, namespace: &str, pod: &str, grace: Option<i64>) {
    let options = grace.map_or_else(|| serde_json::json!({}), |g| serde_json::json!({"gracePeriodSeconds": g}));
    let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}");
    let (status, _) = write(lab, cluster, "DELETE", &path, "application/json", options).await;
    assert_eq!(status, 200);
}

/// One sample of the prober.
#[derive(Debug, Clone)]
pub struct Sample {
    /// When it was due, from the prober's start.
    pub at: Duration,
    pub took: Duration,
    /// 0 without a response.
    pub status: u16,
    pub body: String,
}

impl Sample {
    pub fn good(&self) -> bool {
        self.status == 200 && self.took < Duration::from_millis(500)
    }
}

/// Requests `path` at a steady rate, open loop; `finish` returns the samples.
pub struct Prober {
    task: tokio::task::JoinHandle<Vec<tokio::task::JoinHandle<Sample>>>,
}

impl Prober {
    pub fn start(lab: &Lab, host: &str, path: &'static str, every: Duration, count: u32) -> Self {
        let (lab, host) = (lab.clone(), host.to_owned());
        let task = tokio::spawn(async move {
            let begun = Instant::now();
            let mut samples = Vec::new();
            for i in 0..count {
                let due = begun + every * i;
                sleep_until(due).await;
                let (lab, host) = (lab.clone(), host.clone());
                samples.push(tokio::spawn(async move {
                    let answer = timeout(Duration::from_secs(5), request(&lab, "GET", &host, 80, path, None)).await;
                    let (status, body) = answer.ok().and_then(Result::ok).unwrap_or((0, String::new()));
                    Sample { at: due - begun, took: due.elapsed(), status, body }
                }));
            }
            samples
        });
        Self { task }
    }

    pub async fn finish(self) -> Vec<Sample> {
        let mut out = Vec::new();
        for sample in self.task.await.expect("the prober") {
            out.push(sample.await.expect("a sample"));
        }
        out
    }
}

/// Number of bad samples, and the time from the first to the last of them.
pub fn outage(samples: &[Sample]) -> (usize, Duration) {
    let bad: Vec<_> = samples.iter().filter(|s| !s.good()).collect();
    let span = match (bad.first(), bad.last()) {
        (Some(first), Some(last)) => last.at.saturating_sub(first.at),
        _ => Duration::ZERO,
    };
    (bad.len(), span)
}

pub const REVIEWS: &str = "/api/v1/products/0/reviews";

/// Waits on the lab's clock.
pub async fn pass(seconds: f64) {
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
}

/// A kube client whose connections are the lab's.
pub fn client(lab: &Lab, cluster: &str) -> kube::Client {
    let (lab, host) = (lab.clone(), format!("api.{cluster}.lab"));
    let service = tower::service_fn(move |mut request: http::Request<kube::client::Body>| {
        let (lab, host) = (lab.clone(), host.clone());
        async move {
            let stream = lab.dial(&host, 6443).await?;
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(std::io::Error::other)?;
            tokio::spawn(connection.with_upgrades());
            if let Ok(value) = host.parse() {
                request.headers_mut().insert("host", value);
            }
            sender.send_request(request).await.map_err(std::io::Error::other)
        }
    });
    kube::Client::new(service, "default")
}

/// The value of an instant query at a cluster's Prometheus.
pub async fn query(lab: &Lab, prometheus: &str, text: &str) -> Value {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    let (_, body) = get(lab, prometheus, 9090, &format!("/api/v1/query?query={encoded}")).await;
    serde_json::from_str(&body).unwrap_or(Value::Null)
}

/// The single value of a query; `None` for an empty result.
pub async fn number(lab: &Lab, prometheus: &str, text: &str) -> Option<f64> {
    query(lab, prometheus, text).await["data"]["result"][0]["value"][1].as_str()?.parse().ok()
}

/// Runs a command: standard output, standard error and the exit status.
pub async fn exec(
    api: &kube::Api<k8s_openapi::api::core::v1::Pod>,
    pod: &str,
    container: &str,
    command: &[&str],
) -> (String, String, Option<kube::core::Status>) {
    let mut session =
        api.exec(pod, command.iter().copied(), &kube::api::AttachParams::default().container(container)).await.unwrap();
    let (mut out, mut err) = (session.stdout().unwrap(), session.stderr().unwrap());
    let status = session.take_status().unwrap();
    let (mut a, mut b) = (String::new(), String::new());
    let (x, y, status) = tokio::join!(out.read_to_string(&mut a), err.read_to_string(&mut b), status);
    x.unwrap();
    y.unwrap();
    let status = status.map(|s| serde_json::from_value(serde_json::to_value(s).unwrap()).unwrap());
    (a, b, status)
}
