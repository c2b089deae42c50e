//! The applications: what helloworld, the bookinfo services and the stand-ins for dashboards answer.

use bytes::Bytes;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::call::{HttpAnswer, HttpCall, JSON, TEXT};
use crate::world::{Backend, Role};

/// What bookinfo shows in place of reviews that it cannot get.
pub(super) const SORRY: &str = r#"{"error":"Sorry, product reviews are currently unavailable for this book."}"#;

/// The port of the bookinfo services.
const BOOKINFO: u16 = 9080;

/// The application in a pod.
pub(super) struct Application {
    pub(super) role: Role,
    pub(super) pod: String,
    /// Istio's id of the cluster.
    pub(super) cluster: String,
    pub(super) version: String,
    /// The title of the product page.
    pub(super) title: String,
    /// The name of the application, and the services it requests.
    pub(super) app: String,
    pub(super) backends: Vec<Backend>,
}

/// The other services, as an application reaches them.
pub(super) trait Services: Sync {
    /// Status and body of a GET.
    fn get<'a>(&'a self, service: &'a str, port: u16, path: &'a str) -> BoxFuture<'a, (u16, Bytes)>;

    /// Counts a request to a service, with the cluster that answered it.
    fn count_request(&self, service: &str, destination: &str, status: u16, ms: f64);
}

impl Application {
    /// The answer to a request; none when nothing listens on the port.
    pub(super) async fn answer(&self, port: u16, call: &HttpCall, services: &dyn Services) -> Option<HttpAnswer> {
        Some(match (self.role, call.bare_path()) {
            (Role::Helloworld, "/hello") => {
                HttpAnswer::new(200, TEXT, format!("Hello version: {}, instance: {}\n", self.version, self.pod))
            }
            (Role::Ratings, "/ratings/0") => HttpAnswer::new(200, JSON, "{\"stars\":5}\n"),
            (Role::Details, "/details/0") => {
                HttpAnswer::new(200, JSON, "{\"id\":0,\"pages\":200,\"type\":\"paperback\"}\n")
            }
            (Role::Reviews, "/reviews/0") => self.reviews(services).await,
            (Role::Productpage, path) if path == "/productpage" || path.starts_with("/api/v1/products") => {
                return self.product_page(path, port, services).await;
            }
            (Role::Web(own), path) if own == port => self.web(path, services).await,
            (Role::Stub(_), _) => HttpAnswer::new(200, TEXT, format!("stub {} ok\n", self.pod)),
            _ => return self.default_answer(port),
        })
    }

    /// The answer to an unknown path.
    fn default_answer(&self, port: u16) -> Option<HttpAnswer> {
        let listens = matches!(
            (self.role, port),
            (Role::Productpage | Role::Reviews | Role::Ratings | Role::Details, 9080)
                | (Role::Helloworld, 5000)
                | (Role::Prometheus, 9533)
        );
        let role = format!("{:?}", self.role).to_lowercase();
        listens.then(|| HttpAnswer::new(200, TEXT, format!("{role} {} ok\n", self.pod)))
    }

    async fn product_page(&self, path: &str, port: u16, services: &dyn Services) -> Option<HttpAnswer> {
        let (status, body) = match path {
            "/productpage" => return Some(self.page(services).await),
            "/api/v1/products" => {
                return Some(HttpAnswer::new(
                    200,
                    JSON,
                    "[{\"id\":0,\"title\":\"The Comedy of Errors\",\"descriptionHtml\":\"<a href=\\\"https://en.wikipedia.org/wiki/The_Comedy_of_Errors\\\">Wikipedia Summary</a>\"}]\n",
                ));
            }
            "/api/v1/products/0" => services.get("details", BOOKINFO, "/details/0").await,
            "/api/v1/products/0/reviews" => self.request_reviews(services).await,
            "/api/v1/products/0/ratings" => services.get("ratings", BOOKINFO, "/ratings/0").await,
            _ => return self.default_answer(port),
        };
        Some(HttpAnswer::new(status, JSON, body))
    }

    /// An answer with the identity of the pod. A path that begins with the name of a backend has that backend's answer in it,
    /// and fails as it does.
    async fn web(&self, path: &str, services: &dyn Services) -> HttpAnswer {
        let mut body = json!({"app": self.app, "pod": self.pod, "cluster": self.cluster, "version": self.version});
        let first = path.trim_start_matches('/').split('/').next().unwrap_or_default();
        let Some(backend) = self.backends.iter().find(|backend| backend.name == first) else {
            return HttpAnswer::json(200, &body);
        };
        let rest = path.trim_start_matches('/').trim_start_matches(first);
        let rest = if rest.is_empty() { "/" } else { rest };
        let begun = Instant::now();
        let (status, answer) = services.get(&backend.host, backend.port, rest).await;
        let inner: Value = serde_json::from_slice(&answer).unwrap_or_default();
        let cluster = inner.get("cluster").and_then(Value::as_str).unwrap_or("unknown");
        services.count_request(&backend.host, cluster, status, begun.elapsed().as_secs_f64() * 1000.0);
        if status >= 500 {
            return HttpAnswer::json(status, &json!({"error": format!("{first}: status {status}")}));
        }
        body[first] = inner;
        HttpAnswer::json(status, &body)
    }

    async fn page(&self, services: &dyn Services) -> HttpAnswer {
        let (status, body) = self.request_reviews(services).await;
        let (detail, _) = services.get("details", BOOKINFO, "/details/0").await;
        let mut text = if status == 200 {
            String::from_utf8_lossy(&body).into_owned()
        } else {
            "Error fetching product reviews! Sorry, product reviews are currently unavailable for this book.".into()
        };
        if detail != 200 {
            text.push_str(" Error fetching product details!");
        }
        let title = &self.title;
        let page = format!("<!DOCTYPE html><html><head><title>{title}</title></head><body>{text}</body></html>\n");
        HttpAnswer::new(200, "text/html", page)
    }

    async fn reviews(&self, services: &dyn Services) -> HttpAnswer {
        let rating = if self.version == "v1" {
            String::new()
        } else {
            match services.get("ratings", BOOKINFO, "/ratings/0").await {
                (200, body) => format!(",\"rating\":{}", String::from_utf8_lossy(&body).trim()),
                _ => ",\"rating\":{\"error\":\"Ratings service is currently unavailable\"}".into(),
            }
        };
        let texts = [("Reviewer1", "An extremely entertaining play."), ("Reviewer2", "Absolutely fun.")];
        let list = texts.map(|(name, text)| format!("{{\"reviewer\":\"{name}\",\"text\":\"{text}\"{rating}}}"));
        let body = format!(
            "{{\"clustername\":\"{}\",\"id\":\"0\",\"podname\":\"{}\",\"reviews\":[{}]}}\n",
            self.cluster,
            self.pod,
            list.join(",")
        );
        HttpAnswer::new(200, JSON, body)
    }

    /// productpage requests reviews and counts the result.
    async fn request_reviews(&self, services: &dyn Services) -> (u16, Bytes) {
        let begun = Instant::now();
        let (status, body) = services.get("reviews", BOOKINFO, "/reviews/0").await;
        let text = std::str::from_utf8(&body).unwrap_or("");
        let destination =
            text.split_once("\"clustername\":\"").and_then(|(_, rest)| rest.split('"').next()).unwrap_or("unknown");
        services.count_request("reviews", destination, status, begun.elapsed().as_secs_f64() * 1000.0);
        (status, body)
    }
}
