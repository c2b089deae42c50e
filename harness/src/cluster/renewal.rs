//! Credentials that last as long as a run: each request has those of now, and on a 401 the kubeconfig is read and its plugin run
//! again, at once and then with growing pauses, and the request is repeated with what that gives.

use std::path::PathBuf;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt as _};
use http::HeaderValue;
use http::header::AUTHORIZATION;
use kube::client::{AuthError, Body};
use tokio::sync::Mutex;
use tokio::time::Instant;
use tower::Service;

use super::AccessError;
use super::credentials::CredentialSource;
use super::kubeconfig::{Made, from_file};
use super::plugin::Plugins;
use crate::format::ClusterSpec;

/// The longest pause between two renewals that did not help.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// Where a client comes from.
#[derive(Clone)]
pub(super) struct Origin {
    pub path: Option<PathBuf>,
    pub key: String,
    pub spec: ClusterSpec,
    pub plugins: Plugins,
}

/// The service of a client whose credentials are renewed.
#[derive(Clone)]
pub(super) struct Renewing {
    origin: Arc<Origin>,
    state: Arc<Mutex<State>>,
}

/// A client and the credentials that it does not have itself.
#[derive(Clone)]
struct Current {
    client: kube::Client,
    source: CredentialSource,
    /// The run of the plugin that returned the client certificate of the client.
    identity: Option<u64>,
}

impl From<Made> for Current {
    fn from(Made { client, source, identity, .. }: Made) -> Self {
        Self { client, source, identity }
    }
}

struct State {
    current: Current,
    /// How many renewals in a row did not help.
    failures: u32,
    /// How many there were in all.
    renewals: u64,
    last: Option<Instant>,
}

impl State {
    /// Whether the pause after renewals that did not help is over.
    fn may_renew(&self) -> bool {
        let pause = Duration::from_secs(1) * 2u32.saturating_pow(self.failures.min(6));
        self.failures == 0 || self.last.is_none_or(|last| last.elapsed() >= pause.min(LONGEST_PAUSE))
    }
}

/// How a request went.
struct Sent {
    answer: Result<http::Response<Body>, kube::Error>,
    /// The run of the plugin whose credentials it had.
    number: Option<u64>,
}

impl Sent {
    fn is_rejected(&self) -> bool {
        match &self.answer {
            Ok(answer) => answer.status() == http::StatusCode::UNAUTHORIZED,
            Err(kube::Error::Auth(_)) => true,
            Err(_) => false,
        }
    }
}

impl Renewing {
    /// Around a client that was just made.
    pub fn new(made: Made, origin: Origin) -> Self {
        let state = State { current: made.into(), failures: 0, renewals: 0, last: None };
        Self { origin: Arc::new(origin), state: Arc::new(Mutex::new(state)) }
    }

    async fn send(&self, request: http::Request<Body>) -> Result<http::Response<Body>, kube::Error> {
        let (current, renewals) = {
            let state = self.state.lock().await;
            (state.current.clone(), state.renewals)
        };
        let (head, body) = request.into_parts();
        let again = body.try_clone().map(|copy| http::Request::from_parts(head.clone(), copy));
        let sent = self.send_once(current.clone(), http::Request::from_parts(head, body)).await;
        let (true, Some(again)) = (sent.is_rejected(), again) else { return sent.answer };
        let Some(renewed) = self.renewed(renewals, &current, sent.number).await else { return sent.answer };
        let sent = self.send_once(renewed, again).await;
        let mut state = self.state.lock().await;
        state.failures = if sent.is_rejected() { state.failures.saturating_add(1) } else { 0 };
        sent.answer
    }

    /// Sends a request with the credentials as they are now.
    async fn send_once(&self, current: Current, mut request: http::Request<Body>) -> Sent {
        let failed = |why| Sent { answer: Err(kube::Error::Auth(AuthError::AuthExec(why))), number: None };
        let credentials = match current.source.credentials().await {
            Ok(credentials) => credentials,
            Err(why) => return failed(why),
        };
        let number = credentials.number;
        let client = if credentials.identity.is_some() && current.identity != number {
            match self.with_identity(number).await {
                Ok(client) => client,
                Err(error) => return failed(error.to_string()),
            }
        } else {
            current.client
        };
        if let Some(token) = credentials.token {
            let Ok(mut value) = HeaderValue::try_from(format!("Bearer {token}")) else {
                return failed("the token has a character that no HTTP header can have".to_owned());
            };
            value.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        Sent { answer: client.send(request).await, number }
    }

    /// A client with the client certificate of a run of the plugin, made once for all requests.
    async fn with_identity(&self, number: Option<u64>) -> Result<kube::Client, AccessError> {
        let mut state = self.state.lock().await;
        if state.current.identity != number {
            state.current = self.origin.make().await?.into();
        }
        Ok(state.current.client.clone())
    }

    /// A client with new credentials, made once for all requests that were rejected together; none within a pause.
    async fn renewed(&self, seen: u64, rejected: &Current, number: Option<u64>) -> Option<Current> {
        let mut state = self.state.lock().await;
        if state.renewals != seen {
            return Some(state.current.clone());
        }
        if !state.may_renew() {
            return None;
        }
        state.last = Some(Instant::now());
        rejected.source.reject(number);
        if let Ok(made) = self.origin.make().await {
            state.current = made.into();
            state.renewals += 1;
            Some(state.current.clone())
        } else {
            state.failures = state.failures.saturating_add(1);
            None
        }
    }
}

impl Origin {
    async fn make(&self) -> Result<Made, AccessError> {
        from_file(self.path.as_deref(), &self.key, &self.spec, &self.plugins).await
    }
}

impl Service<http::Request<Body>> for Renewing {
    type Response = http::Response<Body>;
    type Error = kube::Error;
    type Future = BoxFuture<'static, Result<Self::Response, kube::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), kube::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let this = self.clone();
        async move { this.send(request).await }.boxed()
    }
}
