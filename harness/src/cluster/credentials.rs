//! The credentials of a user entry: what changes while a run goes on (plugins, token files) and what cannot be used.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kube::config::AuthInfo;
use meshdrill_checks::observe::certs::certificates;

use super::plugin::{Credential, Plugin, Plugins};

/// Where credentials come from that are not in the kubeconfig.
#[derive(Clone)]
pub(super) enum CredentialSource {
    /// The kubeconfig has them.
    Kubeconfig,
    /// A plugin.
    Plugin(Arc<Plugin>),
    /// A file with a bearer token.
    TokenFile(Arc<TokenFile>),
}

/// A bearer token in a file, read for each request. While the file cannot be read, the last token goes on, as in kubectl.
pub(super) struct TokenFile {
    path: PathBuf,
    last: Mutex<Option<String>>,
}

impl TokenFile {
    fn token(&self) -> Result<String, String> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match std::fs::read_to_string(&self.path) {
            Ok(text) if !text.trim().is_empty() => *last = Some(text.trim().to_owned()),
            Ok(_) if last.is_none() => return Err(format!("the token file {} is empty", self.path.display())),
            Err(error) if last.is_none() => return Err(format!("the token file {}: {error}", self.path.display())),
            _ => {}
        }
        Ok(last.clone().unwrap_or_default())
    }
}

/// What a request is sent with in addition to what the kubeconfig has.
#[derive(Default)]
pub(super) struct Credentials {
    /// The bearer token.
    pub token: Option<String>,
    /// The run of the plugin that they come from.
    pub number: Option<u64>,
    /// The client certificate and its key, as PEM.
    pub identity: Option<(String, String)>,
}

impl From<Credential> for Credentials {
    fn from(Credential { token, identity, number, .. }: Credential) -> Self {
        Self { token, number: Some(number), identity }
    }
}

impl CredentialSource {
    /// Takes it from a user entry. A token or a password there comes before a plugin, and a token file before a token.
    pub fn take(auth: &mut AuthInfo, plugins: &Plugins) -> Result<Self, String> {
        if let Some(path) = auth.token_file.take().filter(|path| !path.is_empty()) {
            // Serialized, because the client keeps it from being read.
            let last = serde_json::to_value(&*auth).ok().and_then(|auth| auth["token"].as_str().map(str::to_owned));
            (auth.token, auth.exec) = (None, None);
            return Ok(Self::TokenFile(Arc::new(TokenFile { path: PathBuf::from(path), last: Mutex::new(last) })));
        }
        match auth.exec.take() {
            Some(exec) if auth.token.is_none() && auth.username.is_none() => plugins.plugin(&exec).map(Self::Plugin),
            _ => Ok(Self::Kubeconfig),
        }
    }

    /// The credentials as they are now.
    pub async fn credentials(&self) -> Result<Credentials, String> {
        match self {
            Self::Kubeconfig => Ok(Credentials::default()),
            Self::Plugin(plugin) => plugin.credential().await.map(Credentials::from),
            Self::TokenFile(file) => {
                file.token().map(|token| Credentials { token: Some(token), ..Credentials::default() })
            }
        }
    }

    /// Discards the credentials of a plugin's run, which an API server has rejected.
    pub fn reject(&self, number: Option<u64>) {
        if let (Self::Plugin(plugin), Some(number)) = (self, number) {
            plugin.reject(number);
        }
    }
}

/// Puts the client certificate of a plugin into a user entry.
pub(super) fn put_identity(auth: &mut AuthInfo, credentials: &Credentials) {
    if let Some((certificate, key)) = &credentials.identity {
        auth.client_certificate_data = Some(STANDARD.encode(certificate));
        auth.client_key_data = Some(STANDARD.encode(key).into());
    }
}

/// Reports an impersonation that names no user; an API server rejects it.
pub(super) fn check_impersonation(auth: &AuthInfo) -> Result<(), String> {
    if auth.impersonate.as_ref().is_some_and(|user| !user.is_empty()) {
        return Ok(());
    }
    let groups = auth.impersonate_groups.as_ref().is_some_and(|groups| !groups.is_empty());
    let extra = auth.impersonate_user_extra.as_ref().is_some_and(|extra| !extra.is_empty());
    let uid = auth.impersonate_uid.as_ref().is_some_and(|uid| !uid.is_empty());
    let key =
        [(groups, "as-groups"), (uid, "as-uid"), (extra, "as-user-extra")].into_iter().find(|(is_set, _)| *is_set);
    key.map_or(Ok(()), |(_, key)| {
        Err(format!("the user entry has `{key}` without `as`; add the user to impersonate, or remove `{key}`"))
    })
}

/// Reports a client certificate of the kubeconfig that has expired. The API server answers it with nothing but "401".
pub(super) fn check_certificate(auth: &AuthInfo) -> Result<(), String> {
    let inline = auth.client_certificate_data.as_ref().map(|data| STANDARD.decode(data));
    let pem = match (inline, &auth.client_certificate) {
        (Some(decoded), _) => decoded.map_err(|error| format!("`client-certificate-data` is not base64: {error}"))?,
        (None, Some(path)) => std::fs::read(path).map_err(|error| format!("{path}: {error}"))?,
        (None, None) => return Ok(()),
    };
    let now = jiff::Timestamp::now();
    match certificates(&pem).first() {
        Some(certificate) if certificate.not_after < now => Err(format!(
            "the client certificate of {} expired on {:.0}; renew it",
            certificate.subject, certificate.not_after
        )),
        _ => Ok(()),
    }
}
