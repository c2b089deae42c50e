//! Why a value could not be decoded, in the words of the file format.

use std::fmt;

use serde::de;

use super::node::{Node, Path, Segment, Value};
use super::problem::Problem;
use super::template::{left_unfilled, template_in};

/// The name of the field that takes the keys its struct does not know.
pub(super) const KIND: &str = "$kind";
/// More names than this are not listed in a message.
const MANY: usize = 16;

/// Why a value could not be decoded, and where it stands.
#[derive(Debug)]
pub(super) struct Failure {
    pub kind: Kind,
    pub path: Path,
}

#[derive(Debug)]
pub(super) enum Kind {
    UnknownKey {
        key: String,
        expected: Vec<&'static str>,
    },
    MissingField(&'static str),
    NothingGiven {
        expected: &'static [&'static str],
    },
    Second {
        first: String,
        second: String,
    },
    Value(String),
    /// A value where a mapping with these keys must be.
    NotMapping {
        message: String,
        keys: &'static [&'static str],
    },
}

impl Failure {
    pub fn new(kind: Kind) -> Self {
        Self { kind, path: Path::default() }
    }

    /// The same failure seen from one level up.
    pub fn inside(mut self, segment: Segment) -> Self {
        self.path.0.insert(0, segment);
        self
    }

    pub fn problem(&self, node: &Node) -> Problem {
        match &self.kind {
            Kind::UnknownKey { key, expected } => {
                let problem = Problem::at(node.key_span_at(&self.path), format!("unknown key `{key}`"));
                problem.help(did_you_mean(key, expected))
            }
            Kind::MissingField(field) => {
                let problem = Problem::at(self.place(node), format!("`{field}` is missing{}", self.of_what()));
                problem.help(format!("add `{field}: …`"))
            }
            Kind::NothingGiven { expected } => {
                let problem = Problem::at(self.place(node), format!("no kind is given{}", self.of_what()));
                problem.help(format!("add one of {}", list(expected)))
            }
            Kind::Second { first, second } => {
                let message = format!("`{first}` and `{second}` in one entry: only one kind is allowed");
                Problem::at(node.key_span_at(&self.path), message).help("write it as an entry of its own")
            }
            Kind::Value(message) => {
                let found = node.at(&self.path).and_then(Node::text).filter(|text| template_in(text).is_some());
                match found {
                    Some(text) => left_unfilled(node.span_at(&self.path), text),
                    None => self.with_remedy(node, message),
                }
            }
            Kind::NotMapping { message, keys } => {
                let problem = Problem::at(node.span_at(&self.path), message.clone());
                match self.path.0.last() {
                    // The key of a probe beside the probe's name, and the like.
                    Some(Segment::Key(key)) if keys.contains(&key.as_str()) => problem.help(format!(
                        "`{key}` belongs into the mapping above it: indent it as far as the other keys there"
                    )),
                    _ => problem,
                }
            }
        }
    }

    /// A wrong value, with the value that was probably meant.
    fn with_remedy(&self, node: &Node, message: &str) -> Problem {
        let problem = Problem::at(node.span_at(&self.path), message);
        let Some(found) = node.at(&self.path) else { return problem };
        let wants_text = message.ends_with("must be text");
        let help = match &found.value {
            Value::Map(entries)
                if wants_text && matches!(self.path.0.last(), Some(Segment::Key(key)) if key == "selector") =>
            {
                let labels =
                    entries.iter().filter_map(|entry| Some(format!("{}={}", entry.key, entry.value.spelling()?)));
                Some(format!("write it as for kubectl: `{}`", labels.collect::<Vec<_>>().join(",")))
            }
            Value::Text(text) if message.contains("whole number") => octal(text),
            _ => None,
        };
        match help {
            Some(help) => problem.help(help),
            None => problem,
        }
    }

    /// The same failure of a value where a mapping with these keys must be.
    pub(crate) fn of_mapping(self, keys: &'static [&'static str]) -> Self {
        match self.kind {
            Kind::Value(message) if self.path.0.is_empty() => Self::new(Kind::NotMapping { message, keys }),
            kind => Self { kind, ..self },
        }
    }

    /// The key of what lacks something, or its first line.
    fn place(&self, node: &Node) -> std::ops::Range<usize> {
        match self.path.0.last() {
            Some(Segment::Key(_)) => node.key_span_at(&self.path),
            _ => node.span_at(&self.path),
        }
    }

    /// Where, in a word; an index would count only what is left.
    fn of_what(&self) -> String {
        let key = self.path.0.iter().rev().find_map(|segment| match segment {
            Segment::Key(key) => Some(key),
            Segment::Index(_) => None,
        });
        match (key, self.path.0.last()) {
            (Some(key), Some(Segment::Key(_))) => format!(" in `{key}`"),
            (Some(key), _) => format!(" in this entry of `{key}`"),
            (None, _) => String::new(),
        }
    }
}

/// The remedy for a number with leading zeros.
fn octal(text: &str) -> Option<String> {
    let digits =
        text.strip_prefix('0').filter(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))?;
    let decimal = digits.trim_start_matches('0');
    let decimal = if decimal.is_empty() { "0" } else { decimal };
    Some(match i64::from_str_radix(text, 8) {
        Ok(octal) if octal.to_string() != decimal => {
            format!(
                "a leading zero means octal to some readers of YAML: write `{decimal}`, or `{octal}` if octal was meant"
            )
        }
        _ => format!("write `{decimal}`"),
    })
}

/// The nearest of the keys that are known here, and all of them where they are few.
fn did_you_mean(key: &str, expected: &[&str]) -> String {
    let known = names(expected).collect::<Vec<_>>();
    match nearest(key, known.iter().copied()) {
        Some(name) if known.len() <= MANY => format!("did you mean `{name}`? Known here: {}", list(&known)),
        Some(name) => format!("did you mean `{name}`?"),
        None if key.starts_with("x-") => {
            "remove it, and write its keys out where they are used; an anchor can stand at its first use".to_owned()
        }
        None if known.is_empty() => "no key is allowed here; remove it".to_owned(),
        None if known.len() <= MANY => format!("known here: {}", list(&known)),
        None => format!("the nearest are {}; `meshdrill explain` lists all", list(&three_nearest(key, &known))),
    }
}

/// The three names that are most like one, the most like it first.
fn three_nearest<'a>(name: &str, known: &[&'a str]) -> Vec<&'a str> {
    let likeness = |known: &str| strsim::jaro_winkler(&name.to_lowercase(), &known.to_lowercase());
    let mut sorted = known.to_vec();
    sorted.sort_by(|one, other| likeness(other).total_cmp(&likeness(one)));
    sorted.truncate(3);
    sorted
}

/// What can stand at a place, without the stand-in for one of several kinds.
pub(super) fn names<'a>(expected: &'a [&'a str]) -> impl Iterator<Item = &'a str> {
    expected.iter().copied().filter(|name| *name != KIND)
}

/// The known name that was probably meant: one slip in three letters.
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = known.map(|known| (strsim::damerau_levenshtein(&name.to_lowercase(), &known.to_lowercase()), known));
    let (distance, known) = near.min_by_key(|(distance, _)| *distance)?;
    (distance <= 1.max(name.len() / 3)).then_some(known)
}

pub(super) fn list(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at {}", self.kind, self.path)
    }
}

impl std::error::Error for Failure {}

impl de::Error for Failure {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(Kind::Value(message.to_string()))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::new(Kind::UnknownKey { key: field.to_owned(), expected: expected.to_vec() })
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::new(Kind::Value(format!("`{variant}` is not one of {}", list(expected))))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(Kind::MissingField(field))
    }

    fn invalid_type(unexpected: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        let hint = match unexpected {
            de::Unexpected::Unsigned(_)
            | de::Unexpected::Signed(_)
            | de::Unexpected::Float(_)
            | de::Unexpected::Bool(_)
                if expected.to_string() == "a string" =>
            {
                "; put it in quotes"
            }
            _ => "",
        };
        Self::custom(format!("{}, but it must be {}{hint}", found(unexpected), described(&expected.to_string())))
    }

    fn invalid_value(unexpected: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::custom(format!("{}, but it must be {}", found(unexpected), described(&expected.to_string())))
    }
}

/// What serde expects, in the words of the file format instead of those of Rust.
fn described(expected: &str) -> String {
    let words = match expected {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" | "u64" | "usize" => "a whole number of at least 0",
        "i32" | "i64" => "a whole number",
        "f32" | "f64" => "a number",
        "a string" => "text",
        "a boolean" => "`true` or `false`",
        "a sequence" => "a list",
        "a map" => "a mapping",
        _ if expected.starts_with("struct ") => "a mapping",
        _ => expected,
    };
    words.to_owned()
}

fn found(unexpected: de::Unexpected<'_>) -> String {
    match unexpected {
        de::Unexpected::Unsigned(number) => format!("this is the number {number}"),
        de::Unexpected::Signed(number) => format!("this is the number {number}"),
        de::Unexpected::Float(number) => format!("this is the number {number}"),
        de::Unexpected::Bool(value) => format!("this is {value}"),
        de::Unexpected::Str(text) => format!("this is the text `{text}`"),
        de::Unexpected::Unit => "this is empty".to_owned(),
        de::Unexpected::Seq => "this is a list".to_owned(),
        de::Unexpected::Map => "this is a mapping".to_owned(),
        other => format!("this is {other}"),
    }
}
