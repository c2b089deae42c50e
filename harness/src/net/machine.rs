//! HTTP over this machine's sockets.

use std::time::Duration;

use bytes::BytesMut;
use meshdrill_checks::record::{Class, Series};

use super::client::{push_limited, timed_out};
use super::{Answer, Exchange, Failure, Tls};

/// A client that hides nothing: no redirects, retries, cookies, proxies or decompression.
#[derive(Debug)]
pub(super) struct Machine {
    client: reqwest::Client,
    sni: Option<String>,
}

impl Machine {
    /// A client of one place; without `tls` it speaks plain HTTP only, and reads no certificates of this machine.
    pub(super) fn new(
        host: &str,
        port: u16,
        series: Series,
        tls: Option<&Tls>,
        timeout: Duration,
    ) -> Result<Self, Failure> {
        // A second installation is refused, which is all right.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let idle = if series == Series::Kept { usize::MAX } else { 0 };
        let mut builder = reqwest::Client::builder()
            .http1_only()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .pool_max_idle_per_host(idle)
            .pool_idle_timeout(Duration::from_secs(90))
            .tcp_nodelay(true)
            .connect_timeout(timeout.saturating_sub(Duration::from_millis(2)));
        let Some(tls) = tls else {
            let client = builder.tls_certs_only([]).build().map_err(|error| Failure::of(&error, true))?;
            return Ok(Self { client, sni: None });
        };
        builder = builder.tls_danger_accept_invalid_certs(tls.insecure);
        if let Some(path) = &tls.ca {
            let pem = std::fs::read(path)
                .map_err(|error| Failure::new(Class::Tls, format!("{} cannot be read: {error}", path.display())))?;
            let roots = reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| Failure::of(&error, true))?;
            builder = builder.tls_certs_only(roots);
        }
        if let Some(sni) = &tls.sni {
            let address = std::net::ToSocketAddrs::to_socket_addrs(&(host, port))
                .ok()
                .and_then(|mut addresses| addresses.next())
                .ok_or_else(|| Failure::new(Class::Dns, format!("{host} does not resolve")))?;
            builder = builder.resolve(sni, address);
        }
        let client = builder.build().map_err(|error| Failure::of(&error, true))?;
        Ok(Self { client, sni: tls.sni.clone() })
    }

    pub(super) async fn send(&self, exchange: &Exchange) -> Result<Answer, Failure> {
        match tokio::time::timeout(exchange.timeout, self.exchange(exchange)).await {
            Ok(answer) => answer,
            // A connection that cannot be made ends a little earlier, with an error of its own.
            Err(_) => Err(timed_out(exchange.timeout, true)),
        }
    }

    async fn exchange(&self, exchange: &Exchange) -> Result<Answer, Failure> {
        let mut url: reqwest::Url = exchange
            .url
            .to_string()
            .parse()
            .map_err(|error| Failure::new(Class::HttpOther, format!("{} is not a URL: {error}", exchange.url)))?;
        if let Some(sni) = &self.sni {
            let _ = url.set_host(Some(sni));
        }
        let mut request = self.client.request(exchange.method.clone(), url).headers(exchange.headers.clone());
        if !exchange.body.is_empty() {
            request = request.body(exchange.body.clone());
        }
        let mut response = request.send().await.map_err(|error| {
            if error.is_connect() && error.is_timeout() {
                return timed_out(exchange.timeout, false);
            }
            let connecting = error.is_connect();
            Failure::of(&error.without_url(), connecting)
        })?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let mut body = BytesMut::new();
        while let Some(data) = response.chunk().await.map_err(|error| Failure::of(&error.without_url(), false))? {
            push_limited(&mut body, &data, exchange.limit)?;
        }
        Ok(Answer { status, headers, body: body.freeze(), waited: Duration::ZERO })
    }
}
