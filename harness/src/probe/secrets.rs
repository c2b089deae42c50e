//! Keeps credentials out of plans and reports: header values and the user part of URLs.

use std::collections::BTreeMap;

use serde::Serializer;
use serde::ser::SerializeMap as _;

/// Replaces a credential.
const MASK: &str = "(not shown)";
/// Parts of the names of headers with credentials.
const NAMES: [&str; 6] = ["authorization", "cookie", "token", "secret", "api-key", "apikey"];

pub(super) use crate::net::without_userinfo;

/// Serializes a URL.
#[expect(clippy::ref_option, reason = "serde passes the field as it is")]
pub(super) fn url<S: Serializer>(url: &Option<String>, to: S) -> Result<S::Ok, S::Error> {
    match url {
        Some(url) => to.serialize_some(&without_userinfo(url)),
        None => to.serialize_none(),
    }
}

/// Serializes headers.
pub(super) fn headers<S: Serializer>(headers: &BTreeMap<String, String>, to: S) -> Result<S::Ok, S::Error> {
    let mut map = to.serialize_map(Some(headers.len()))?;
    for (name, value) in headers {
        let plain = name.to_lowercase();
        let secret = NAMES.iter().any(|part| plain.contains(part));
        map.serialize_entry(name, if secret { MASK } else { value })?;
    }
    map.end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_left_out_of_urls() {
        for (url, shown) in [
            ("http://user:pass@host:80/a@b", "http://host:80/a@b"),
            ("https://host/path?x=a@b", "https://host/path?x=a@b"),
            ("host", "host"),
        ] {
            assert_eq!(without_userinfo(url), shown);
        }
    }

    #[test]
    fn credentials_are_masked() {
        let all = BTreeMap::from([("X-Api-Key".to_owned(), "k".to_owned()), ("accept".to_owned(), "a".to_owned())]);
        let mut out = Vec::new();
        headers(&all, &mut serde_json::Serializer::new(&mut out)).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), r#"{"X-Api-Key":"(not shown)","accept":"a"}"#);
    }
}
