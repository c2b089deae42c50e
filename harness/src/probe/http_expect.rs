//! What is expected of an HTTP response: status, headers, text and JSON of its body.

use std::collections::BTreeMap;

use http::header::HeaderValue;
use meshdrill_checks::record::Class;
use regex::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::Value;

use super::ProbeError;
use super::expect::{JsonExpect, bad_regex, excerpt};
use super::role::SpecError;
use crate::format::Comparison;
use crate::net::HttpAnswer;

/// The expectations of a response.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpExpect {
    /// The status; by default any 2xx.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// A text that the body must contain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// A regular expression that is searched in the body: it must match a part of it. Begin with `^` and end with `$` for all of
    /// it, such as `^ok$`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_matches: Option<String>,
    /// A text that the body must not contain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_lacks: Option<String>,
    /// Values of the body as JSON, by their `JSONPath`, such as `{ $.status: ok, "$.replicas": { is: ">= 2" } }`. A value alone
    /// must be equal.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "filled")]
    pub json: BTreeMap<String, JsonCondition>,
    /// Headers and their values, such as `{ content-type: application/json, server: { contains: envoy } }`. A text alone must be
    /// equal; parameters such as `; charset=utf-8` count only where they are written.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "filled")]
    pub headers: BTreeMap<String, HeaderCondition>,
}

/// Comparisons of which there is at least one.
fn filled<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<BTreeMap<String, T>, D::Error> {
    let comparisons = BTreeMap::deserialize(from)?;
    if comparisons.is_empty() {
        return Err(de::Error::custom("this is empty, so it compares nothing; remove it, or add a comparison"));
    }
    Ok(comparisons)
}

/// What a value of a JSON document must be: equal to this, or as these comparisons say.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum JsonCondition {
    /// Comparisons.
    Rule(JsonRule),
    /// A value to be equal to.
    Equals(Value),
}

/// Comparisons of a JSON value; all must hold.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JsonRule {
    /// The value must be equal to this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
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

impl<'de> Deserialize<'de> for JsonCondition {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match Value::deserialize(from)? {
            mapping @ Value::Object(_) => serde_json::from_value(mapping).map(Self::Rule).map_err(de::Error::custom),
            value => Ok(Self::Equals(value)),
        }
    }
}

impl JsonCondition {
    fn at(&self, path: &str) -> JsonExpect {
        let rule = match self {
            Self::Rule(rule) => rule.clone(),
            Self::Equals(value) => JsonRule { equals: Some(value.clone()), ..JsonRule::default() },
        };
        let JsonRule { equals, is, matches, count, exists } = rule;
        JsonExpect { path: path.to_owned(), equals, is, matches, count, exists }
    }
}

/// What a header must be: equal to this, or as these comparisons say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum HeaderCondition {
    /// A text to be equal to.
    Equals(String),
    /// Comparisons.
    Rule(HeaderRule),
}

/// Comparisons of a header; all must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HeaderRule {
    /// A text that it must contain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contains: Option<String>,
    /// A regular expression that must match a part of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matches: Option<String>,
}

impl<'de> Deserialize<'de> for HeaderCondition {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match Value::deserialize(from)? {
            mapping @ Value::Object(_) => serde_json::from_value(mapping).map(Self::Rule).map_err(de::Error::custom),
            Value::String(text) => Ok(Self::Equals(text)),
            value @ (Value::Number(_) | Value::Bool(_)) => Ok(Self::Equals(value.to_string())),
            Value::Null | Value::Array(_) => {
                Err(de::Error::custom("write a text, `{ contains: TEXT }` or `{ matches: REGEX }`"))
            }
        }
    }
}

impl HeaderCondition {
    /// How a header that has these values differs; none if it does not.
    fn missed(&self, name: &str, values: &[String]) -> Option<String> {
        let all = values.join(", ");
        if values.is_empty() {
            return Some(format!("header {name} is missing"));
        }
        match self {
            Self::Equals(wanted) => {
                let same = |value: &str| value == wanted || (!wanted.contains(';') && media_type(value) == wanted);
                let met = values.iter().any(|value| same(value)) || same(&all);
                (!met).then(|| format!("header {name} is {all}, expected {wanted}"))
            }
            Self::Rule(rule) => {
                let lacking = rule.contains.as_ref().filter(|text| !all.contains(text.as_str()));
                let lacking = lacking.map(|text| format!("header {name} is {all}, expected to contain `{text}`"));
                let unmatched = rule.matches.as_ref().filter(|pattern| {
                    !Regex::new(pattern).is_ok_and(|regex| values.iter().any(|value| regex.is_match(value)))
                });
                lacking.or_else(|| unmatched.map(|text| format!("header {name} is {all}, expected to match `{text}`")))
            }
        }
    }
}

/// A value without its parameters: `text/html` of `text/html; charset=utf-8`.
fn media_type(value: &str) -> &str {
    value.split_once(';').map_or(value, |(media_type, _)| media_type.trim_end())
}

impl HttpExpect {
    /// What is wrong with the keys.
    pub(super) fn spec_errors(&self) -> Vec<SpecError> {
        let mut found: Vec<SpecError> =
            bad_regex("expect.bodyMatches", self.body_matches.as_deref()).into_iter().collect();
        if self.status.is_some_and(|status| !(100..=599).contains(&status)) {
            found.push(SpecError::new(
                "expect.status",
                "this is not an HTTP status",
                "write a status from 100 to 599, such as 200",
            ));
        }
        found.extend(self.json.iter().flat_map(|(path, condition)| condition.at(path).spec_errors("expect.json")));
        for condition in self.json.values() {
            if *condition == JsonCondition::Rule(JsonRule::default()) {
                let help = "write a value, or one of equals, is, matches, count, exists";
                found.push(SpecError::new("expect.json", "this expects nothing", help));
            }
        }
        for condition in self.headers.values() {
            let HeaderCondition::Rule(rule) = condition else { continue };
            found.extend(bad_regex("expect.headers", rule.matches.as_deref()));
            if *rule == HeaderRule::default() {
                let help = "write a text, `{ contains: TEXT }` or `{ matches: REGEX }`";
                found.push(SpecError::new("expect.headers", "this expects nothing", help));
            }
        }
        found
    }
}

/// The expectations of a response, with compiled patterns.
pub(super) struct Expectation {
    plain: HttpExpect,
    matches: Option<Regex>,
    json: Vec<JsonExpect>,
}

impl Expectation {
    pub fn new(plain: &HttpExpect) -> Result<Self, ProbeError> {
        let compile = |pattern: &String| Regex::new(pattern).map_err(|error| ProbeError(error.to_string()));
        let matches = plain.body_matches.as_ref().map(compile).transpose()?;
        let json = plain.json.iter().map(|(path, condition)| condition.at(path)).collect();
        Ok(Self { plain: plain.clone(), matches, json })
    }

    /// How a response differs from the expectations: class and message.
    pub fn missed(&self, answer: &HttpAnswer) -> Option<(Class, String)> {
        let wanted = self.plain.status;
        if !wanted.map_or((200..300).contains(&answer.status), |status| status == answer.status) {
            let class = if (500..600).contains(&answer.status) { Class::Http5xx } else { Class::HttpOther };
            let wanted = wanted.map_or_else(|| "2xx".to_owned(), |status| status.to_string());
            let body = answer.text().map_or_else(|why| why, |text| excerpt(&text));
            let body = if body.is_empty() { body } else { format!(": {body}") };
            let to = answer.redirect().map_or_else(String::new, |to| format!(" to {}", excerpt(&to)));
            let retry = answer.headers.get(http::header::RETRY_AFTER).map_or_else(String::new, |after| {
                format!(" (Retry-After: {})", excerpt(&String::from_utf8_lossy(after.as_bytes())))
            });
            return Some((class, format!("status {}{retry}{to}, expected {wanted}{body}", answer.status)));
        }
        for (name, condition) in &self.plain.headers {
            let all = answer.headers.get_all(name.as_str()).iter().map(HeaderValue::as_bytes);
            let all: Vec<String> = all.map(|value| String::from_utf8_lossy(value).into_owned()).collect();
            if let Some(missed) = condition.missed(name, &all) {
                return Some((Class::Body, missed));
            }
        }
        let text = self.plain.body.is_some() || self.matches.is_some() || self.plain.body_lacks.is_some();
        if !text && self.json.is_empty() {
            return None;
        }
        let body = match answer.text() {
            Ok(body) => body,
            Err(why) => return Some((Class::Body, why)),
        };
        let missed = self.missed_in_text(&body).or_else(|| self.missed_in_json(&body))?;
        Some((Class::Body, format!("{missed}: {}", excerpt(&body))))
    }

    fn missed_in_text(&self, body: &str) -> Option<String> {
        match (&self.plain.body, &self.matches, &self.plain.body_lacks) {
            (Some(text), _, _) if !body.contains(text.as_str()) => Some(format!("the body does not contain `{text}`")),
            (_, Some(regex), _) if !regex.is_match(body) => Some(format!("the body does not match `{regex}`")),
            (_, _, Some(text)) if body.contains(text.as_str()) => Some(format!("the body contains `{text}`")),
            _ => None,
        }
    }

    fn missed_in_json(&self, body: &str) -> Option<String> {
        if self.json.is_empty() {
            return None;
        }
        match serde_json::from_str::<Value>(body) {
            Ok(document) => self.json.iter().find_map(|expect| expect.missed(&document)),
            Err(error) => Some(format!("the body is not JSON ({error})")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn expect(spec: Value) -> HttpExpect {
        serde_json::from_value(spec).unwrap()
    }

    #[test]
    fn values_of_a_json_body_are_compared() {
        let body = r#"{"status":"ok","replicas":3,"items":[{"ready":true},{"ready":true}]}"#;
        let missed = |spec: Value| Expectation::new(&expect(spec)).unwrap().missed_in_json(body);
        for good in [
            json!({ "$.status": "ok", "$.replicas": 3 }),
            json!({ "$.replicas": { "is": ">= 2" }, "$.items": { "count": 1 }, "$.error": { "exists": false } }),
            json!({ "$.items[*].ready": true, "$.status": { "matches": "^o" } }),
        ] {
            assert_eq!(missed(json!({ "json": good.clone() })), None, "{good}");
        }
        for (bad, why) in [
            (json!({ "$.status": "down" }), "$.status is \"ok\", expected \"down\""),
            (json!({ "$.nothing": 1 }), "$.nothing does not exist"),
            (json!({ "$.replicas": { "is": "> 3" } }), "$.replicas is 3, expected > 3"),
        ] {
            assert_eq!(missed(json!({ "json": bad })).as_deref(), Some(why));
        }
        let html = Expectation::new(&expect(json!({ "json": { "$.status": "ok" } }))).unwrap();
        assert!(html.missed_in_json("<html>").is_some_and(|why| why.contains("not JSON")));
    }

    #[test]
    fn headers_are_compared() {
        let missed = |condition: Value, values: &[&str]| {
            let condition: HeaderCondition = serde_json::from_value(condition).unwrap();
            condition.missed("h", &values.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(missed(json!("application/json"), &["application/json; charset=utf-8"]), None);
        assert!(missed(json!("text/html; charset=utf-8"), &["text/html"]).is_some());
        assert_eq!(missed(json!({ "contains": "envoy" }), &["istio-envoy"]), None);
        assert_eq!(missed(json!({ "matches": "^b$" }), &["a", "b"]), None);
        assert!(missed(json!({ "matches": "^c" }), &["a", "b"]).is_some_and(|why| why.contains("is a, b, expected")));
        assert_eq!(missed(json!("x"), &[]).as_deref(), Some("header h is missing"));
        assert_eq!(missed(json!(1), &["1"]), None);
    }

    #[test]
    fn what_expects_nothing_is_an_error() {
        let errors = |spec: Value| expect(spec).spec_errors().len();
        assert_eq!(errors(json!({ "json": { "$.a": 1 }, "headers": { "a": "b" } })), 0);
        assert_eq!(errors(json!({ "json": { "$.a": {} }, "headers": { "a": {} } })), 2);
        assert_eq!(errors(json!({ "json": { "$[": 1 } })), 1);
        assert!(serde_json::from_value::<HttpExpect>(json!({ "json": { "$.a": { "equal": 1 } } })).is_err());
    }
}
