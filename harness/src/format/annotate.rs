//! Where a mesh file says that Grafana is, for annotations of drills.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::monitoring::{PlaceProblem, user_of};
use super::{SecretSource, TlsSpec};

/// A Grafana that gets annotations for the phases and fault windows of drills. An annotation that cannot be sent is a note in the
/// record; it never fails or delays a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AnnotateSpec {
    /// The URL of Grafana, with the path below which it is served, if any.
    pub url: String,
    /// Where the token of a service account is that may write annotations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<SecretSource>,
    /// The UID of the only dashboard that shows the annotations. Default: all dashboards can show them, by their tags.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "dashboardUID")]
    pub dashboard_uid: Option<String>,
    /// Tags beside `meshdrill`, the scenario's name, and `phase` or `fault`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// TLS options.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsSpec>,
}

impl AnnotateSpec {
    /// What is wrong with it.
    pub fn problems(&self) -> Vec<PlaceProblem> {
        let mut found = Vec::new();
        let rest = self.url.strip_prefix("http://").or_else(|| self.url.strip_prefix("https://"));
        let is_place = |rest: &str| !rest.starts_with(['/', ':']) && !rest.contains(['?', '#']);
        if !(rest.is_some_and(is_place) && self.url.parse::<http::Uri>().is_ok_and(|url| url.host().is_some())) {
            found.push((
                "url",
                "this is not the URL of Grafana".to_owned(),
                "write it as `https://grafana.example` or `http://HOST:3000/PATH`, without a query",
            ));
        }
        if user_of(&self.url).is_some() {
            found.push((
                "url",
                "the URL has a user".to_owned(),
                "remove `USER:PASSWORD@` and write `token: { file: FILE }`",
            ));
        }
        found.extend(self.token.as_ref().and_then(|source| source.problem("token")));
        if self.dashboard_uid.as_ref().is_some_and(String::is_empty) {
            found.push((
                "dashboardUID",
                "`dashboardUID` is empty".to_owned(),
                "remove it, or copy it from the dashboard's URL",
            ));
        }
        if self.tags.iter().any(|tag| tag.trim().is_empty()) {
            found.push(("tags", "a tag is empty".to_owned(), "remove it"));
        }
        if let Some((missing, beside)) = self.tls.as_ref().and_then(TlsSpec::lacks) {
            let what = format!("`tls.{beside}` needs `tls.{missing}`");
            found.push(("tls", what, "write both `cert` and `key`; they may name the same file"));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_meant_is_a_problem() {
        let keys = |yaml: &str| {
            let spec: AnnotateSpec = serde_saphyr::from_str(yaml).unwrap();
            spec.problems().into_iter().map(|(key, ..)| key).collect::<Vec<_>>()
        };
        assert!(keys("{ url: 'https://grafana.example/path/', token: { env: T }, tags: [nightly] }").is_empty());
        assert!(keys("{ url: 'http://[::1]:3000' }").is_empty());
        for url in
            ["grafana.example", "ftp://a", "http://", "http:///x", "http://a/?orgId=1", "forward/a/b/service/c:1"]
        {
            assert_eq!(keys(&format!("{{ url: '{url}' }}")), ["url"], "{url}");
        }
        assert_eq!(keys("{ url: 'http://u:p@a' }"), ["url"]);
        assert_eq!(keys("{ url: 'http://a', token: {} }"), ["token"]);
        assert_eq!(keys("{ url: 'http://a', dashboardUID: '' }"), ["dashboardUID"]);
        assert_eq!(keys("{ url: 'http://a', tags: [a, ' '] }"), ["tags"]);
        assert_eq!(keys("{ url: 'http://a', tls: { key: k } }"), ["tls"]);
    }
}
