//! Credentials that last as long as a run: on a 401 the kubeconfig is read and its plugin run again, at once and then with
//! growing pauses, and the request is repeated with what that gives.

use std::path::PathBuf;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt as _};
use kube::client::Body;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tower::Service;

use super::kubeconfig::from_file;
use crate::format::ClusterSpec;

/// The longest pause between two renewals that did not help.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// Where a client comes from.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    pub path: Option<PathBuf>,
    pub key: String,
    pub spec: ClusterSpec,
}

/// The service of a client whose credentials are renewed.
#[derive(Clone)]
pub(super) struct Renewing {
    origin: Arc<Origin>,
    state: Arc<Mutex<State>>,
}

struct State {
    client: kube::Client,
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

impl Renewing {
    /// Around a client that was just made.
    pub fn new(client: kube::Client, origin: Origin) -> Self {
        let state = State { client, failures: 0, renewals: 0, last: None };
        Self { origin: Arc::new(origin), state: Arc::new(Mutex::new(state)) }
    }

    async fn send(&self, request: http::Request<Body>) -> Result<http::Response<Body>, kube::Error> {
        let (client, renewals) = {
            let state = self.state.lock().await;
            (state.client.clone(), state.renewals)
        };
        let (head, body) = request.into_parts();
        let again = body.try_clone().map(|copy| http::Request::from_parts(head.clone(), copy));
        let answer = client.send(http::Request::from_parts(head, body)).await;
        let rejected = match &answer {
            Ok(answer) => answer.status() == http::StatusCode::UNAUTHORIZED,
            Err(kube::Error::Auth(_)) => true,
            Err(_) => false,
        };
        let (true, Some(again)) = (rejected, again) else { return answer };
        let Some(renewed) = self.renewed(renewals).await else { return answer };
        let answer = renewed.send(again).await;
        let helped = answer.as_ref().is_ok_and(|answer| answer.status() != http::StatusCode::UNAUTHORIZED);
        let mut state = self.state.lock().await;
        state.failures = if helped { 0 } else { state.failures.saturating_add(1) };
        answer
    }

    /// A client with new credentials, made once for all requests that were rejected together; none within a pause.
    async fn renewed(&self, seen: u64) -> Option<kube::Client> {
        let mut state = self.state.lock().await;
        if state.renewals != seen {
            return Some(state.client.clone());
        }
        if !state.may_renew() {
            return None;
        }
        state.last = Some(Instant::now());
        let Origin { path, key, spec } = self.origin.as_ref();
        match from_file(path.as_deref(), key, spec).await {
            Ok(made) => {
                state.client = made.client;
                state.renewals += 1;
                Some(state.client.clone())
            }
            Err(_) => {
                state.failures = state.failures.saturating_add(1);
                None
            }
        }
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
