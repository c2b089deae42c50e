//! Label selectors as in kubectl: `app=x`, `app==x`, `tier!=front`, `env in (a,b)`, `env notin (a)`, `app`, `!app`.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use regex::Regex;
use serde::{Deserialize, Serialize};

/// A label selector that is well formed and does not select everything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
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
    /// As the API server takes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Selector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        if text.trim().is_empty() {
            return Err(SelectorError::Empty);
        }
        let mut depth = 0;
        let split = text.split(|c: char| {
            depth += i32::from(c == '(') - i32::from(c == ')');
            c == ',' && depth == 0
        });
        for requirement in split {
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
}
