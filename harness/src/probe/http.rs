//! `http`: an HTTP request by URL, through an ingress gateway or through a port-forward.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::uri::Authority;
use meshdrill_checks::record::{Class, Series};
use meshdrill_checks::units::TimeSpan;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::Instant;

use super::cause::{Asked, Entry};
use super::expect::{bad_json_path, bad_regex, excerpt};
use super::http_expect::{Expectation, HttpExpect};
use super::reader::Reader;
use super::role::{Observation, Observer, Role, SpecError, Timing, slow_error};
use super::secrets;
use super::{Answer, Outcome, ProbeError, Via, entrypoint};
use crate::cluster::{Forwarder, Permission, World, discover_ingress};
use crate::format::{ClusterChoice, MeshSpec, TlsSpec};
use crate::net::{self, Exchange, HttpClient, Net, Tls};

/// An HTTP request. There are no hidden retries, redirects or cookies, and the proxy environment is ignored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Http {
    /// The URL, such as `https://shop.example/health`. Write this or `via`.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "secrets::url")]
    pub url: Option<String>,
    /// The entry into the mesh, such as `ingress/primary`. Write this or `url`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<Via>,
    /// The method; default `GET`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The path, with `via`; default `/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The `Host` header, such as `shop.example`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Other headers. The values of credentials are masked in plans and reports.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", serialize_with = "secrets::headers")]
    pub headers: BTreeMap<String, String>,
    /// The request body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// TLS options.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsSpec>,
    /// The timeout, such as `2s`; default 5 s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<TimeSpan>,
    /// The latency above which a correct response is late; default 500 ms. A late sample of a probe is bad; a check fails above it only
    /// where it is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow: Option<TimeSpan>,
    /// `new` connections, `kept` ones, or `both` as separate series; by default `new`, and `kept` through a port-forward.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<Connection>,
    /// The expectations of the response; by default any 2xx status.
    #[serde(default)]
    pub expect: HttpExpect,
    /// How the response identifies its responder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub responder: Option<Responder>,
}

/// The connections of a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Connection {
    /// A new connection per request.
    New,
    /// Connections that stay open between requests.
    Kept,
    /// Both, as separate series.
    Both,
}

/// How a response identifies its responder: exactly one of these.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Responder {
    /// A `JSONPath` into the body, such as `$.podname`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json: Option<String>,
    /// The name of a header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// A regular expression over the body; its first group, or the whole match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regex: Option<String>,
}

impl Responder {
    fn reader(&self) -> Result<Reader, ProbeError> {
        Reader::new(self.json.as_deref(), self.header.as_deref(), self.regex.as_deref())
    }
}

const DEFAULT_TIMEOUT: TimeSpan = TimeSpan::secs(5);
const DEFAULT_SLOW: TimeSpan = TimeSpan::millis(500);

impl Observation for Http {
    fn describe(&self) -> String {
        let method = self.method.as_deref().unwrap_or("GET");
        match (&self.url, &self.via) {
            (Some(url), _) => format!("{method} {}", secrets::without_userinfo(url)),
            (None, Some(via)) => format!("{method} {} via {via}", self.path.as_deref().unwrap_or("/")),
            (None, None) => method.to_owned(),
        }
    }

    fn subject(&self) -> String {
        let path = match &self.url {
            Some(url) => url.parse::<http::Uri>().map_or_else(|_| url.clone(), |uri| uri.path().to_owned()),
            None => self.path.clone().unwrap_or_else(|| "/".to_owned()),
        };
        path.trim_matches('/').to_owned()
    }

    fn choices(&mut self) -> Vec<&mut ClusterChoice> {
        self.via.iter_mut().map(Via::choice).collect()
    }

    fn clusters(&self, mesh: &MeshSpec) -> Vec<String> {
        self.via.as_ref().map_or_else(|| mesh.keys(), |via| via.clusters(mesh))
    }

    fn timing(&self) -> Timing {
        let forwarded = matches!(self.via, Some(Via::Forward { .. }));
        let default = if forwarded { Connection::Kept } else { Connection::New };
        let series = match self.connection.unwrap_or(default) {
            Connection::New => vec![Series::New],
            Connection::Kept => vec![Series::Kept],
            Connection::Both => vec![Series::New, Series::Kept],
        };
        Timing {
            timeout: self.timeout.unwrap_or(DEFAULT_TIMEOUT),
            slow: self.slow.unwrap_or(DEFAULT_SLOW),
            every: TimeSpan::millis(100),
            series,
            batch: None,
        }
    }

    fn spec_errors(&self) -> Vec<SpecError> {
        let mut found = Vec::new();
        if let Some((missing, beside)) = self.tls.as_ref().and_then(TlsSpec::lacks) {
            found.push(SpecError::new(
                "tls",
                format!("`tls.{beside}` needs `tls.{missing}`"),
                "write both `cert` and `key`; they may name the same file",
            ));
        }
        match (&self.url, &self.via) {
            (Some(_), Some(_)) => {
                found.push(SpecError::new("via", "`url` and `via` exclude each other", "write exactly one of the two"));
            }
            (None, None) => found.push(SpecError::new(
                "url",
                "`url` or `via` is needed",
                "write `via: ingress/CLUSTER` and `path:`, or `url:`",
            )),
            (Some(url), None) => {
                let good = url.parse::<http::Uri>().is_ok_and(|uri| {
                    matches!(uri.scheme_str(), Some("http" | "https"))
                        && uri.host().is_some_and(|host| !host.is_empty())
                });
                if !good && !url.contains("${") {
                    found.push(SpecError::new(
                        "url",
                        format!("`{url}` is not an HTTP URL"),
                        "write http://HOST/PATH or https://HOST/PATH, with %20 for a space",
                    ));
                }
                if good && !url.contains("${") && url.parse::<http::Uri>().is_ok_and(|uri| !has_good_port(&uri)) {
                    found.push(SpecError::new(
                        "url",
                        format!("the port of `{}` is not a number from 1 to 65535", secrets::without_userinfo(url)),
                        "write http://HOST:PORT/PATH",
                    ));
                }
                if self.path.is_some() {
                    found.push(SpecError::new(
                        "path",
                        "`url` and `path` exclude each other",
                        "write the path into the URL",
                    ));
                }
            }
            (None, Some(Via::EastWest { .. })) => found.push(SpecError::new(
                "via",
                "an east-west gateway passes mutual TLS through and does not answer plain HTTP",
                "use a `tcp` probe, or an ingress gateway",
            )),
            (None, Some(_)) => {}
        }
        if self.path.as_ref().is_some_and(|path| !path.starts_with('/') && !path.starts_with("${")) {
            found.push(SpecError::new("path", "a path starts with `/`", "add a leading `/`"));
        }
        if self.method.as_ref().is_some_and(|method| method.parse::<http::Method>().is_err()) {
            found.push(SpecError::new("method", "this is not an HTTP method", "write one word, such as GET or POST"));
        }
        if self.timeout.is_some_and(|timeout| timeout.0.is_zero()) {
            found.push(SpecError::new("timeout", "a timeout of 0 s fails every request", "write a positive timeout"));
        }
        if self.headers.iter().any(|(name, value)| header(name, value).is_none()) {
            found.push(SpecError::new("headers", "this is not a valid header", "use printable ASCII"));
        }
        if let Some(responder) = &self.responder {
            let count =
                [&responder.json, &responder.header, &responder.regex].iter().filter(|one| one.is_some()).count();
            if count != 1 {
                found.push(SpecError::new(
                    "responder",
                    format!("{count} sources for the responder"),
                    "write exactly one of json, header, regex",
                ));
            }
            found.extend(bad_regex("responder.regex", responder.regex.as_deref()));
            found.extend(bad_json_path("responder.json", responder.json.as_deref()));
        }
        found.extend(self.expect.spec_errors());
        found.extend(self.without_effect());
        found
    }

    fn only_once(&self) -> Option<SpecError> {
        let both = self.connection == Some(Connection::Both);
        both.then(|| {
            SpecError::new("connection", "a check sends one request, so it has no two series", "write `new` or `kept`")
        })
    }

    fn permissions(&self, mesh: &MeshSpec) -> Vec<Permission> {
        self.via.as_ref().map_or_else(Vec::new, |via| via.permissions(mesh))
    }

    fn prepare<'a>(&'a self, world: &'a World, role: Role) -> BoxFuture<'a, Result<Box<dyn Observer>, ProbeError>> {
        Box::pin(async move { Ok(Box::new(self.observer(world, role).await?) as Box<dyn Observer>) })
    }
}

impl Http {
    /// Keys that have no effect beside others.
    fn without_effect(&self) -> Vec<SpecError> {
        let mut found: Vec<SpecError> =
            slow_error(self.slow, self.timeout.unwrap_or(DEFAULT_TIMEOUT)).into_iter().collect();
        let plain = self
            .url
            .as_ref()
            .is_some_and(|url| url.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http://")));
        if plain && self.tls.is_some() {
            found.push(SpecError::new("tls", "`tls` has no effect on an http URL", "write https, or remove `tls`"));
        }
        if self.tls.as_ref().is_some_and(|tls| tls.insecure && tls.ca.is_some()) {
            let help = "remove `insecure`, so that the certificate is verified, or remove `ca`";
            found.push(SpecError::new("tls.ca", "`ca` has no effect beside `insecure`", help));
        }
        found
    }

    /// A GET of `/` through an entry into the mesh.
    pub(super) fn through(via: Via) -> Self {
        Self {
            url: None,
            via: Some(via),
            method: None,
            path: None,
            host: None,
            headers: BTreeMap::new(),
            body: None,
            tls: None,
            timeout: None,
            slow: None,
            connection: None,
            expect: HttpExpect::default(),
            responder: None,
        }
    }

    /// Prepares the requests and their clients.
    pub(super) async fn observer(&self, world: &World, role: Role) -> Result<HttpObserver, ProbeError> {
        let targets = self.targets(world, role).await?;
        let expect = Arc::new(Expectation::new(&self.expectation(world))?);
        let responder = self.responder.as_ref().map(Responder::reader).transpose()?.map(Arc::new);
        let entry = match &self.via {
            Some(Via::Ingress { cluster, .. } | Via::Entrypoint { cluster, .. }) => {
                let cluster = Arc::clone(world.cluster(cluster.key())?);
                Some(Entry::Ingress { world: world.clone(), cluster })
            }
            Some(Via::Forward { cluster, target }) => {
                let cluster = Arc::clone(world.cluster(cluster.key())?);
                Some(Entry::Forward { world: world.clone(), cluster, target: target.clone() })
            }
            Some(Via::EastWest { .. }) | None => None,
        };
        let late_after = role.late_after(self.slow);
        Ok(HttpObserver { targets, expect, responder, entry: entry.map(Arc::new), late_after })
    }

    /// What is expected: of an entry point that which the inventory says, where this probe says nothing.
    fn expectation(&self, world: &World) -> HttpExpect {
        match &self.via {
            Some(Via::Entrypoint { name, .. }) if self.expect == HttpExpect::default() => {
                let inventory = world.inventory();
                let expect = inventory.entrypoints.get(name).map(|entry| entry.expect.clone()).unwrap_or_default();
                HttpExpect { status: Some(expect.status), body: expect.body, ..HttpExpect::default() }
            }
            _ => self.expect.clone(),
        }
    }

    /// The request to an address, with existing clients.
    fn target(&self, base: String, clients: Arc<[(Series, HttpClient)]>) -> Result<Target, ProbeError> {
        let base = self.url.clone().unwrap_or(base);
        let exchange = self.exchange(&base)?;
        let name = match &self.via {
            Some(via @ Via::Forward { .. }) => via.to_string(),
            Some(Via::Ingress { .. } | Via::EastWest { .. } | Via::Entrypoint { .. }) | None => {
                secrets::without_userinfo(&base)
            }
        };
        Ok(Target { base, exchange, clients, name })
    }

    /// The requests and their clients: one target per address. A probe keeps to one address.
    async fn targets(&self, world: &World, role: Role) -> Result<Vec<Target>, ProbeError> {
        let series = self.timing().series;
        if let Some(via @ Via::Forward { .. }) = &self.via {
            let Some(target) = via.forward() else { return Ok(Vec::new()) };
            let base = format!("http://{}:{}", target.name, target.port);
            let forwarder = Arc::new(Forwarder::new(Arc::clone(world.cluster(&target.cluster)?), target));
            // A probe that cannot start ends a drill before it begins; for a check, no connection is a result.
            if role == Role::Probe {
                forwarder.resolve().await?;
            }
            let clients = series.iter().map(|one| (*one, HttpClient::over(forwarder.clone(), *one)));
            return Ok(vec![self.target(base, clients.collect())?]);
        }
        let mut bases = match (&self.url, &self.via) {
            (Some(url), _) => vec![url.clone()],
            (None, Some(Via::Ingress { cluster, port })) => {
                discover_ingress(world.cluster(cluster.key())?, *port).await?
            }
            (None, Some(Via::Entrypoint { name, cluster })) => {
                return self.entrypoint_targets(world, role, name, cluster.key()).await;
            }
            (None, Some(Via::EastWest { .. } | Via::Forward { .. }) | None) => {
                return Err(ProbeError("`url` or `via` is needed".to_owned()));
            }
        };
        if role == Role::Probe && bases.len() > 1 {
            bases = reachable(world, bases).await;
        }
        bases.into_iter().map(|base| self.target_at(world, base)).collect()
    }

    /// The request to an address, with clients of its own.
    fn target_at(&self, world: &World, base: String) -> Result<Target, ProbeError> {
        let tls = self.tls.as_ref().map_or_else(Tls::default, Tls::from);
        let exchange = self.exchange(&base)?;
        let series = self.timing().series.into_iter();
        let clients = series.map(|one| Ok((one, HttpClient::for_url(&world.net, &exchange, one, &tls)?)));
        let clients = clients.collect::<Result<_, net::HttpFailure>>()?;
        self.target(base, clients)
    }

    /// The requests to an entry point: one target per address of its gateway. What this probe does not write comes from the
    /// inventory.
    async fn entrypoint_targets(
        &self,
        world: &World,
        role: Role,
        name: &str,
        key: &str,
    ) -> Result<Vec<Target>, ProbeError> {
        let inventory = world.inventory();
        let (entry, mut bases) = entrypoint::bases(world, &inventory, name, key).await?;
        if role == Role::Probe && bases.len() > 1 {
            bases = reachable(world, bases).await;
        }
        let tls = (entry.tls || entry.ca.is_some()).then(|| TlsSpec {
            sni: entry.host.clone(),
            ca: entry.ca.clone(),
            ..TlsSpec::default()
        });
        let filled = Self {
            host: self.host.clone().or_else(|| entry.host.clone()),
            path: self.path.clone().or_else(|| Some(entry.path.clone())),
            tls: self.tls.clone().or(tls),
            ..self.clone()
        };
        bases.into_iter().map(|base| filled.target_at(world, base)).collect()
    }

    fn exchange(&self, base: &str) -> Result<Exchange, ProbeError> {
        let path = if self.url.is_some() { String::new() } else { self.path.clone().unwrap_or_else(|| "/".to_owned()) };
        let text = format!("{}{path}", if self.url.is_some() { base } else { base.trim_end_matches('/') });
        let url = text.parse().map_err(|error| ProbeError(format!("`{text}` is not a URL: {error}")))?;
        let mut headers = HeaderMap::new();
        let host = self.host.iter().map(|host| ("host", host.as_str()));
        let agent = [("user-agent", concat!("meshdrill/", env!("CARGO_PKG_VERSION")))];
        let own = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in agent.into_iter().chain(host).chain(own) {
            let (name, value) =
                header(name, value).ok_or_else(|| ProbeError(format!("`{name}: {value}` is not a header")))?;
            headers.insert(name, value);
        }
        let timing = self.timing();
        let method = self
            .method
            .as_deref()
            .unwrap_or("GET")
            .parse()
            .map_err(|_| ProbeError("`method` is not an HTTP method".to_owned()))?;
        Ok(Exchange {
            method,
            headers,
            body: self.body.clone().unwrap_or_default().into(),
            timeout: timing.timeout.0,
            limit: 4 << 20,
            ..Exchange::get(url)
        })
    }
}

/// Whether the port of a URL is one, or there is none.
fn has_good_port(url: &http::Uri) -> bool {
    let Some(authority) = url.authority() else { return true };
    let host = authority.as_str().rsplit('@').next().unwrap_or_default();
    match host.strip_prefix(authority.host()) {
        None | Some("") => true,
        Some(rest) => rest.strip_prefix(':').and_then(|port| port.parse::<u16>().ok()).is_some_and(|port| port > 0),
    }
}

fn header(name: &str, value: &str) -> Option<(HeaderName, HeaderValue)> {
    Some((name.parse().ok()?, value.parse().ok()?))
}

/// The one of several URLs that a probe keeps to.
async fn reachable(world: &World, mut bases: Vec<String>) -> Vec<String> {
    let address = |base: &String| Some(Exchange::get(base.parse().ok()?).authority());
    let addresses: Vec<_> = bases.iter().map(address).collect();
    let first = first_connecting(&world.net, &addresses).await;
    vec![bases.swap_remove(first)]
}

/// Of several addresses of one gateway, the first that accepts a connection: private ones may not be reachable from here.
/// One that is none is passed over.
pub(super) async fn first_connecting(net: &Net, addresses: &[Option<(String, u16)>]) -> usize {
    for (index, address) in addresses.iter().enumerate() {
        let Some((host, port)) = address else { continue };
        let connected = tokio::time::timeout(Duration::from_secs(2), net.connect(host, *port)).await;
        if matches!(connected, Ok(Ok(_))) {
            return index;
        }
    }
    0
}

struct Target {
    base: String,
    exchange: Exchange,
    clients: Arc<[(Series, HttpClient)]>,
    name: String,
}

/// Sends requests to one or several addresses.
pub(super) struct HttpObserver {
    targets: Vec<Target>,
    expect: Arc<Expectation>,
    responder: Option<Arc<Reader>>,
    entry: Option<Arc<Entry>>,
    /// The time above which a good response to a check is late.
    late_after: Option<Duration>,
}

impl Observer for HttpObserver {
    fn observe(&self, series: Series) -> BoxFuture<'_, Outcome> {
        Box::pin(async move { self.exchange(series).await.0 })
    }

    fn causes<'a>(&'a self, outcome: &'a Outcome) -> BoxFuture<'a, Vec<String>> {
        Box::pin(self.why(outcome, false))
    }
}

impl HttpObserver {
    /// Why an outcome, or the shares of the responders, differ from the expectations.
    pub(super) async fn why(&self, outcome: &Outcome, divided: bool) -> Vec<String> {
        // Of several addresses, the outcome is about the one at the start of its message.
        let failed = self.targets.iter().find(|target| outcome.message.starts_with(&target.name));
        match (&self.entry, failed.or_else(|| self.targets.first())) {
            (Some(entry), Some(target)) => entry.causes(&target.asked(outcome, divided)).await,
            _ => Vec::new(),
        }
    }

    /// The same addresses and expectations with another request, over the same connections.
    pub(super) fn asking(&self, http: &Http) -> Result<Self, ProbeError> {
        let targets = self.targets.iter().map(|target| http.target(target.base.clone(), Arc::clone(&target.clients)));
        Ok(Self {
            targets: targets.collect::<Result<_, _>>()?,
            expect: Arc::clone(&self.expect),
            responder: self.responder.clone(),
            entry: self.entry.clone(),
            late_after: self.late_after,
        })
    }

    /// Sends the request to each address until one response differs from the expectations; the last outcome and response.
    pub(super) async fn exchange(&self, series: Series) -> (Outcome, Option<net::HttpAnswer>) {
        let mut last = (Outcome::new(Answer::Error, "there is no address to connect to"), None);
        for target in &self.targets {
            let begun = Instant::now();
            let answer = match target.client(series) {
                Some(client) => client.send(&target.exchange).await,
                None => return last,
            };
            let mut outcome = self.judge(target, &answer);
            (outcome.waited, outcome.phases) = match &answer {
                Ok(answer) => (answer.waited, answer.phases),
                Err(failure) => (failure.waited, failure.phases),
            };
            let took = begun.elapsed().saturating_sub(outcome.waited);
            last = (outcome.within(took, self.late_after), answer.ok());
            if last.0.answer != Answer::Good {
                break;
            }
        }
        last
    }

    fn judge(&self, target: &Target, answer: &Result<net::HttpAnswer, net::HttpFailure>) -> Outcome {
        match answer {
            Err(failure) => {
                let seen = json!({ "error": excerpt(&failure.message) });
                Outcome { seen, ..Outcome::new(Answer::Bad(failure.class), format!("{}: {failure}", target.name)) }
            }
            Ok(answer) => {
                let responder = self.responder.as_ref().and_then(|reader| reader.read(answer));
                match self.expect.missed(answer) {
                    None => {
                        let message = format!("{} from {}", answer.status, target.name);
                        Outcome { responder, ..Outcome::new(Answer::Good, message) }
                    }
                    Some((class, why)) => {
                        let body = answer.text().unwrap_or_default();
                        let seen = json!({ "status": answer.status, "body": excerpt(&body) });
                        let message = format!("{}: {why}", target.name);
                        Outcome { seen, responder, ..Outcome::new(Answer::Bad(class), message) }
                    }
                }
            }
        }
    }
}

impl Target {
    fn asked(&self, outcome: &Outcome, divided: bool) -> Asked {
        let (address, port) = self.exchange.authority();
        let host = self.exchange.headers.get("host").and_then(|host| host.to_str().ok()?.parse::<Authority>().ok());
        let host = host.map_or_else(|| address.clone(), |host| host.host().trim_matches(['[', ']']).to_owned());
        let unconnected = [Class::Refused, Class::Dns, Class::ConnectTimeout, Class::NotSent];
        Asked {
            address,
            port,
            host,
            path: self.exchange.url.path().to_owned(),
            status: outcome.seen["status"].as_u64(),
            connected: !unconnected.contains(&outcome.class()),
            answered: outcome.class().is_answered(),
            divided,
        }
    }

    fn client(&self, series: Series) -> Option<&HttpClient> {
        let own = self.clients.iter().find(|(own, _)| *own == series).or_else(|| self.clients.first());
        own.map(|(_, client)| client)
    }
}
