//! Reads one value from an HTTP response: from its body or a header, optionally by a regular expression.

use http::header::HeaderValue;
use jsonpath_rust::parser::model::JpQuery;
use jsonpath_rust::parser::parse_json_path;
use jsonpath_rust::query::js_path_process;
use regex::Regex;
use serde_json::Value;

use super::ProbeError;
use super::expect::plain;
use crate::net::HttpAnswer;

/// Where the value is.
enum Source {
    Body,
    Json(JpQuery),
    Header(String),
}

/// Reads one value from responses. Made once, because paths and patterns are expensive to parse.
pub(super) struct Reader {
    source: Source,
    regex: Option<Regex>,
}

impl Reader {
    /// Reads from the first value of a path, or a header, or the body; with a pattern, only what it matches.
    pub(super) fn new(json: Option<&str>, header: Option<&str>, regex: Option<&str>) -> Result<Self, ProbeError> {
        let bad_path = |path, error| ProbeError(format!("{path} is not a JSONPath: {error}"));
        let source = match (json, header) {
            (Some(path), _) => Source::Json(parse_json_path(path).map_err(|error| bad_path(path, error))?),
            (None, Some(header)) => Source::Header(header.to_owned()),
            (None, None) => Source::Body,
        };
        let regex = regex.map(Regex::new).transpose().map_err(|error| ProbeError(error.to_string()))?;
        Ok(Self { source, regex })
    }

    /// The value in a response; none if there is none.
    pub(super) fn read(&self, answer: &HttpAnswer) -> Option<String> {
        let text = match &self.source {
            Source::Body => answer.text().ok()?.into_owned(),
            Source::Header(name) => {
                let values = answer.headers.get_all(name.as_str()).iter().map(HeaderValue::to_str);
                let values = values.collect::<Result<Vec<_>, _>>().ok().filter(|values| !values.is_empty())?;
                values.join(", ")
            }
            Source::Json(path) => {
                let document: Value = serde_json::from_str(&answer.text().ok()?).ok()?;
                let found = js_path_process(path, &document).ok()?;
                plain(found.into_iter().next()?.val())
            }
        };
        match &self.regex {
            Some(regex) => {
                let captures = regex.captures(&text)?;
                Some(captures.get(1).or_else(|| captures.get(0))?.as_str().to_owned())
            }
            None => Some(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        let mut headers = http::HeaderMap::new();
        headers.insert("x-pod", HeaderValue::from_static("reviews-v3-abc"));
        let body = r#"{"podname":"reviews-v2-abc","clustername":"one"}"#.into();
        let answer = HttpAnswer { status: 200, headers, body, ..HttpAnswer::default() };
        let read = |json, header, regex| Reader::new(json, header, regex).unwrap().read(&answer);
        let version = Some("-(v[0-9]+)-");
        assert_eq!(read(Some("$.podname"), None, version).as_deref(), Some("v2"));
        assert_eq!(read(None, Some("x-pod"), version).as_deref(), Some("v3"));
        assert_eq!(read(Some("$.clustername"), None, None).as_deref(), Some("one"));
        assert_eq!(read(None, None, Some("reviews-v[0-9]")).as_deref(), Some("reviews-v2"));
        assert_eq!(read(Some("$.nobody"), None, None), None);
        assert_eq!(read(None, Some("x-nothing"), None), None);
    }
}
