//! Clients for the contexts of a mesh file, from a kubeconfig or from the lab.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo};
use indexmap::IndexMap;
use meshdrill_lab::Lab;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tower::{Layer as _, Service};

use super::access::DEADLINE;
use super::kubeconfig::from_file;
use super::permission::Granted;
use super::plugin::Plugins;
use super::renewal::{Origin, Renewing};
use super::retry_after::RetryAfterLayer;
use super::shared::Shared;
use super::warnings::HeedWarningsLayer;
use super::{AccessError, Cluster, Object};
use crate::format::{ClusterSpec, Gateway, MeshSpec};
use crate::net::ByteStream;

/// The namespace whose UID identifies its cluster.
const SYSTEM: &str = "/api/v1/namespaces/kube-system";
/// The label of that namespace in the clusters of a served lab: runs against them are lab runs.
pub const LAB_LABEL: &str = "meshdrill.io/lab";
/// Its value.
pub const LAB_VALUE: &str = "true";

/// Where contexts come from. All runs of a process share one client per context, so that a credential plugin runs once
/// and a permission that the API server has just confirmed is not checked again.
#[derive(Clone)]
pub struct Kubeconfigs {
    source: Source,
    known: Arc<Mutex<HashMap<String, Access>>>,
    /// One lock per context, held while its client is made: runs that start together make one client.
    opening: Arc<Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>>,
    plugins: Plugins,
}

impl fmt::Debug for Kubeconfigs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kubeconfigs").finish_non_exhaustive()
    }
}

#[derive(Clone)]
enum Source {
    File(Option<PathBuf>),
    Lab(Lab),
}

/// What all runs share per context.
#[derive(Clone)]
struct Access {
    client: kube::Client,
    granted: Granted,
    shared: Shared,
    /// Whether the API server has an address of this machine.
    on_loopback: bool,
    /// The address of the API server, and the proxy before it.
    address: String,
}

impl From<Source> for Kubeconfigs {
    fn from(source: Source) -> Self {
        Self { source, known: Arc::default(), opening: Arc::default(), plugins: Plugins::default() }
    }
}

impl Kubeconfigs {
    /// A kubeconfig file, or the files of `KUBECONFIG` and `~/.kube/config`.
    pub fn file(path: Option<PathBuf>) -> Self {
        Self::from(Source::File(path))
    }

    /// The lab.
    pub fn lab(lab: Lab) -> Self {
        Self::from(Source::Lab(lab))
    }

    /// The same for another tokio runtime: with clients of its own, and what the credential plugins have returned.
    #[must_use]
    pub fn for_another_runtime(&self) -> Self {
        Self { plugins: self.plugins.clone(), ..Self::from(self.source.clone()) }
    }

    /// Forgets what the checks of a suite have shared.
    pub fn forget_shared(&self) {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.values().for_each(|access| access.shared.clear());
    }

    fn known(&self, context: &str) -> Option<Access> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(context).cloned()
    }

    /// A new client, unless another run has replaced `known` in the meantime.
    async fn open(&self, key: &str, spec: &ClusterSpec, known: Option<&Access>) -> Result<Access, AccessError> {
        let turn = Arc::clone(
            self.opening.lock().unwrap_or_else(PoisonError::into_inner).entry(spec.context.clone()).or_default(),
        );
        let _turn = turn.lock().await;
        if let Some(access) = self.known(&spec.context)
            && known.is_none_or(|known| !access.granted.is_same(&known.granted))
        {
            return Ok(access);
        }
        let (client, (on_loopback, address)) = match &self.source {
            Source::File(path) => {
                let made = from_file(path.as_deref(), key, spec, &self.plugins).await?;
                let plugins = self.plugins.clone();
                let origin = Origin { path: path.clone(), key: key.to_owned(), spec: spec.clone(), plugins };
                let namespace = made.client.default_namespace().to_owned();
                let seen = (made.on_loopback, made.address.clone());
                let service = HeedWarningsLayer.layer(RetryAfterLayer(DEADLINE).layer(Renewing::new(made, origin)));
                (kube::Client::new(service, namespace), seen)
            }
            Source::Lab(lab) => (from_lab(lab, key, spec)?, (false, "the lab".to_owned())),
        };
        let access = Access { client, granted: Granted::default(), shared: Shared::default(), on_loopback, address };
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(spec.context.clone(), access.clone());
        Ok(access)
    }
}

/// Connects to one cluster and checks that its kube-system UID is the one that the mesh file pins.
pub async fn connect(configs: &Kubeconfigs, key: &str, spec: &ClusterSpec) -> Result<Arc<Cluster>, AccessError> {
    connect_with(configs, key, spec, IndexMap::new()).await
}

/// Connects to a cluster of a mesh file, with the gateways that its inventory lists for it.
pub async fn connect_in(configs: &Kubeconfigs, key: &str, mesh: &MeshSpec) -> Result<Arc<Cluster>, AccessError> {
    let spec = mesh.clusters.get(key).ok_or_else(|| AccessError::unknown(key))?;
    connect_with(configs, key, spec, mesh.gateways_of(key)).await
}

async fn connect_with(
    configs: &Kubeconfigs,
    key: &str,
    spec: &ClusterSpec,
    gateways: IndexMap<String, Gateway>,
) -> Result<Arc<Cluster>, AccessError> {
    let of = |Access { client, granted, shared, on_loopback, address }: Access| {
        Arc::new(Cluster {
            key: key.to_owned(),
            spec: spec.clone(),
            gateways: gateways.clone(),
            client,
            on_loopback,
            lab: false,
            address,
            granted,
            shared,
        })
    };
    let known = configs.known(&spec.context);
    let asked = match &known {
        Some(access) => {
            let cluster = of(access.clone());
            // The runs of a suite ask once: they begin within seconds.
            let namespace = cluster.shared.read(SYSTEM, async || cluster.get::<Object>(SYSTEM).await).await;
            Some(namespace.map(|namespace| (cluster, namespace.as_ref().clone())))
        }
        None => None,
    };
    let (cluster, namespace): (Arc<Cluster>, Object) = match asked {
        Some(Ok(asked)) => asked,
        Some(Err(error)) if !is_of_the_client(&error) => return Err(error),
        _ => {
            let cluster = of(configs.open(key, spec, known.as_ref()).await?);
            let namespace = cluster.get(SYSTEM).await?;
            (cluster, namespace)
        }
    };
    let marked = namespace.label(LAB_LABEL).is_some_and(|value| value == LAB_VALUE);
    let cluster = if marked { Arc::new(Cluster { lab: true, ..cluster.as_ref().clone() }) } else { cluster };
    let found = namespace.uid();
    match &spec.uid {
        Some(pinned) if pinned != found => Err(AccessError::WrongCluster {
            cluster: key.to_owned(),
            context: spec.context.clone(),
            found: found.to_owned(),
            pinned: pinned.clone(),
        }),
        _ => Ok(cluster),
    }
}

/// Whether a new client may help: the kubeconfig may have new credentials, and kept connections may be dead.
const fn is_of_the_client(error: &AccessError) -> bool {
    matches!(error, AccessError::Unauthorized { .. } | AccessError::Unreachable { .. } | AccessError::Timeout { .. })
}

fn from_lab(lab: &Lab, key: &str, spec: &ClusterSpec) -> Result<kube::Client, AccessError> {
    let known = lab.clusters();
    let Some(cluster) = known.iter().find(|cluster| cluster.context == spec.context) else {
        return Err(AccessError::NoContext {
            cluster: key.to_owned(),
            context: spec.context.clone(),
            known: known.iter().map(|cluster| cluster.context.as_str()).collect::<Vec<_>>().join(", "),
        });
    };
    let base: http::Uri = format!("http://{}:{}", cluster.api_host, cluster.api_port)
        .parse()
        .map_err(|error| AccessError::Other { cluster: key.to_owned(), why: format!("{error}") })?;
    let http = hyper_util::client::legacy::Client::builder(TokioExecutor::new())
        .build::<_, kube::client::Body>(LabConnector { lab: lab.clone() });
    let service = kube::client::middleware::BaseUriLayer::new(base).layer(http);
    Ok(kube::Client::new(HeedWarningsLayer.layer(service), "default"))
}

/// Opens connections inside the lab for an HTTP client.
#[derive(Clone)]
struct LabConnector {
    lab: Lab,
}

impl Service<http::Uri> for LabConnector {
    type Response = TokioIo<LabConnection>;
    type Error = std::io::Error;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: http::Uri) -> Self::Future {
        let lab = self.lab.clone();
        Box::pin(async move {
            let port = uri.port_u16().unwrap_or(80);
            let stream = lab.dial(uri.host().unwrap_or_default(), port).await?;
            Ok(TokioIo::new(LabConnection(Box::new(stream))))
        })
    }
}

struct LabConnection(Box<dyn ByteStream>);

impl Connection for LabConnection {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for LabConnection {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for LabConnection {
    fn poll_write(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        std::pin::Pin::new(&mut self.0).poll_write(cx, data)
    }

    fn poll_flush(mut self: std::pin::Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: std::pin::Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
