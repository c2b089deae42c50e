//! One HTTP exchange at a time, with no retries, redirects, cookies or proxies behind the asker's back.

use std::sync::Arc;
use std::time::Duration;

use meshdrill_checks::record::{Class, Series};
use tokio::time::{Instant, timeout};

use super::connection::{Connection, Request};
use super::exchange::{Exchange, HttpAnswer, Phases};
use super::failure::HttpFailure;
use super::kept::{Kept, open};
use super::stream::{Dial, Net};
use super::tls::{Tls, TlsDial};

/// A client of one place, with connections of one series.
#[derive(Debug)]
pub struct HttpClient {
    connections: Connections,
    /// The `Host` header where the exchange has none.
    host: Option<String>,
}

/// Where an exchange gets its connection.
#[derive(Debug)]
enum Connections {
    New(Arc<dyn Dial>),
    Kept(Arc<Kept>),
}

impl Connections {
    /// Whether the time it takes to get one says nothing about the place that is asked.
    fn is_costly(&self) -> bool {
        match self {
            Self::New(dial) => dial.is_costly(),
            Self::Kept(kept) => kept.is_costly(),
        }
    }

    /// One that is open, and the phases of opening it if it was opened for this exchange.
    async fn take(&self) -> Result<(Connection, Phases), HttpFailure> {
        let mut connection = match self {
            Self::New(dial) => open(dial.as_ref()).await?,
            Self::Kept(kept) => kept.take().await?,
        };
        let phases = connection.take_phases();
        Ok((connection, phases))
    }
}

impl HttpClient {
    /// A client for the host of an exchange like those it will be asked for.
    pub fn for_url(net: &Net, exchange: &Exchange, series: Series, tls: &Tls) -> Result<Self, HttpFailure> {
        let (host, port) = exchange.authority();
        if host.is_empty() {
            return Err(HttpFailure::new(Class::Dns, format!("{} has no host", exchange.url)));
        }
        let dial = net.dialler(&host, port);
        if !exchange.is_secure() {
            return Ok(Self::over(dial, series));
        }
        match net {
            Net::Machine => {
                let client = Self::over(Arc::new(TlsDial::new(dial, &host, tls)?), series);
                Ok(Self { host: tls.sni.as_ref().map(|name| with_port(name, exchange)), ..client })
            }
            Net::Lab(_) => Err(HttpFailure::new(Class::Tls, "the embedded mesh does not speak TLS; use http")),
        }
    }

    /// A client over streams that something else opens, such as a port-forward.
    pub fn over(dial: Arc<dyn Dial>, series: Series) -> Self {
        let connections = match series {
            Series::Kept => Connections::Kept(Kept::new(dial)),
            Series::New => Connections::New(dial),
        };
        Self { connections, host: None }
    }

    /// The same with TLS to a host on them.
    pub fn secure_over(dial: Arc<dyn Dial>, host: &str, series: Series, tls: &Tls) -> Result<Self, HttpFailure> {
        Ok(Self::over(Arc::new(TlsDial::new(dial, host, tls)?), series))
    }

    /// Asks, within the exchange's timeout.
    pub async fn send(&self, exchange: &Exchange) -> Result<HttpAnswer, HttpFailure> {
        let mut progress = Asked::default();
        let answered = timeout(exchange.timeout, self.ask(exchange, &mut progress)).await;
        let ours = self.connections.is_costly();
        let failed = || match progress.waited {
            None if ours => HttpFailure::new(Class::NotSent, "no connection could be opened in time"),
            waited => timed_out(exchange.timeout, waited.is_some()),
        };
        let waited = progress.waited.filter(|_| ours).unwrap_or_default();
        match answered.unwrap_or_else(|_| Err(failed())) {
            Ok(answer) => {
                let phases = Phases { first_byte: answer.phases.first_byte, ..progress.phases };
                Ok(HttpAnswer { waited, phases, ..answer })
            }
            Err(failure) => Err(HttpFailure { waited, phases: progress.phases, ..failure }),
        }
    }

    async fn ask(&self, exchange: &Exchange, progress: &mut Asked) -> Result<HttpAnswer, HttpFailure> {
        let begun = Instant::now();
        let (mut connection, phases) = self.connections.take().await?;
        *progress = Asked { waited: Some(begun.elapsed()), phases };
        let answer = connection.exchange(request(exchange, self.host.as_deref())?, exchange.limit).await?;
        if let Connections::Kept(kept) = &self.connections {
            kept.give_back(connection);
        }
        Ok(answer)
    }
}

/// How far an exchange came: how long it waited for a connection, once it has one, and the phases of opening that.
#[derive(Default)]
struct Asked {
    waited: Option<Duration>,
    phases: Phases,
}

/// A name as a `Host` header for the port of an exchange.
fn with_port(name: &str, exchange: &Exchange) -> String {
    exchange.url.port_u16().map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"))
}

/// The failure of an exchange that took too long.
fn timed_out(after: Duration, connected: bool) -> HttpFailure {
    let class = if connected { Class::Timeout } else { Class::ConnectTimeout };
    let what = if connected { "answer" } else { "connection" };
    HttpFailure::new(class, format!("no {what} within {}", meshdrill_checks::units::TimeSpan(after)))
}

/// A `Host` header has no credentials.
fn without_userinfo(authority: &str) -> &str {
    authority.rsplit('@').next().unwrap_or(authority)
}

/// The value of `Authorization` for the user and password of a URL (RFC 3986: percent-encoded); none without them.
fn basic_auth(authority: &str) -> Option<String> {
    use base64::Engine as _;
    let (user, _) = authority.rsplit_once('@')?;
    let (name, password) = user.split_once(':').unwrap_or((user, ""));
    let plain = [percent_decoded(name), b":".to_vec(), percent_decoded(password)].concat();
    Some(format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(plain)))
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = after.get(..2).filter(|_| *first == b'%').and_then(|code| std::str::from_utf8(code).ok());
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                rest = &after[2..];
            }
            None => {
                out.push(*first);
                rest = after;
            }
        }
    }
    out
}

fn request(exchange: &Exchange, host: Option<&str>) -> Result<Request, HttpFailure> {
    let path = exchange.url.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let mut builder = http::Request::builder().method(exchange.method.clone()).uri(path);
    if let Some(headers) = builder.headers_mut() {
        headers.extend(exchange.headers.clone());
    }
    if !exchange.headers.contains_key(http::header::HOST)
        && let Some(host) = host.or_else(|| exchange.url.authority().map(http::uri::Authority::as_str))
    {
        builder = builder.header(http::header::HOST, without_userinfo(host));
    }
    if !exchange.headers.contains_key(http::header::AUTHORIZATION)
        && let Some(basic) = exchange.url.authority().and_then(|authority| basic_auth(authority.as_str()))
    {
        builder = builder.header(http::header::AUTHORIZATION, basic);
    }
    builder
        .body(exchange.body.clone().into())
        .map_err(|error| HttpFailure::new(Class::HttpOther, format!("the request cannot be made: {error}")))
}

#[cfg(test)]
mod tests {
    use super::basic_auth;

    #[test]
    fn users_of_urls_are_sent() {
        assert_eq!(basic_auth("drill:pw@host:80").as_deref(), Some("Basic ZHJpbGw6cHc="));
        assert_eq!(basic_auth("drill:p%40w@host").as_deref(), Some("Basic ZHJpbGw6cEB3"));
        assert_eq!(basic_auth("drill@host").as_deref(), Some("Basic ZHJpbGw6"));
        assert_eq!(basic_auth("host:80"), None);
    }
}
