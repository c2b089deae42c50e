//! One HTTP exchange at a time, with no retries, redirects, cookies or proxies behind the asker's back.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use meshdrill_checks::record::{Class, Series};
use tokio::time::{Instant, timeout};

use super::connection::Request;
use super::kept::{Kept, open};
use super::machine::Machine;
use super::{Dial, Failure, Net};

/// What is asked.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// The method.
    pub method: http::Method,
    /// Scheme, host, port, path and query.
    pub url: http::Uri,
    /// Headers beside `host`.
    pub headers: http::HeaderMap,
    /// The body.
    pub body: Bytes,
    /// The longest the whole exchange may take.
    pub timeout: Duration,
    /// The largest answer that is read.
    pub limit: usize,
}

impl Exchange {
    /// A GET with the defaults of a check: 5 s, 64 MiB.
    pub fn get(url: http::Uri) -> Self {
        Self {
            method: http::Method::GET,
            url,
            headers: http::HeaderMap::new(),
            body: Bytes::new(),
            timeout: Duration::from_secs(5),
            limit: 64 << 20,
        }
    }

    /// Host and port of the URL.
    pub fn authority(&self) -> (String, u16) {
        let host = self.url.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        (host, port_of(&self.url))
    }
}

/// The port of a URL: its own, or that of its scheme.
pub(crate) fn port_of(url: &http::Uri) -> u16 {
    url.port_u16().unwrap_or(if url.scheme_str() == Some("https") { 443 } else { 80 })
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: http::HeaderMap,
    /// The body.
    pub body: Bytes,
    /// How long the exchange waited for a connection that its asker and not the place that was asked was slow to provide.
    pub waited: Duration,
}

/// How TLS is to be done where it is not done by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// The name to ask for and to verify.
    pub sni: Option<String>,
    /// A PEM file with the only roots to trust.
    pub ca: Option<std::path::PathBuf>,
    /// Trust anything.
    pub insecure: bool,
}

/// A client of one place, with connections of one series.
#[derive(Debug)]
pub struct HttpClient {
    route: Route,
}

#[derive(Debug)]
enum Route {
    /// This machine's sockets.
    Machine(Machine),
    /// HTTP/1.1 over streams that something else opens.
    Dialled(Way),
}

/// How a stream is come by.
#[derive(Debug)]
enum Way {
    New(Arc<dyn Dial>),
    Kept(Arc<Kept>),
}

impl Way {
    /// Whether getting a stream says nothing about the place that is asked.
    fn is_ours(&self) -> bool {
        match self {
            Self::New(dial) => dial.sparingly(),
            Self::Kept(kept) => kept.sparingly(),
        }
    }
}

impl HttpClient {
    /// A client for the host of an exchange like those it will be asked for.
    pub fn for_url(net: &Net, exchange: &Exchange, series: Series, tls: &Tls) -> Result<Self, Failure> {
        let url = &exchange.url;
        let (host, port) = exchange.authority();
        if host.is_empty() {
            return Err(Failure::new(Class::Dns, format!("{url} names no host")));
        }
        let secure = url.scheme_str() == Some("https");
        match net {
            // Where there is no name to resolve and nothing to encrypt, the plain way costs half as much of the core that
            // the schedule runs on.
            Net::Machine if !secure && host.parse::<IpAddr>().is_ok() => {
                Ok(Self::over(net.dialler(&host, port), series))
            }
            Net::Machine => {
                let tls = secure.then_some(tls);
                Ok(Self { route: Route::Machine(Machine::new(&host, port, series, tls, exchange.timeout)?) })
            }
            Net::Lab(_) if secure => Err(Failure::new(Class::Tls, "the embedded mesh does not speak TLS; use http")),
            Net::Lab(_) => Ok(Self::over(net.dialler(&host, port), series)),
        }
    }

    /// A client over streams that something else opens, such as a port-forward.
    pub fn over(dial: Arc<dyn Dial>, series: Series) -> Self {
        let way = if series == Series::Kept { Way::Kept(Kept::new(dial)) } else { Way::New(dial) };
        Self { route: Route::Dialled(way) }
    }

    /// Asks, within the exchange's timeout.
    pub async fn send(&self, exchange: &Exchange) -> Result<Answer, Failure> {
        match &self.route {
            Route::Machine(machine) => machine.send(exchange).await,
            Route::Dialled(way) => {
                let mut waited = None;
                let answered = timeout(exchange.timeout, dialled(way, exchange, &mut waited)).await;
                let failed = |_| match waited {
                    None if way.is_ours() => Failure::new(Class::NotSent, "no connection could be opened in time"),
                    waited => timed_out(exchange.timeout, waited.is_some()),
                };
                let kept_back = waited.filter(|_| way.is_ours()).unwrap_or_default();
                match answered.unwrap_or_else(|late| Err(failed(late))) {
                    Ok(answer) => Ok(Answer { waited: kept_back, ..answer }),
                    Err(failure) => Err(Failure { waited: kept_back, ..failure }),
                }
            }
        }
    }
}

/// The failure of an exchange that took too long.
pub(super) fn timed_out(after: Duration, connected: bool) -> Failure {
    let class = if connected { Class::Timeout } else { Class::ConnectTimeout };
    let what = if connected { "answer" } else { "connection" };
    Failure::new(class, format!("no {what} within {}", meshdrill_checks::units::TimeSpan(after)))
}

/// One exchange; says how long it waited for a connection, once it has one.
async fn dialled(way: &Way, exchange: &Exchange, waited: &mut Option<Duration>) -> Result<Answer, Failure> {
    let begun = Instant::now();
    let mut connection = match way {
        Way::New(dial) => open(dial.as_ref()).await?,
        Way::Kept(kept) => kept.take().await?,
    };
    *waited = Some(begun.elapsed());
    let answer = connection.exchange(request(exchange)?, exchange.limit).await?;
    if let Way::Kept(kept) = way {
        kept.give_back(connection);
    }
    Ok(answer)
}

/// Adds to an answer that must not grow beyond its limit.
pub(super) fn push_limited(collected: &mut BytesMut, data: &[u8], limit: usize) -> Result<(), Failure> {
    if collected.len() + data.len() > limit {
        return Err(Failure::new(Class::Body, format!("the answer is larger than {limit} bytes")));
    }
    collected.extend_from_slice(data);
    Ok(())
}

fn request(exchange: &Exchange) -> Result<Request, Failure> {
    let path = exchange.url.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let mut builder = http::Request::builder().method(exchange.method.clone()).uri(path);
    if let Some(headers) = builder.headers_mut() {
        headers.extend(exchange.headers.clone());
    }
    if !exchange.headers.contains_key(http::header::HOST)
        && let Some(authority) = exchange.url.authority()
    {
        builder = builder.header(http::header::HOST, authority.as_str());
    }
    builder
        .body(exchange.body.clone().into())
        .map_err(|error| Failure::new(Class::HttpOther, format!("the request cannot be made: {error}")))
}
