//! `http`: an HTTP request by URL, through an ingress gateway or through a port-forward.

use std::collections::BTreeMap;

use futures::future::BoxFuture;
use http::header::{HeaderName, HeaderValue};
use meshdrill_checks::record::Series;
use meshdrill_checks::units::TimeSpan;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::expect::{bad_json_path, bad_regex};
use super::http_expect::HttpExpect;
use super::reader::Reader;
use super::role::{Observation, Observer, Role, SpecError, Timing, slow_error};
use super::secrets;
use super::{ProbeError, Via};
use crate::cluster::{Permission, World};
use crate::format::{ClusterChoice, MeshSpec, TlsSpec};

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
    pub(super) fn reader(&self) -> Result<Reader, ProbeError> {
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

pub(super) fn header(name: &str, value: &str) -> Option<(HeaderName, HeaderValue)> {
    Some((name.parse().ok()?, value.parse().ok()?))
}
