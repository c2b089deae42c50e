//! The requests of an `http` probe: to which addresses, over which connections, and what came of each.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use http::header::HeaderMap;
use http::uri::Authority;
use meshdrill_checks::record::{Class, Series};
use serde_json::json;
use tokio::time::Instant;

use super::cause::{Asked, Entry};
use super::expect::excerpt;
use super::http::{Http, Responder, header};
use super::http_expect::{Expectation, HttpExpect};
use super::reader::Reader;
use super::role::{Observation as _, Observer, Role};
use super::secrets;
use super::{Answer, Outcome, ProbeError, Via, entrypoint};
use crate::cluster::{Forwarder, World, discover_ingress};
use crate::format::TlsSpec;
use crate::net::{self, Exchange, HttpClient, Net, Tls};

impl Http {
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
