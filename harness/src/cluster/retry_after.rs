//! Answers that ask to come back later: a 429 or 503 with `Retry-After` is waited for within the request's deadline. One that
//! lasts longer is named as such.

use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt as _};
use http::StatusCode;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use kube::client::Body;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use tower::{Layer, Service};

use super::error::THROTTLED;

/// What is left of a request's deadline for the last answer.
const SPARE: Duration = Duration::from_millis(500);
/// How often a 503 or 504 without `Retry-After` is repeated.
const MOST_REPEATS: u32 = 3;

/// Puts [`RetryAfter`] around the service of a client, for requests with this deadline.
#[derive(Debug, Clone, Copy)]
pub(super) struct RetryAfterLayer(pub Duration);

impl<S> Layer<S> for RetryAfterLayer {
    type Service = RetryAfter<S>;

    fn layer(&self, inner: S) -> RetryAfter<S> {
        RetryAfter { inner, deadline: self.0 }
    }
}

/// A service that waits as long as an API server asks it to.
#[derive(Debug, Clone)]
pub(super) struct RetryAfter<S> {
    inner: S,
    deadline: Duration,
}

impl<S> Service<http::Request<Body>> for RetryAfter<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>, Error = kube::Error> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = kube::Error;
    type Future = BoxFuture<'static, Result<S::Response, kube::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), kube::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let mut inner = self.inner.clone();
        let deadline = self.deadline;
        let end = Instant::now() + deadline.saturating_sub(SPARE);
        async move {
            let (head, mut body) = request.into_parts();
            let mut asked = 0;
            loop {
                asked += 1;
                // A body that streams cannot be sent twice.
                let copy = body.try_clone();
                let answer = inner.call(http::Request::from_parts(head.clone(), body)).await?;
                let Some(pause) = pause_before_repeat(answer.status(), wanted_pause(&answer), asked) else {
                    return Ok(answer);
                };
                let in_time = Instant::now() + pause < end;
                match copy {
                    Some(copy) if in_time => {
                        sleep(pause).await;
                        body = copy;
                    }
                    _ => return named(answer, asked, deadline).await,
                }
            }
        }
        .boxed()
    }
}

/// The seconds of `Retry-After`. A date, which API servers do not send, is read as none.
fn wanted_pause(answer: &http::Response<Body>) -> Option<Duration> {
    let text = answer.headers().get(RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}

/// How long to wait before a request is repeated; none if the answer is final. A 429 without `Retry-After` is final: a disruption
/// budget answers so.
fn pause_before_repeat(status: StatusCode, wanted: Option<Duration>, asked: u32) -> Option<Duration> {
    let is_gateway_error = matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT);
    match wanted {
        Some(pause) if is_gateway_error || status == StatusCode::TOO_MANY_REQUESTS => {
            // A pause of zero would be a storm of requests.
            Some(pause.max(Duration::from_millis(100)))
        }
        None if is_gateway_error && asked <= MOST_REPEATS => Some(Duration::from_millis(250) * asked),
        _ => None,
    }
}

/// A 429 with `Retry-After` as a Status that names the pause and how often it was asked for, with the server's words.
async fn named(
    answer: http::Response<Body>,
    asked: u32,
    deadline: Duration,
) -> Result<http::Response<Body>, kube::Error> {
    let Some(pause) = wanted_pause(&answer).filter(|_| answer.status() == StatusCode::TOO_MANY_REQUESTS) else {
        return Ok(answer);
    };
    let (mut head, body) = answer.into_parts();
    let bytes = body.collect_bytes().await?;
    let mut status: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    let words =
        status["message"].as_str().map_or_else(|| String::from_utf8_lossy(&bytes).trim().to_owned(), str::to_owned);
    let mut causes = status["details"]["causes"].as_array().cloned().unwrap_or_default();
    causes.push(json!({ "reason": THROTTLED, "message": words }));
    let times = if asked == 1 { "once".to_owned() } else { format!("{asked} times within {} s", deadline.as_secs()) };
    let message = format!("too many requests, Retry-After: {} s (asked {times}): {words}", pause.as_secs());
    status = json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": "TooManyRequests",
        "code": 429, "message": message, "details": { "causes": causes, "retryAfterSeconds": pause.as_secs() } });
    head.headers.remove(CONTENT_LENGTH);
    head.headers.insert(CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    Ok(http::Response::from_parts(head, Body::from(status.to_string().into_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_asks_for_it_is_repeated() {
        let second = Some(Duration::from_secs(1));
        assert_eq!(pause_before_repeat(StatusCode::TOO_MANY_REQUESTS, second, 9), second);
        assert_eq!(pause_before_repeat(StatusCode::TOO_MANY_REQUESTS, None, 1), None);
        assert_eq!(pause_before_repeat(StatusCode::INTERNAL_SERVER_ERROR, second, 1), None);
        assert_eq!(pause_before_repeat(StatusCode::SERVICE_UNAVAILABLE, None, 1), Some(Duration::from_millis(250)));
        assert_eq!(pause_before_repeat(StatusCode::SERVICE_UNAVAILABLE, None, 4), None);
    }
}
