//! One cluster: requests with a deadline, with JSON answers.

use std::time::Duration;

use indexmap::IndexMap;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::timeout;

use super::AccessError;
use super::permission::Granted;
use super::shared::Shared;
use crate::format::{ClusterSpec, Gateway};

/// The user agent of writes; the API server takes the field manager (`object::MANAGER`) from it.
const AGENT: &str = concat!("meshdrill/", env!("CARGO_PKG_VERSION"));
/// The longest that one request may take.
pub(super) const DEADLINE: Duration = Duration::from_secs(10);

/// A cluster of the mesh file and its client.
#[derive(Clone)]
pub struct Cluster {
    /// Its key in the mesh file.
    pub key: String,
    /// Its entry in the mesh file.
    pub spec: ClusterSpec,
    /// The gateways that the inventory lists for it, by name; empty without an inventory.
    pub gateways: IndexMap<String, Gateway>,
    /// The client.
    pub client: kube::Client,
    /// Whether its API server has an address of this machine: through a tunnel, or in a local cluster.
    pub(super) on_loopback: bool,
    /// Whether it is a cluster of a served lab, by the label of its namespace kube-system.
    pub lab: bool,
    /// The address of the API server, and the proxy before it.
    pub(super) address: String,
    /// The permissions that the API server has confirmed for the credentials.
    pub(super) granted: Granted,
    /// What the checks of a suite share.
    pub(crate) shared: Shared,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster").field("key", &self.key).finish_non_exhaustive()
    }
}

impl Cluster {
    /// Whether its API server is reached over loopback: through a tunnel, or in a local cluster.
    pub(crate) const fn is_on_loopback(&self) -> bool {
        self.on_loopback
    }

    /// Its cluster id in Istio.
    pub fn istio_id(&self) -> &str {
        self.spec.istio_id(&self.key)
    }

    /// The pods of a namespace.
    pub fn pods(&self, namespace: &str) -> Api<Pod> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// Waits for a request of this cluster's client, at most 10 s, and explains a failure.
    pub async fn bounded<T>(&self, request: impl Future<Output = Result<T, kube::Error>>) -> Result<T, AccessError> {
        match timeout(DEADLINE, request).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(AccessError::from_kube(&self.key, &error).tried(&self.address)),
            Err(_) => {
                let (cluster, address) = (self.key.clone(), self.address.clone());
                Err(AccessError::Timeout { cluster, address, seconds: DEADLINE.as_secs() })
            }
        }
    }

    /// GET of a path of the API server.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, AccessError> {
        let request = http::Request::get(path).body(Vec::new()).map_err(|error| self.other(error))?;
        self.bounded(self.client.request(request)).await
    }

    /// GET of a path of the API server; none if the server answers 404.
    pub async fn find<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, AccessError> {
        match self.get(path).await {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// GET of a path of the API server, with the response headers.
    pub async fn get_with_headers(&self, path: &str) -> Result<(Value, http::HeaderMap), AccessError> {
        let request = http::Request::get(path).body(kube::client::Body::empty()).map_err(|error| self.other(error))?;
        let (head, body) = self.bounded(self.client.send(request)).await?.into_parts();
        let body = self.bounded(body.collect_bytes()).await?;
        if !head.status.is_success() {
            return Err(self.other(format!("GET {path} returned {}", head.status)));
        }
        let value = serde_json::from_slice(&body)
            .map_err(|error| self.other(format!("GET {path} did not return JSON: {error}")))?;
        Ok((value, head.headers))
    }

    /// A request with a JSON body.
    pub async fn send(&self, method: http::Method, path: &str, kind: &str, body: &Value) -> Result<Value, AccessError> {
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header(http::header::CONTENT_TYPE, kind)
            .header(http::header::USER_AGENT, AGENT)
            .body(body.to_string().into_bytes())
            .map_err(|error| self.other(error))?;
        self.bounded(self.client.request(request)).await
    }

    /// A JSON merge patch (RFC 7396) of the object at a path.
    pub async fn merge_patch(&self, path: &str, patch: &Value) -> Result<Value, AccessError> {
        self.send(http::Method::PATCH, path, "application/merge-patch+json", patch).await
    }

    /// DELETE of the object at a path, with `DeleteOptions`; an object that is already gone is no error.
    pub async fn delete(&self, path: &str, options: &Value) -> Result<(), AccessError> {
        match self.send(http::Method::DELETE, path, "application/json", options).await {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }

    /// An error of this cluster without a kind of its own.
    pub fn other(&self, why: impl std::fmt::Display) -> AccessError {
        AccessError::Other { cluster: self.key.clone(), why: why.to_string() }
    }
}

/// Percent-encodes a query value, or a part of a path.
pub(crate) fn encode(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}
