//! Clients of a kubeconfig: what kubectl accepts is accepted, and what is missing of it is named.

use std::path::{Path, PathBuf};

use kube::config::{KubeConfigOptions, Kubeconfig};

use super::AccessError;
use super::credentials::{CredentialSource, check_certificate, check_impersonation, put_identity};
use super::error::chain;
use super::plugin::Plugins;
use crate::format::ClusterSpec;
use crate::net::{is_loopback, without_userinfo};

/// A client of a kubeconfig.
pub(super) struct Made {
    pub client: kube::Client,
    /// Whether its API server has an address of this machine.
    pub on_loopback: bool,
    /// The address of the API server, and the proxy before it.
    pub address: String,
    /// The credentials that are sent with each request.
    pub source: CredentialSource,
    /// The run of the plugin that returned the client certificate of the client.
    pub identity: Option<u64>,
}

/// The kubeconfig as kubectl reads it: one file that was named, or the files of `KUBECONFIG` of which some may be missing, or
/// `~/.kube/config`.
fn read_kubeconfig(path: Option<&Path>) -> Result<Kubeconfig, AccessError> {
    let wrong = |error: kube::config::KubeconfigError| AccessError::Kubeconfig(chain(&error));
    let listed = std::env::var_os("KUBECONFIG").filter(|list| !list.is_empty());
    let (None, Some(list)) = (path, listed) else {
        return path.map_or_else(Kubeconfig::read, Kubeconfig::read_from).map_err(wrong);
    };
    let named: Vec<PathBuf> = std::env::split_paths(&list).filter(|path| !path.as_os_str().is_empty()).collect();
    let mut files = named.iter().filter(|path| path.exists());
    let Some(first) = files.next() else {
        let named = named.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
        return Err(AccessError::Kubeconfig(format!("none of the files of KUBECONFIG exists: {named}")));
    };
    let first = Kubeconfig::read_from(first).map_err(wrong)?;
    files.try_fold(first, |merged, file| merged.merge(Kubeconfig::read_from(file)?)).map_err(wrong)
}

/// What a context names, and what is missing of it.
fn check_context(kubeconfig: &Kubeconfig, key: &str, name: &str) -> Result<Option<String>, AccessError> {
    let context = kubeconfig.contexts.iter().find(|context| context.name == name).and_then(|one| one.context.as_ref());
    let Some(context) = context else { return Ok(None) };
    let missing = |kind: &str, name: &str, known: Vec<&str>| AccessError::Credentials {
        cluster: key.to_owned(),
        context: name.to_owned(),
        why: format!(
            "the kubeconfig has no {kind} `{name}` (it has {})",
            if known.is_empty() { "none".to_owned() } else { known.join(", ") }
        ),
    };
    let cluster = kubeconfig.clusters.iter().find(|cluster| cluster.name == context.cluster);
    let Some(cluster) = cluster else {
        let known = kubeconfig.clusters.iter().map(|one| one.name.as_str()).collect();
        return Err(missing("cluster", &context.cluster, known));
    };
    if let Some(user) = context.user.as_ref().filter(|user| !user.is_empty())
        && !kubeconfig.auth_infos.iter().any(|one| one.name == *user)
    {
        return Err(missing("user", user, kubeconfig.auth_infos.iter().map(|one| one.name.as_str()).collect()));
    }
    Ok(cluster.cluster.as_ref().and_then(|cluster| cluster.proxy_url.clone()))
}

/// A client for a context.
pub(super) async fn from_file(
    path: Option<&Path>,
    key: &str,
    spec: &ClusterSpec,
    plugins: &Plugins,
) -> Result<Made, AccessError> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let kubeconfig = read_kubeconfig(path)?;
    if !kubeconfig.contexts.iter().any(|context| context.name == spec.context) {
        let known = kubeconfig.contexts.iter().map(|context| context.name.as_str()).collect::<Vec<_>>().join(", ");
        return Err(AccessError::NoContext {
            cluster: key.to_owned(),
            context: spec.context.clone(),
            known: if known.is_empty() { "none".to_owned() } else { known },
        });
    }
    let proxy = check_context(&kubeconfig, key, &spec.context)?;
    let options = KubeConfigOptions { context: Some(spec.context.clone()), ..KubeConfigOptions::default() };
    let mut config = kube::Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .map_err(|error| AccessError::Other { cluster: key.to_owned(), why: chain(&error) })?;
    config.connect_timeout = Some(std::time::Duration::from_secs(5));
    // `RetryAfter` repeats within the deadline of a request, and names what it waits for.
    config.default_retry = false;
    // A proxy of the environment would sit between the probe and what it measures; one of the kubeconfig is the way.
    if proxy.is_none() {
        config.proxy_url = None;
    }
    let through = proxy.map_or_else(String::new, |proxy| format!(" through the proxy {}", without_userinfo(&proxy)));
    let address = format!("{}{through}", config.cluster_url);
    let bad = |why| AccessError::Credentials { cluster: key.to_owned(), context: spec.context.clone(), why };
    check_impersonation(&config.auth_info).map_err(bad)?;
    check_certificate(&config.auth_info).map_err(bad)?;
    let source = CredentialSource::take(&mut config.auth_info, plugins).map_err(bad)?;
    let credentials = source.credentials().await.map_err(bad)?;
    put_identity(&mut config.auth_info, &credentials);
    let identity = credentials.identity.as_ref().and(credentials.number);
    let on_loopback = config.cluster_url.host().is_some_and(is_loopback);
    // An `auth-provider` may run a program, which blocks its thread.
    let made = tokio::task::spawn_blocking(|| kube::Client::try_from(config)).await;
    made.map_err(|error| AccessError::Other { cluster: key.to_owned(), why: error.to_string() })?
        .map(|client| Made { client, on_loopback, address, source, identity })
        .map_err(|error| AccessError::from_kube(key, &error))
}
