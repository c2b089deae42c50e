//! Where a mesh file says that a monitoring API is, and with which credentials it is asked.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::Value;

use super::TlsSpec;

/// A monitoring API: its URL, or the URL with credentials and TLS options.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum MonitoringPlace {
    /// A URL, or `forward/CLUSTER/NAMESPACE/service/NAME:PORT`.
    Url(String),
    /// The same with credentials and TLS options.
    Spec(Box<MonitoringSpec>),
}

/// A monitoring API with credentials and TLS options.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MonitoringSpec {
    /// Its URL, or `forward/CLUSTER/NAMESPACE/service/NAME:PORT`.
    pub url: String,
    /// Where the bearer token is. Write this, or `user` and `password`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<SecretSource>,
    /// The user for basic authentication.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Where the password of the user is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretSource>,
    /// TLS options. With them, a port-forward speaks TLS too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsSpec>,
}

/// Where a secret is: exactly one of these. It is read for each request, so that a new one is used at once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretSource {
    /// The name of an environment variable, such as `PROMETHEUS_TOKEN`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<String>,
    /// A file, relative to the working directory. White space around the secret is ignored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
}

/// What is wrong with a place: the key below which it is (empty for the place itself), the problem, and the remedy.
pub type PlaceProblem = (&'static str, String, &'static str);

impl<'de> Deserialize<'de> for MonitoringPlace {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match Value::deserialize(from)? {
            mapping @ Value::Object(_) => {
                serde_json::from_value(mapping).map(|spec| Self::Spec(Box::new(spec))).map_err(de::Error::custom)
            }
            Value::String(url) => Ok(Self::Url(url)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
                Err(de::Error::custom("write a URL, or `{ url: URL, token: { file: FILE } }`"))
            }
        }
    }
}

impl From<String> for MonitoringPlace {
    fn from(url: String) -> Self {
        Self::Url(url)
    }
}

impl MonitoringPlace {
    /// With all its keys.
    pub fn spec(&self) -> MonitoringSpec {
        match self {
            Self::Url(url) => MonitoringSpec { url: url.clone(), ..MonitoringSpec::default() },
            Self::Spec(spec) => spec.as_ref().clone(),
        }
    }

    /// Whether its URL has a password.
    pub fn has_password_in_url(&self) -> bool {
        let url = match self {
            Self::Url(url) => url,
            Self::Spec(spec) => &spec.url,
        };
        user_of(url).is_some_and(|user| user.contains(':'))
    }

    /// What is wrong with it.
    pub fn problems(&self) -> Vec<PlaceProblem> {
        let Self::Spec(spec) = self else { return Vec::new() };
        let mut found = Vec::new();
        for (key, source) in [("token", &spec.token), ("password", &spec.password)] {
            found.extend(source.as_ref().and_then(|source| source.problem(key)));
        }
        if spec.token.is_some() && (spec.user.is_some() || spec.password.is_some()) {
            found.push(("token", "`token` and `user` exclude each other".to_owned(), "remove one of them"));
        }
        match (&spec.user, &spec.password) {
            (Some(_), None) => {
                found.push(("user", "`user` needs `password`".to_owned(), "add `password: { file: FILE }`"))
            }
            (None, Some(_)) => found.push(("password", "`password` needs `user`".to_owned(), "add `user: NAME`")),
            _ => {}
        }
        if user_of(&spec.url).is_some() && (spec.token.is_some() || spec.user.is_some()) {
            found.push(("url", "the URL has a user too".to_owned(), "remove `USER:PASSWORD@` from the URL"));
        }
        if let Some((missing, beside)) = spec.tls.as_ref().and_then(TlsSpec::lacks) {
            let what = format!("`tls.{beside}` needs `tls.{missing}`");
            found.push(("tls", what, "write both `cert` and `key`; they may name the same file"));
        }
        found
    }
}

impl SecretSource {
    /// What is wrong with it, below its key.
    pub(super) fn problem(&self, key: &'static str) -> Option<PlaceProblem> {
        (self.env.is_some() == self.file.is_some()).then(|| {
            let what = format!("`{key}` needs exactly one of `env` and `file`");
            (key, what, "write `{ file: FILE }` or `{ env: NAME }`")
        })
    }
}

/// User and password of a URL.
pub(super) fn user_of(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    authority.rsplit_once('@').map(|(user, _)| user)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(yaml: &str) -> MonitoringPlace {
        serde_saphyr::from_str(yaml).unwrap()
    }

    #[test]
    fn a_place_is_a_url_or_has_credentials() {
        assert_eq!(place("http://a:9090"), MonitoringPlace::Url("http://a:9090".to_owned()));
        let with_token = place("{ url: 'https://a', token: { env: T } }");
        assert_eq!(with_token.spec().token.and_then(|source| source.env).as_deref(), Some("T"));
        assert!(with_token.problems().is_empty());
    }

    #[test]
    fn what_cannot_be_meant_is_a_problem() {
        let keys = |yaml: &str| place(yaml).problems().into_iter().map(|(key, ..)| key).collect::<Vec<_>>();
        assert_eq!(keys("{ url: 'http://a', token: {} }"), ["token"]);
        assert_eq!(keys("{ url: 'http://a', token: { env: T, file: f } }"), ["token"]);
        assert_eq!(keys("{ url: 'http://a', token: { env: T }, user: u, password: { file: f } }"), ["token"]);
        assert_eq!(keys("{ url: 'http://a', user: u }"), ["user"]);
        assert_eq!(keys("{ url: 'http://a', password: { file: f } }"), ["password"]);
        assert_eq!(keys("{ url: 'http://u:p@a', token: { env: T } }"), ["url"]);
        assert_eq!(keys("{ url: 'https://a', tls: { cert: c } }"), ["tls"]);
    }

    #[test]
    fn passwords_in_urls_are_found() {
        assert!(place("http://u:p@a").has_password_in_url());
        assert!(!place("http://u@a/x:y@z").has_password_in_url());
        assert!(!place("forward/one/ns/service/prom:9090").has_password_in_url());
    }
}
