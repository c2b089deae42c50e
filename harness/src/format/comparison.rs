//! `>= 1`, `< 0.05`, `== 3`, or just `3`: what a number is expected to be.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A comparison with a constant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Comparison {
    operator: Operator,
    value: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    AtMost,
    More,
    AtLeast,
}

/// Longer ones first, so that `>=` is not read as `>`.
const OPERATORS: [(&str, Operator); 6] = [
    ("==", Operator::Equal),
    ("!=", Operator::NotEqual),
    ("<=", Operator::AtMost),
    (">=", Operator::AtLeast),
    ("<", Operator::Less),
    (">", Operator::More),
];

impl Comparison {
    /// `== value`.
    pub const fn exactly(value: f64) -> Self {
        Self { operator: Operator::Equal, value }
    }

    /// `>= value`.
    pub const fn at_least(value: f64) -> Self {
        Self { operator: Operator::AtLeast, value }
    }

    /// Whether a number is as expected; NaN never is.
    #[expect(clippy::float_cmp, reason = "counts and declared constants are compared exactly")]
    pub fn holds(self, number: f64) -> bool {
        match self.operator {
            Operator::Equal => number == self.value,
            Operator::NotEqual => !number.is_nan() && number != self.value,
            Operator::Less => number < self.value,
            Operator::AtMost => number <= self.value,
            Operator::More => number > self.value,
            Operator::AtLeast => number >= self.value,
        }
    }
}

impl FromStr for Comparison {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let (operator, number) = OPERATORS
            .iter()
            .find_map(|(sign, operator)| Some((*operator, text.strip_prefix(sign)?)))
            .unwrap_or((Operator::Equal, text));
        let value = number.trim().parse().map_err(|_| {
            format!("`{text}` is not a comparison; write a number or one of == != < <= > >= and a number")
        })?;
        Ok(Self { operator, value })
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = OPERATORS.iter().find(|(_, operator)| *operator == self.operator).map_or("", |(sign, _)| sign);
        write!(f, "{sign} {}", self.value)
    }
}

impl Serialize for Comparison {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Comparison {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Comparison;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number or a comparison such as `>= 1`")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Comparison, E> {
                text.parse().map_err(E::custom)
            }
            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Comparison, E> {
                self.visit_f64(number as f64)
            }
            fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Comparison, E> {
                self.visit_f64(number as f64)
            }
            fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Comparison, E> {
                Ok(Comparison { operator: Operator::Equal, value })
            }
        }
        from.deserialize_any(Visitor)
    }
}

impl schemars::JsonSchema for Comparison {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Comparison".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": ["string", "number"],
            "description": "A number, or one of == != < <= > >= and a number, such as \">= 1\""
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_compared_as_written() {
        let holds = |text: &str, number| text.parse::<Comparison>().unwrap().holds(number);
        assert!(holds(">= 1", 1.0) && !holds(">= 1", 0.9) && holds("3", 3.0) && holds("<5", 4.0));
        assert!(!holds("!= 1", f64::NAN) && !holds("< 1", f64::NAN));
        assert!("about 3".parse::<Comparison>().is_err());
        assert_eq!(">=1".parse::<Comparison>().unwrap().to_string(), ">= 1");
    }
}
