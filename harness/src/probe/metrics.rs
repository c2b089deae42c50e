//! A Prometheus or Alertmanager of the mesh, by URL or through a port-forward.

use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use meshdrill_checks::observe::alertmanager::{self, Notifications, ReceivedAlert, Silence, Status};
use meshdrill_checks::observe::prometheus::{
    self, Alertmanagers, Answer, Config, PrometheusError, RuleGroup, Targets, Vector,
};
use meshdrill_checks::record::Series;

use super::ProbeError;
use super::login::{Credentials, Login};
use crate::cluster::{
    Endpoint, Forwarder, MonitoringEndpoint, Permission, World, discover_alertmanager, discover_prometheus, encode,
};
use crate::format::MeshSpec;
use crate::net::{Exchange, HttpAnswer, HttpClient, Tls, port_of};
use crate::notes::{Note, note, of_headers};

/// The API path for instant queries.
const QUERY: &str = "/api/v1/query";

/// A monitoring API: one server, at one or several addresses.
#[derive(Debug)]
pub struct Metrics {
    /// In the order in which they are tried; at least one.
    places: Vec<Place>,
    /// The one that answered last.
    current: AtomicUsize,
}

/// One address of a monitoring API.
#[derive(Debug)]
struct Place {
    base: String,
    name: String,
    client: HttpClient,
    login: Login,
}

impl Metrics {
    /// The Prometheus of a cluster.
    pub async fn prometheus(world: &World, cluster: &str) -> Result<Self, ProbeError> {
        let cluster = world.cluster(cluster)?;
        Self::at(world, discover_prometheus(cluster).await?).await
    }

    /// The Alertmanager of a cluster.
    pub async fn alertmanager(world: &World, cluster: &str) -> Result<Self, ProbeError> {
        let cluster = world.cluster(cluster)?;
        Self::at(world, discover_alertmanager(cluster).await?).await
    }

    /// The permissions to find the Prometheus of a cluster; those to query it are known once it is found.
    pub fn prometheus_permissions(mesh: &MeshSpec, cluster: &str) -> Vec<Permission> {
        Permission::for_discovery(mesh, cluster, |spec| !spec.prometheus.is_empty())
    }

    /// The permissions to find the Alertmanager of a cluster.
    pub fn alertmanager_permissions(mesh: &MeshSpec, cluster: &str) -> Vec<Permission> {
        Permission::for_discovery(mesh, cluster, |spec| !spec.alertmanager.is_empty())
    }

    async fn at(world: &World, endpoints: Vec<MonitoringEndpoint>) -> Result<Self, ProbeError> {
        let mut places = Vec::new();
        for endpoint in endpoints {
            places.push(Place::new(world, endpoint).await?);
        }
        Ok(Self { places, current: AtomicUsize::new(0) })
    }

    fn place(&self) -> &Place {
        &self.places[self.current.load(Ordering::Relaxed) % self.places.len()]
    }

    /// Its URL or port-forward.
    pub fn name(&self) -> &str {
        &self.place().name
    }

    /// GET of a path.
    pub async fn get(&self, path: &str) -> Result<HttpAnswer, ProbeError> {
        self.send(path, None).await
    }

    /// Asks the address that answered last, and the others where that does not answer.
    async fn send(&self, path: &str, form: Option<String>) -> Result<HttpAnswer, ProbeError> {
        let first = self.current.load(Ordering::Relaxed);
        let mut failures = Vec::new();
        for offset in 0..self.places.len() {
            let index = (first + offset) % self.places.len();
            match self.places[index].send(path, form.as_ref()).await {
                Ok(answer) => {
                    self.current.store(index, Ordering::Relaxed);
                    return Ok(answer);
                }
                Err(error) => failures.push(error.0),
            }
        }
        Err(ProbeError(failures.join("; ")))
    }

    /// The response for a path, parsed.
    async fn read<T, E: Display>(
        &self,
        path: &str,
        form: Option<String>,
        parse: fn(u16, &[u8]) -> Result<T, E>,
    ) -> Result<T, ProbeError> {
        let answer = self.send(path, form).await?;
        let content = answer.content().map_err(|why| self.wrong(why))?;
        parse(answer.status, &content).map_err(|error| self.wrong(error))
    }

    /// The data of a response, and notes of what Prometheus reports about it.
    async fn answer<T>(
        &self,
        path: &str,
        form: Option<String>,
        parse: fn(u16, &[u8]) -> Result<Answer<T>, PrometheusError>,
    ) -> Result<T, ProbeError> {
        let answer = self.read(path, form, parse).await?;
        answer.warnings.into_iter().map(Note::Partial).for_each(note);
        answer.infos.into_iter().map(Note::Remark).for_each(note);
        Ok(answer.data)
    }

    /// An instant query, now or at a Unix time.
    pub async fn query(&self, query: &str, at: Option<f64>) -> Result<Vector, ProbeError> {
        let time = at.map_or_else(String::new, |at| format!("&time={at:.3}"));
        let form = format!("query={}{time}", encode(query));
        self.answer(QUERY, Some(form), prometheus::parse_query).await
    }

    /// The scrape targets.
    pub async fn targets(&self) -> Result<Targets, ProbeError> {
        self.answer("/api/v1/targets?state=active", None, prometheus::parse_targets).await
    }

    /// How many targets of a scrape pool were found and dropped.
    pub async fn dropped_in(&self, pool: &str) -> Result<u64, ProbeError> {
        let path = format!("/api/v1/targets?state=dropped&scrapePool={}", encode(pool));
        let mut dropped = self.answer(&path, None, prometheus::parse_targets).await?.dropped_in;
        Ok(dropped.remove(pool).unwrap_or_default())
    }

    /// Its configuration.
    pub async fn config(&self) -> Result<Config, ProbeError> {
        self.answer("/api/v1/status/config", None, prometheus::parse_config).await
    }

    /// The names of its scrape pools; those of its jobs where the version does not report pools.
    pub async fn scrape_pools(&self) -> Result<Vec<String>, ProbeError> {
        let answer = self.send("/api/v1/scrape_pools", None).await?;
        match answer.status {
            404 => Ok(self.config().await?.jobs),
            status => Ok(prometheus::parse_scrape_pools(status, &answer.body).map_err(|error| self.wrong(error))?.data),
        }
    }

    /// The rule groups.
    pub async fn rules(&self) -> Result<Vec<RuleGroup>, ProbeError> {
        self.answer("/api/v1/rules", None, prometheus::parse_rules).await
    }

    /// Its own clock, in Unix seconds.
    pub async fn time(&self) -> Result<f64, ProbeError> {
        match self.query("time()", None).await? {
            Vector::Scalar(point) => Ok(point.value),
            Vector::NoData | Vector::Samples(_) | Vector::Other(_) => {
                Err(self.wrong("the result of time() is not a scalar"))
            }
        }
    }

    /// Whether it accepts a query, or the error.
    pub async fn accepts(&self, query: &str) -> Result<Result<(), String>, ProbeError> {
        let answer = self.send(QUERY, Some(format!("query={}", encode(query)))).await?;
        match prometheus::parse_query(answer.status, &answer.body) {
            Ok(_) => Ok(Ok(())),
            Err(PrometheusError::Refused { message, .. }) => Ok(Err(message)),
            Err(error) => Err(self.wrong(error)),
        }
    }

    /// The Alertmanagers it sends to.
    pub async fn alertmanagers(&self) -> Result<Alertmanagers, ProbeError> {
        self.answer("/api/v1/alertmanagers", None, prometheus::parse_alertmanagers).await
    }

    /// Status and configuration of an Alertmanager.
    pub async fn alertmanager_status(&self) -> Result<Status, ProbeError> {
        self.read("/api/v2/status", None, alertmanager::parse_status).await
    }

    /// The notifications that an Alertmanager has sent; `None` where it has no counters.
    pub async fn notifications(&self) -> Result<Option<Notifications>, ProbeError> {
        let answer = self.get("/metrics").await?;
        let metrics = prometheus::parse_exposition(answer.status, &answer.body).map_err(|error| self.wrong(error))?;
        Ok(Notifications::of(&metrics))
    }

    /// The silences of an Alertmanager.
    pub async fn silences(&self) -> Result<Vec<Silence>, ProbeError> {
        self.read("/api/v2/silences", None, alertmanager::parse_silences).await
    }

    /// The alerts in an Alertmanager, including suppressed ones.
    pub async fn received(&self) -> Result<Vec<ReceivedAlert>, ProbeError> {
        self.read("/api/v2/alerts", None, alertmanager::parse_alerts).await
    }

    /// Its host and port.
    pub fn address(&self) -> (String, u16) {
        let uri: http::Uri = self.place().base.parse().unwrap_or_default();
        (uri.host().unwrap_or_default().to_owned(), port_of(&uri))
    }

    /// The error for an unexpected response.
    pub(super) fn wrong(&self, error: impl Display) -> ProbeError {
        self.place().wrong(&error.to_string())
    }
}

impl Place {
    async fn new(world: &World, MonitoringEndpoint { endpoint, spec }: MonitoringEndpoint) -> Result<Self, ProbeError> {
        let name = endpoint.to_string();
        let login = Login::new(&spec);
        let tls = spec.tls.as_ref().map(Tls::from);
        match endpoint {
            Endpoint::Url(base) => {
                let name = super::secrets::without_userinfo(&name);
                let uri = base.parse().map_err(|error| ProbeError(format!("`{name}` is not a URL: {error}")))?;
                let tls = tls.unwrap_or_default();
                let client = HttpClient::for_url(&world.net, &Exchange::get(uri), Series::Kept, &tls)?;
                Ok(Self { base, name, client, login })
            }
            Endpoint::Forward(target, prefix) => {
                let cluster = world.cluster(&target.cluster)?;
                cluster.must_permit(&target.permissions()).await?;
                let host = format!("{}.{}", target.name, target.namespace);
                let scheme = if tls.is_some() { "https" } else { "http" };
                let base = format!("{scheme}://{host}:{}{prefix}", target.port);
                let forwarder = Arc::new(Forwarder::new(Arc::clone(cluster), target));
                let client = match tls {
                    Some(tls) => HttpClient::secure_over(forwarder, &host, Series::Kept, &tls)?,
                    None => HttpClient::over(forwarder, Series::Kept),
                };
                Ok(Self { base, name, client, login })
            }
        }
    }

    /// An error at this place, without its secrets.
    fn wrong(&self, error: &str) -> ProbeError {
        let credentials = self.login.credentials().ok().flatten();
        let error = credentials.map_or_else(|| error.to_owned(), |credentials| credentials.mask(error));
        ProbeError(format!("{}: {error}", self.name))
    }

    async fn send(&self, path: &str, form: Option<&String>) -> Result<HttpAnswer, ProbeError> {
        let url = format!("{}{path}", self.base)
            .parse()
            .map_err(|error| self.wrong(&format!("{path} is not a path: {error}")))?;
        let mut exchange = Exchange::get(url);
        if let Some(form) = form {
            exchange.method = http::Method::POST;
            let kind = http::HeaderValue::from_static("application/x-www-form-urlencoded");
            exchange.headers.insert(http::header::CONTENT_TYPE, kind);
            exchange.body = Bytes::from(form.clone());
        }
        let answer = self.send_with_login(exchange).await?;
        of_headers(&answer.headers).into_iter().for_each(note);
        if let Some(to) = answer.redirect() {
            let to = super::secrets::without_userinfo(&to);
            return Err(self.wrong(&format!(
                "it redirects to {to} ({}): is there a login in front of it? Name an address that answers the API",
                answer.status
            )));
        }
        match (answer.status, &self.login) {
            (401 | 403, Login::None) => Err(self.wrong(&format!(
                "answered {}; it wants credentials: write `{{ url: URL, token: {{ file: FILE }} }}`, or `user` and `password`, in the mesh file",
                answer.status
            ))),
            (401 | 403, login) => Err(self.wrong(&format!("answered {}; it does not accept {login}", answer.status))),
            _ => Ok(answer),
        }
    }

    /// Sends a request with the credentials as they are now; after a 401 once more, if they have changed meanwhile.
    async fn send_with_login(&self, mut exchange: Exchange) -> Result<HttpAnswer, ProbeError> {
        let read = || self.login.credentials().map_err(|why| self.wrong(&why));
        let put = |exchange: &mut Exchange, credentials: &Option<Credentials>| {
            if let Some(credentials) = credentials {
                exchange.headers.insert(http::header::AUTHORIZATION, credentials.header.clone());
            }
        };
        let first = read()?;
        put(&mut exchange, &first);
        let sent = self.client.send(&exchange).await;
        let answer = sent.map_err(|failure| self.wrong(&failure.to_string()))?;
        if answer.status != 401 {
            return Ok(answer);
        }
        let second = read()?;
        if first == second {
            return Ok(answer);
        }
        put(&mut exchange, &second);
        self.client.send(&exchange).await.map_err(|failure| self.wrong(&failure.to_string()))
    }
}
