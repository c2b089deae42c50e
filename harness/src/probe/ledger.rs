//! `ledger`: writes tokens during the drill and reads every acknowledged one back at the end. An acknowledged token that is
//! missing was lost: this measures the recovery point of a stateful application. A refused write was never acknowledged,
//! and a response that does not show whether a token exists makes it neither kept nor lost, but unread.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{self, StreamExt as _};
use meshdrill_checks::record::{ReadBack, Series};
use meshdrill_checks::units::TimeSpan;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::http_observer::HttpObserver;
use super::role::{Observation, Observer, Role, SpecError, Timing};
use super::{Answer, Http, Outcome, ProbeError};
use crate::cluster::{Permission, World};
use crate::format::{ClusterChoice, MeshSpec};
use crate::net;

/// Writes tokens during the drill and reads every acknowledged one back at the end: for the criterion `dataLoss`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Ledger {
    /// The request that writes a token: `{token}` stands for it in `path`, `url` and `body`. A response as expected
    /// acknowledges the write.
    pub write: Http,
    /// The request that reads a token back. A response as expected that contains the token has it; one without the token, 404
    /// and 410 show that it is lost; any other response shows nothing.
    pub read: Http,
}

/// The placeholder for the token of one write.
const TOKEN: &str = "{token}";
/// How many tokens are read back at a time.
const AT_ONCE: usize = 16;
/// How many lost tokens are listed.
const NAMED: usize = 100;
/// The pause before a token is read again; twice as long before the third attempt.
const PAUSE: Duration = Duration::from_millis(250);
/// The limit for reading back: what was not read by then is unread. The sampler waits two minutes for all of it.
const LONGEST: Duration = Duration::from_secs(90);

impl Ledger {
    fn mentions(http: &Http) -> bool {
        [&http.url, &http.path, &http.body].into_iter().flatten().any(|text| text.contains(TOKEN))
    }

    fn with(http: &Http, token: &str) -> Http {
        let put = |text: &Option<String>| text.as_ref().map(|text| text.replace(TOKEN, token));
        Http { url: put(&http.url), path: put(&http.path), body: put(&http.body), ..http.clone() }
    }
}

impl Observation for Ledger {
    fn describe(&self) -> String {
        format!("write tokens by {}, read them back by {}", self.write.describe(), self.read.describe())
    }

    fn subject(&self) -> String {
        self.write.subject()
    }

    fn choices(&mut self) -> Vec<&mut ClusterChoice> {
        self.write.choices().into_iter().chain(self.read.choices()).collect()
    }

    fn timing(&self) -> Timing {
        Timing { every: TimeSpan::millis(500), ..self.write.timing() }
    }

    fn spec_errors(&self) -> Vec<SpecError> {
        let mut found: Vec<SpecError> = Vec::new();
        for (key, http) in [("write", &self.write), ("read", &self.read)] {
            if !Self::mentions(http) {
                let message = format!("`{key}` does not contain the token");
                found.push(SpecError::new(key, message, "write `{token}` into its path, URL or body"));
            }
            let plain = Self::with(http, "0").spec_errors();
            found.extend(plain.into_iter().map(|one| SpecError::new(key, one.message, one.help)));
            if let Some(status) = http.expect.status.filter(|status| *status >= 400) {
                let message = format!("{status} is a refusal, so it acknowledges or reads nothing");
                found.push(SpecError::new(key, message, "expect a status below 400, such as 201"));
            }
        }
        found
    }

    fn permissions(&self, mesh: &MeshSpec) -> Vec<Permission> {
        self.write.permissions(mesh).into_iter().chain(self.read.permissions(mesh)).collect()
    }

    fn only_sampled(&self) -> Option<SpecError> {
        let help = "write it under `probes:`, with a `dataLoss:` row in `sla:`";
        Some(SpecError::new("write", "a check writes a single token, which cannot show a loss", help))
    }

    fn prepare<'a>(&'a self, world: &'a World, _: Role) -> BoxFuture<'a, Result<Box<dyn Observer>, ProbeError>> {
        Box::pin(async move {
            // The addresses are resolved once; only the token changes.
            let observer = LedgerObserver {
                write: Self::with(&self.write, "0").observer(world, Role::Probe).await?,
                read: Self::with(&self.read, "0").observer(world, Role::Probe).await?,
                spec: self.clone(),
                run: uuid::Uuid::now_v7().simple().to_string(),
                tokens: Mutex::new(Tokens::default()),
            };
            Ok(Box::new(observer) as Box<dyn Observer>)
        })
    }
}

#[derive(Default)]
struct Tokens {
    count: u64,
    acknowledged: Vec<String>,
}

struct LedgerObserver {
    spec: Ledger,
    write: HttpObserver,
    read: HttpObserver,
    run: String,
    tokens: Mutex<Tokens>,
}

/// The state of one token.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    There,
    Lost,
    Unread(String),
}

impl Found {
    /// The state of a token by the response. Refusals, failures and redirects show nothing, and neither does a response that
    /// Envoy made because it cannot reach the application.
    fn new(outcome: &Outcome, answer: Option<&net::HttpAnswer>, token: &str) -> Self {
        let Some(answer) = answer else { return Self::Unread(outcome.message.clone()) };
        let contained = String::from_utf8_lossy(&answer.body).contains(token);
        match (answer.status, outcome.answer) {
            (404 | 410, _) if !by_proxy(answer) => Self::Lost,
            (404, _) => Self::Unread(format!("{} (from a proxy, not from the application)", outcome.message)),
            (status, Answer::Good) if status < 400 && contained => Self::There,
            (200..300, Answer::Good) => Self::Lost,
            _ => Self::Unread(outcome.message.clone()),
        }
    }
}

/// Whether Envoy generated the response itself, as it does where it has no route.
fn by_proxy(answer: &net::HttpAnswer) -> bool {
    let server = answer.headers.get(http::header::SERVER).map(http::HeaderValue::as_bytes);
    matches!(server, Some(b"istio-envoy" | b"envoy")) && !answer.headers.contains_key("x-envoy-upstream-service-time")
}

impl LedgerObserver {
    fn next(&self) -> String {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.count += 1;
        format!("{}-{}", self.run, tokens.count)
    }

    async fn write(&self, series: Series) -> Outcome {
        let token = self.next();
        let (mut outcome, answer) = match self.write.asking(&Ledger::with(&self.spec.write, &token)) {
            Ok(observer) => observer.exchange(series).await,
            Err(error) => return error.into(),
        };
        if acknowledged(&outcome, answer.as_ref()) {
            self.tokens.lock().unwrap_or_else(PoisonError::into_inner).acknowledged.push(token.clone());
        }
        if outcome.seen == Value::Null {
            outcome.seen = json!({ "token": token });
        }
        outcome
    }

    /// Reads one token back, up to three times if the response shows nothing.
    async fn find(&self, token: &str, until: Instant) -> Found {
        let observer = match self.read.asking(&Ledger::with(&self.spec.read, token)) {
            Ok(observer) => observer,
            Err(error) => return Found::Unread(error.0),
        };
        let mut found = Found::Unread(format!("not read within {} s", LONGEST.as_secs()));
        for pause in [Duration::ZERO, PAUSE, 2 * PAUSE] {
            if Instant::now() + pause >= until {
                break;
            }
            tokio::time::sleep(pause).await;
            let (outcome, answer) = observer.exchange(Series::New).await;
            found = Found::new(&outcome, answer.as_ref(), token);
            if !matches!(found, Found::Unread(_)) {
                break;
            }
        }
        found
    }

    /// Why reading shows nothing: a token that was never written is found as well.
    async fn echoes(&self, until: Instant) -> Option<String> {
        let never = format!("{}-0", self.run);
        let there = self.find(&never, until).await == Found::There;
        there.then(|| {
            "the response contains a token that was never written: it echoes the request, so it proves nothing"
                .to_owned()
        })
    }
}

/// Whether a write was acknowledged: a response as expected, and no refusal.
fn acknowledged(outcome: &Outcome, answer: Option<&net::HttpAnswer>) -> bool {
    outcome.answer == Answer::Good && answer.is_some_and(|answer| answer.status < 400)
}

impl Observer for LedgerObserver {
    fn observe(&self, series: Series) -> BoxFuture<'_, Outcome> {
        Box::pin(self.write(series))
    }

    fn read_back(&self) -> BoxFuture<'_, Option<ReadBack>> {
        Box::pin(async move {
            let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner).acknowledged.clone();
            let mut found = ReadBack { acknowledged: tokens.len() as u64, ..ReadBack::default() };
            let until = Instant::now() + LONGEST;
            if let Some(why) = self.echoes(until).await {
                return Some(ReadBack { unread: found.acknowledged, why, ..found });
            }
            let find = |token: String| async move { (self.find(&token, until).await, token) };
            let mut asked = stream::iter(tokens).map(find).buffered(AT_ONCE);
            while let Some((one, token)) = asked.next().await {
                match one {
                    Found::There => {}
                    Found::Lost if found.lost.len() < NAMED => found.lost.push(token),
                    Found::Lost => found.lost.push(String::new()),
                    Found::Unread(why) => {
                        found.unread += 1;
                        found.why = why;
                    }
                }
            }
            Some(found)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use meshdrill_checks::record::Class;

    fn answer(status: u16, headers: &[(&'static str, &'static str)], body: &'static str) -> net::HttpAnswer {
        let pairs = headers
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), http::HeaderValue::from_static(value)));
        net::HttpAnswer { status, headers: pairs.collect(), body: body.into(), ..net::HttpAnswer::default() }
    }

    fn found(answer: &net::HttpAnswer, as_expected: bool) -> Found {
        let how = if as_expected { Answer::Good } else { Answer::Bad(Class::HttpOther) };
        Found::new(&Outcome::new(how, "failed"), Some(answer), "t-1")
    }

    #[test]
    fn only_an_answer_that_says_so_makes_a_token_lost() {
        let unread = || Found::Unread("failed".to_owned());
        assert_eq!(found(&answer(200, &[], "a t-1 b"), true), Found::There);
        assert_eq!(found(&answer(200, &[], "another"), true), Found::Lost);
        assert_eq!(found(&answer(200, &[], "<html>log in"), false), unread(), "not as the author expects it");
        for status in [404, 410] {
            assert_eq!(found(&answer(status, &[], "no t-1 here"), false), Found::Lost, "{status}");
        }
        for status in [302, 400, 401, 403, 405, 408, 429, 500, 503] {
            assert_eq!(found(&answer(status, &[], "t-1"), false), unread(), "{status}");
        }
        assert_eq!(Found::new(&Outcome::new(Answer::Bad(Class::Refused), "failed"), None, "t-1"), unread());
    }

    #[test]
    fn a_gateway_without_a_route_says_nothing_of_a_token() {
        let routeless = answer(404, &[("server", "istio-envoy")], "");
        assert!(matches!(found(&routeless, false), Found::Unread(why) if why.contains("from a proxy")));
        let passed_on = answer(404, &[("server", "istio-envoy"), ("x-envoy-upstream-service-time", "3")], "");
        assert_eq!(found(&passed_on, false), Found::Lost);
    }

    #[test]
    fn a_refusal_acknowledges_nothing() {
        let good = Outcome::new(Answer::Good, "");
        assert!(acknowledged(&good, Some(&answer(201, &[], ""))));
        for status in [401, 403, 404, 429, 503] {
            assert!(!acknowledged(&good, Some(&answer(status, &[], ""))), "{status}");
        }
    }
}
