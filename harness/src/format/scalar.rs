//! Scalars whose spelling matters: values of `vars`, and values that an object is compared with.

use std::fmt;

use meshdrill_document::{SPELLED, Value as Document, core_schema};
use serde::de::{Deserializer, Error, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

/// A value of `vars`. Text stays text: `1.30` is `1.30` in a URL or a selector, and a number where a number is expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scalar {
    /// Text in quotes, or text that is nothing else.
    Text(String),
    /// A number or truth value, as it is written.
    Plain(String),
}

impl Scalar {
    /// As it is written.
    pub fn text(&self) -> &str {
        match self {
            Self::Text(text) | Self::Plain(text) => text,
        }
    }

    /// What it puts into a document.
    pub fn as_document(&self) -> Document {
        match self {
            Self::Text(text) => Document::Text(text.clone()),
            Self::Plain(text) => Document::plain(text),
        }
    }
}

impl Serialize for Scalar {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => to.serialize_str(text),
            Self::Plain(text) => json_of(text).serialize(to),
        }
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(match spelled(from)? {
            Spelling::Text(text) => Self::Text(text),
            Spelling::Plain(text) => Self::Plain(text),
            Spelling::Other(_) => return Err(D::Error::custom("this must be text, a number, `true` or `false`")),
        })
    }
}

impl schemars::JsonSchema for Scalar {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Scalar".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": ["boolean", "number", "string"], "description": "A value of `vars`; text stays as it is written" })
    }
}

/// Reads a value to compare with: a number whose spelling says more than its value stays text.
pub fn comparand<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Ok(Some(match spelled(from)? {
        Spelling::Text(text) => Value::String(text),
        Spelling::Plain(text) => json_of(&text),
        Spelling::Other(value) => value,
    }))
}

/// The JSON value of a plain scalar; text where another spelling would be the same value.
fn json_of(text: &str) -> Value {
    let value = match core_schema(text) {
        Document::Bool(value) => Value::from(value),
        Document::Int(number) => Value::from(number),
        Document::Float(number) => Value::from(number),
        _ => return Value::from(text),
    };
    let canonical = value.to_string();
    if canonical == text { value } else { Value::from(text) }
}

enum Spelling {
    Text(String),
    Plain(String),
    Other(Value),
}

fn spelled<'de, D: Deserializer<'de>>(from: D) -> Result<Spelling, D::Error> {
    struct Read;
    impl<'de> Visitor<'de> for Read {
        type Value = Spelling;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a value")
        }
        fn visit_bytes<E: Error>(self, text: &[u8]) -> Result<Spelling, E> {
            Ok(Spelling::Plain(String::from_utf8_lossy(text).into_owned()))
        }
        fn visit_newtype_struct<D: Deserializer<'de>>(self, from: D) -> Result<Spelling, D::Error> {
            Ok(match Value::deserialize(from)? {
                Value::String(text) => Spelling::Text(text),
                value @ (Value::Bool(_) | Value::Number(_)) => Spelling::Plain(value.to_string()),
                other => Spelling::Other(other),
            })
        }
    }
    from.deserialize_newtype_struct(SPELLED, Read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_text_where_its_spelling_says_more() {
        for (text, value) in [("3", Value::from(3)), ("1.5", Value::from(1.5)), ("true", Value::from(true))] {
            assert_eq!(json_of(text), value);
        }
        for text in ["1.30", "0o17", "1e3", "007", "True", "12e3", "+1"] {
            assert_eq!(json_of(text), Value::from(text));
        }
    }
}
