//! Expectations that several kinds share: of text and of JSON.

use jsonpath_rust::JsonPath as _;
use regex::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::SpecError;
use crate::format::Comparison;

/// Expectations of a text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TextExpect {
    /// A text that it must contain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contains: Option<String>,
    /// Texts that it must all contain.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contains_all: Vec<String>,
    /// A text that it must not contain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lacks: Option<String>,
    /// A regular expression that must match a part of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matches: Option<String>,
}

impl TextExpect {
    /// How a text differs from the expectations; none if it does not.
    pub fn missed(&self, text: &str) -> Option<String> {
        let lacks = |wanted: &String| (!text.contains(wanted)).then(|| format!("does not contain `{wanted}`"));
        let has = |unwanted: &String| text.contains(unwanted).then(|| format!("contains `{unwanted}`"));
        let unmatched = |pattern: &String| match Regex::new(pattern) {
            Ok(regex) => (!regex.is_match(text)).then(|| format!("does not match `{pattern}`")),
            Err(error) => Some(format!("cannot be matched against `{pattern}`: {error}")),
        };
        let contains = self.contains.iter().chain(&self.contains_all).find_map(lacks);
        contains.or_else(|| self.lacks.as_ref().and_then(has)).or_else(|| self.matches.as_ref().and_then(unmatched))
    }

    /// What is wrong with the keys.
    pub fn spec_errors(&self, key: &'static str) -> Vec<SpecError> {
        bad_regex(key, self.matches.as_deref()).into_iter().collect()
    }
}

/// The error about a regular expression that does not compile.
pub(super) fn bad_regex(key: &'static str, pattern: Option<&str>) -> Option<SpecError> {
    let error = Regex::new(pattern?).err()?;
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
    Some(SpecError::new(
        key,
        format!("this is not a regular expression: {last}"),
        "use the syntax of the Rust regex crate",
    ))
}

/// The error about an invalid `JSONPath`.
pub(super) fn bad_json_path(key: &'static str, path: Option<&str>) -> Option<SpecError> {
    let bad = Value::Null.query(path?).is_err();
    bad.then(|| SpecError::new(key, "this is not a JSONPath", "write it as in RFC 9535, such as `$.clustername`"))
}

/// A JSON value as text: strings without their quotes.
pub(super) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// An expectation of values in a JSON document. Without a condition, at least one value must exist.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JsonExpect {
    /// A `JSONPath` (RFC 9535), such as `$.spec.replicas`. Every value that it selects must meet the condition.
    pub path: String,
    /// The value must be equal to this.
    #[serde(default, deserialize_with = "crate::format::comparand", skip_serializing_if = "Option::is_none")]
    pub equals: Option<Value>,
    /// The value must be a number that meets this comparison, such as `>= 3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is: Option<Comparison>,
    /// The value must match this regular expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matches: Option<String>,
    /// The number of values that the path must select.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<usize>,
    /// `false`: the path must select nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exists: Option<bool>,
}

impl JsonExpect {
    /// How a document differs from the expectation; none if it does not.
    pub fn missed(&self, document: &Value) -> Option<String> {
        let found = match document.query(&self.path) {
            Ok(found) => found,
            Err(error) => return Some(format!("{} is not a JSONPath: {error}", self.path)),
        };
        if let Some(count) = self.count
            && found.len() != count
        {
            return Some(format!("{} selects {} values, expected {count}", self.path, found.len()));
        }
        match (self.exists, found.is_empty()) {
            (Some(false), false) => return Some(format!("{} exists", self.path)),
            (Some(false), true) => return None,
            (_, true) if self.count != Some(0) => return Some(format!("{} does not exist", self.path)),
            _ => {}
        }
        found.into_iter().find_map(|value| self.value_missed(value))
    }

    /// Like [`Self::missed`], but without values: for documents with secrets.
    pub fn missed_in_secret(&self, document: &Value) -> Option<String> {
        self.missed(document)
            .map(|_| format!("{} differs from the expectation (values of a Secret are not shown)", self.path))
    }

    fn value_missed(&self, value: &Value) -> Option<String> {
        let path = &self.path;
        if let Some(wanted) = self.equals.as_ref().filter(|wanted| !alike(wanted, value)) {
            return Some(format!("{path} is {}, expected {}", short(value), short(wanted)));
        }
        if let Some(comparison) = self.is {
            let number = value.as_f64().or_else(|| value.as_str()?.parse().ok());
            if !number.is_some_and(|number| comparison.holds(number)) {
                return Some(format!("{path} is {}, expected {comparison}", short(value)));
            }
        }
        let pattern = self.matches.as_ref()?;
        (!Regex::new(pattern).is_ok_and(|regex| regex.is_match(&plain(value))))
            .then(|| format!("{path} is {}, expected to match `{pattern}`", short(value)))
    }

    /// What is wrong with the keys.
    pub fn spec_errors(&self, key: &'static str) -> Vec<SpecError> {
        let bad_path = Value::Null.query(&self.path).err().map(|_| {
            SpecError::new(
                key,
                format!("`{}` is not a JSONPath", self.path),
                "write it as in RFC 9535, such as `$.spec.replicas`",
            )
        });
        bad_path.into_iter().chain(bad_regex(key, self.matches.as_deref())).collect()
    }
}

/// Whether two values are equal. A number is equal to its text: YAML authors do not think of JSON types.
fn alike(wanted: &Value, found: &Value) -> bool {
    match (wanted, found) {
        (Value::Number(wanted), Value::Number(found)) => wanted.as_f64() == found.as_f64(),
        (Value::Number(number), Value::String(text)) => *text == number.to_string(),
        (Value::String(text), Value::Number(number)) => text.parse().ok() == number.as_f64(),
        (wanted, found) => wanted == found,
    }
}

/// A JSON value short enough for a message.
pub(super) fn short(value: &Value) -> String {
    excerpt(&value.to_string())
}

/// The beginning of a text, with control characters made visible.
pub(super) fn excerpt(text: &str) -> String {
    let mut shown: String = text.chars().take(160).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(160).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn expect(yaml: Value) -> JsonExpect {
        serde_json::from_value(yaml).unwrap()
    }

    #[test]
    fn every_selected_value_is_compared() {
        let object = json!({ "spec": { "http": [{ "route": [{ "weight": 50 }, { "weight": 30 }] }] } });
        assert_eq!(expect(json!({ "path": "$.spec.http[0].route[0].weight", "equals": 50 })).missed(&object), None);
        let missed = expect(json!({ "path": "$.spec.http[*].route[*].weight", "is": ">= 40" })).missed(&object);
        assert_eq!(missed.as_deref(), Some("$.spec.http[*].route[*].weight is 30, expected >= 40"));
        assert_eq!(expect(json!({ "path": "$.nothing" })).missed(&object).as_deref(), Some("$.nothing does not exist"));
        assert_eq!(expect(json!({ "path": "$.nothing", "exists": false })).missed(&object), None);
        assert_eq!(expect(json!({ "path": "$..weight", "count": 2 })).missed(&object), None);
        assert_eq!(expect(json!({ "path": "$[", "equals": 1 })).spec_errors("where").len(), 1);
    }

    #[test]
    fn texts_are_searched() {
        let expect = TextExpect {
            contains: Some("title".into()),
            contains_all: Vec::new(),
            lacks: Some("unavailable".into()),
            matches: None,
        };
        assert_eq!(expect.missed("<title>"), None);
        assert_eq!(expect.missed("<title> unavailable").as_deref(), Some("contains `unavailable`"));
    }
}
