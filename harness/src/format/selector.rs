//! Label selectors as in kubectl: `app=x`, `app==x`, `tier!=front`, `env in (a,b)`, `env notin (a)`, `app`, `!app`.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use regex::Regex;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A label selector that is well formed and does not select everything.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct Selector(String);

/// Why a text is not a selector.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectorError {
    /// It would select everything.
    #[error("an empty selector selects everything; name a label, as in `app=reviews`")]
    Empty,
    /// One of its requirements is malformed.
    #[error("`{0}` is not a label selector; write it as for kubectl, as in `app=reviews,version in (v1,v2)`")]
    Malformed(String),
}

static REQUIREMENT: LazyLock<Regex> = LazyLock::new(|| {
    let key = r"([a-zA-Z0-9]([-a-zA-Z0-9.]*[a-zA-Z0-9])?/)?[a-zA-Z0-9]([-a-zA-Z0-9_.]*[a-zA-Z0-9])?";
    let value = r"([a-zA-Z0-9]([-a-zA-Z0-9_.]*[a-zA-Z0-9])?)?";
    let forms = format!(
        r"^\s*(!\s*{key}|{key}(\s*(=|==|!=)\s*{value}|\s+(in|notin)\s*\(\s*{value}(\s*,\s*{value})*\s*\))?)\s*$"
    );
    Regex::new(&forms).expect("the pattern is constant")
});

impl Selector {
    /// Every object with a label.
    pub fn with_label(key: &str) -> Self {
        Self(key.to_owned())
    }

    /// Whether it was left out.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As the API server takes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As a `LabelSelector` of an object.
    pub fn to_object(&self) -> Value {
        json!({ "matchExpressions": requirements(&self.0).map(expression).collect::<Vec<_>>() })
    }
}

/// The requirements of a selector: at its commas, except those between parentheses.
fn requirements(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0;
    text.split(move |c: char| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        c == ',' && depth == 0
    })
}

fn expression(requirement: &str) -> Value {
    let text = requirement.trim();
    if let Some(key) = text.strip_prefix('!') {
        return json!({ "key": key.trim(), "operator": "DoesNotExist" });
    }
    let several = |operator: &str, key: &str, values: &str| {
        let values: Vec<&str> = values.trim().trim_matches(['(', ')']).split(',').map(str::trim).collect();
        json!({ "key": key.trim(), "operator": operator, "values": values })
    };
    if let Some((key, values)) = text.split_once("!=") {
        return several("NotIn", key, values);
    }
    if let Some((key, values)) = text.split_once('=') {
        return several("In", key, values.trim_start_matches('='));
    }
    match text.split_once(char::is_whitespace).map(|(key, rest)| (key, rest.trim())) {
        Some((key, rest)) => match rest.strip_prefix("notin") {
            Some(values) => several("NotIn", key, values),
            None => several("In", key, rest.trim_start_matches("in")),
        },
        None => json!({ "key": text, "operator": "Exists" }),
    }
}

impl FromStr for Selector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        if text.trim().is_empty() {
            return Err(SelectorError::Empty);
        }
        for requirement in requirements(text) {
            if !REQUIREMENT.is_match(requirement) {
                return Err(SelectorError::Malformed(text.to_owned()));
            }
        }
        Ok(Self(text.trim().to_owned()))
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Selector {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        if text.contains("${") {
            return Ok(Self(text));
        }
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_are_those_of_kubectl() {
        for good in ["app=x", "app==x", "a!=b", "app", "!app", "a in (b,c), d", "a.b/c=d", "a notin (b)", "app="] {
            assert!(good.parse::<Selector>().is_ok(), "{good}");
        }
        for bad in ["app=x y", "=x", "a in b", "a=b,,c=d", "a>1=", "a=(b)"] {
            assert!(matches!(bad.parse::<Selector>(), Err(SelectorError::Malformed(_))), "{bad}");
        }
        assert_eq!(" ".parse::<Selector>(), Err(SelectorError::Empty));
    }

    #[test]
    fn as_an_object_it_selects_the_same() {
        let object = |text: &str| text.parse::<Selector>().unwrap().to_object()["matchExpressions"].clone();
        assert_eq!(object("app=x")[0], json!({ "key": "app", "operator": "In", "values": ["x"] }));
        assert_eq!(object("a==b,c")[1], json!({ "key": "c", "operator": "Exists" }));
        assert_eq!(object("a != b")[0], json!({ "key": "a", "operator": "NotIn", "values": ["b"] }));
        assert_eq!(object("a notin (b, c)")[0], json!({ "key": "a", "operator": "NotIn", "values": ["b", "c"] }));
        assert_eq!(object("in in (in),!x")[0], json!({ "key": "in", "operator": "In", "values": ["in"] }));
        assert_eq!(object("in in (in), !x")[1], json!({ "key": "x", "operator": "DoesNotExist" }));
    }
}
