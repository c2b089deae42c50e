//! `Warning` headers of an API server, noted for the observation that the answer is for.

use std::task::{Context, Poll};

use futures::future::{BoxFuture, FutureExt as _};
use tower::{Layer, Service};

use crate::notes::{note, of_headers};

/// Puts [`HeedWarnings`] around the service of a client.
#[derive(Debug, Clone, Copy)]
pub(super) struct HeedWarningsLayer;

impl<S> Layer<S> for HeedWarningsLayer {
    type Service = HeedWarnings<S>;

    fn layer(&self, inner: S) -> HeedWarnings<S> {
        HeedWarnings { inner }
    }
}

/// A service whose answers' warnings are noted.
#[derive(Debug, Clone)]
pub(super) struct HeedWarnings<S> {
    inner: S,
}

impl<S, Q, B> Service<http::Request<Q>> for HeedWarnings<S>
where
    S: Service<http::Request<Q>, Response = http::Response<B>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<Q>) -> Self::Future {
        let answered = self.inner.call(request);
        // The caller's task polls this, so the note reaches the caller's observation.
        async move {
            let answer = answered.await?;
            of_headers(answer.headers()).into_iter().for_each(note);
            Ok(answer)
        }
        .boxed()
    }
}
