//! From a tree of values to a type with `serde::Deserialize`, reporting all problems of the document at once.
//!
//! serde stops at the first error. So what an error points at is mended or taken out of the tree and decoding starts
//! again, until nothing is left to complain about; errors that follow from that are not reported.
//!
//! A struct with a field named `$kind` reads `{ http: {…}, every: 1s }`: the keys that are not fields of the struct are
//! handed to that field as a mapping of their own, so an enum can stand beside common keys.

use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer as _, MapAccess, SeqAccess, Visitor,
};

use super::node::{Entry, Node, Origin, Path, Segment, Spelled, Value};
use super::problem::Problem;
use super::read::{canonical, core_schema};
use super::template::{left_unfilled, template_in};

/// The name of the field that takes the keys its struct does not know.
const KIND: &str = "$kind";
/// The name of a newtype that is read from a scalar whose spelling says more than its value: it gets the bytes of the text.
pub const SPELLED: &str = "Spelled";
/// More names than this are not listed in a message.
const MANY: usize = 16;
/// A document with more problems than this is not looked at further.
const MAX_PROBLEMS: usize = 100;

/// What came of decoding a document.
#[derive(Debug)]
pub struct Decoded<T> {
    /// The value, decoded from what was right in the document; none if too little was.
    pub value: Option<T>,
    /// What was wrong.
    pub problems: Vec<Problem>,
    /// The document without what was wrong; paths into `value` are paths into this.
    pub node: Node,
    /// The paths where something was wrong: taken out, or replaced by a value that says nothing.
    pub lost: Vec<Path>,
}

/// Decodes a document.
pub fn decode<T: DeserializeOwned>(node: &Node) -> Decoded<T> {
    let mut mending = Mending { node: node.clone(), ..Mending::default() };
    loop {
        let failure = match T::deserialize(At(&mending.node)) {
            Ok(value) => return mending.decoded(Some(value)),
            Err(failure) => failure,
        };
        if !mending.mend(failure) || mending.problems.len() > MAX_PROBLEMS {
            return mending.decoded(None);
        }
    }
}

/// A document from which errors are taken one after the other.
struct Mending {
    node: Node,
    problems: Vec<Problem>,
    /// What was taken out.
    removed: Vec<Path>,
    /// What stands for a value that was wrong or missing.
    stopgaps: Vec<Path>,
    /// Keys that are read as those that were probably meant.
    renamed: Vec<Path>,
}

impl Default for Mending {
    fn default() -> Self {
        let node = Node { value: Value::Null, span: 0..0 };
        Self { node, problems: Vec::new(), removed: Vec::new(), stopgaps: Vec::new(), renamed: Vec::new() }
    }
}

impl Mending {
    /// Notes a problem and mends the document with as little loss as possible, so that decoding gets further: a key is
    /// read as the one that was probably meant, and a value that may be any stands where one is wrong or missing. What
    /// cannot be mended so is taken out. False if it cannot be mended at all.
    fn mend(&mut self, failure: Failure) -> bool {
        if let Some(stopgap) = self.stopgaps.iter().find(|path| failure.path.0.starts_with(&path.0)) {
            let stopgap = stopgap.clone();
            return self.take_out(stopgap);
        }
        if !self.follows(&failure) {
            self.problems.push(failure.problem(&self.node));
        }
        let mended = match &failure.kind {
            Kind::UnknownKey { key, expected } => {
                nearest(key, names(expected)).is_some_and(|near| self.rename(&failure.path, near))
            }
            Kind::MissingField(field) => self.stand_in(failure.path.key(field)),
            Kind::Value(_) | Kind::NotMapping { .. } => {
                self.node.at(&failure.path).is_some_and(Node::is_scalar) && self.stand_in(failure.path.clone())
            }
            Kind::NothingGiven { .. } | Kind::Second { .. } => false,
        };
        mended || self.take_out(failure.path)
    }

    /// Whether it is there only because of what was taken out before.
    fn follows(&self, failure: &Failure) -> bool {
        let lost_a_child = || self.removed.iter().any(|gone| gone.is_child_of(&failure.path));
        match &failure.kind {
            Kind::MissingField(field) => self.removed.contains(&failure.path.key(field)),
            Kind::NothingGiven { .. } => lost_a_child(),
            Kind::Value(_) | Kind::NotMapping { .. } => {
                self.node.at(&failure.path).is_some_and(Node::is_hollow) && lost_a_child()
            }
            Kind::Second { .. } => self.renamed.contains(&failure.path),
            Kind::UnknownKey { .. } => false,
        }
    }

    fn rename(&mut self, path: &Path, near: &str) -> bool {
        let renamed = self.node.rename(path, near);
        if let Some((_, above)) = path.0.split_last().filter(|_| renamed) {
            self.renamed.push(Path(above.to_vec()).key(near));
        }
        renamed
    }

    /// Puts a value that may be any at a path; once only.
    fn stand_in(&mut self, path: Path) -> bool {
        let fresh = !self.stopgaps.contains(&path) && !self.removed.contains(&path);
        let put = fresh && self.node.put(&path, Value::Unknown("${?}".to_owned()));
        if put {
            self.stopgaps.push(path);
        }
        put
    }

    fn take_out(&mut self, path: Path) -> bool {
        let gone = self.node.remove(&path);
        // What comes after it in a list takes its place.
        self.stopgaps.retain(|stopgap| !stopgap.0.starts_with(&path.0));
        self.removed.push(path);
        gone
    }

    fn decoded<T>(self, value: Option<T>) -> Decoded<T> {
        let lost = [self.removed, self.stopgaps].concat();
        Decoded { value, problems: self.problems, node: self.node, lost }
    }
}

/// Why a value could not be decoded, and where it stands.
#[derive(Debug)]
struct Failure {
    kind: Kind,
    path: Path,
}

#[derive(Debug)]
enum Kind {
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
    fn new(kind: Kind) -> Self {
        Self { kind, path: Path::default() }
    }

    /// The same failure seen from one level up.
    fn inside(mut self, segment: Segment) -> Self {
        self.path.0.insert(0, segment);
        self
    }

    fn problem(&self, node: &Node) -> Problem {
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
    fn of_mapping(self, keys: &'static [&'static str]) -> Self {
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
fn names<'a>(expected: &'a [&'a str]) -> impl Iterator<Item = &'a str> {
    expected.iter().copied().filter(|name| *name != KIND)
}

/// The known name that was probably meant: one slip in three letters.
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = known.map(|known| (strsim::damerau_levenshtein(&name.to_lowercase(), &known.to_lowercase()), known));
    let (distance, known) = near.min_by_key(|(distance, _)| *distance)?;
    (distance <= 1.max(name.len() / 3)).then_some(known)
}

fn list(names: &[&str]) -> String {
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

/// A node as a source of serde's data model.
struct At<'a>(&'a Node);

impl At<'_> {
    fn is_unknown(&self) -> bool {
        matches!(self.0.value, Value::Unknown(_))
    }

    /// Reads a scalar by what the core schema makes of it, whatever its origin.
    fn typed<'de, V: Visitor<'de>>(text: &'de str, visitor: V) -> Result<V::Value, Failure> {
        visit(&core_schema(text), visitor).unwrap_or_else(|visitor| visitor.visit_str(text))
    }
}

/// Hands a number or truth value to a visitor.
fn visit<'de, V: Visitor<'de>>(value: &Value, visitor: V) -> Result<Result<V::Value, Failure>, V> {
    match value {
        Value::Bool(value) => Ok(visitor.visit_bool(*value)),
        Value::Int(number) => Ok(match u64::try_from(*number) {
            Ok(number) => visitor.visit_u64(number),
            Err(_) => visitor.visit_i64(*number),
        }),
        Value::Float(number) => Ok(visitor.visit_f64(*number)),
        _ => Err(visitor),
    }
}

/// Whether a text is the one way to write its value.
fn is_canonical(text: &str) -> bool {
    canonical(&core_schema(text)).is_some_and(|canonical| canonical == text)
}

macro_rules! numbers {
    ($($method:ident $visit:ident),*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
            match &self.0.value {
                Value::Unknown(_) => visitor.$visit(1),
                Value::Spelled(spelled) => Self::typed(&spelled.text, visitor),
                _ => self.deserialize_any(visitor),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for At<'de> {
    type Error = Failure;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match &self.0.value {
            Value::Null => visitor.visit_unit(),
            value @ (Value::Bool(_) | Value::Int(_) | Value::Float(_)) => {
                visit(value, visitor).unwrap_or_else(Visitor::visit_unit)
            }
            Value::Spelled(Spelled { text, origin: Origin::InPlace }) => Self::typed(text, visitor),
            Value::Spelled(Spelled { text, origin: Origin::Plain }) if is_canonical(text) => Self::typed(text, visitor),
            Value::Spelled(Spelled { text, .. }) => visitor.visit_str(text),
            Value::Text(text) | Value::Unknown(text) => visitor.visit_str(text),
            Value::List(items) => visitor.visit_seq(Items { items: items.iter().enumerate() }),
            Value::Map(entries) => visitor.visit_map(Entries::new(entries.iter().collect())),
        }
    }

    numbers! { deserialize_u8 visit_u8, deserialize_u16 visit_u16, deserialize_u32 visit_u32, deserialize_u64 visit_u64,
    deserialize_i8 visit_i8, deserialize_i16 visit_i16, deserialize_i32 visit_i32, deserialize_i64 visit_i64 }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match &self.0.value {
            Value::Unknown(_) => visitor.visit_bool(true),
            Value::Spelled(spelled) => Self::typed(&spelled.text, visitor),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match &self.0.value {
            Value::Unknown(_) => visitor.visit_f64(1.0),
            Value::Spelled(spelled) => Self::typed(&spelled.text, visitor),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match &self.0.value {
            Value::Spelled(Spelled { text, origin: Origin::Plain | Origin::Quoted }) => visitor.visit_str(text),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        if self.0.value == Value::Null { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        if self.is_unknown() {
            return visitor.visit_seq(Items { items: [].iter().enumerate() });
        }
        self.deserialize_any(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match &self.0.value {
            Value::Unknown(_) | Value::Null => visitor.visit_map(Entries::new(Vec::new())),
            _ => self.deserialize_any(visitor),
        }
    }

    /// An empty mapping may be left out: `- none:` is `- none: {}`.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        let entries = match &self.0.value {
            Value::Map(entries) => entries.as_slice(),
            Value::Null | Value::Unknown(_) => &[],
            _ => return self.deserialize_any(visitor).map_err(|failure| failure.of_mapping(fields)),
        };
        if !fields.contains(&KIND) {
            return visitor.visit_map(Entries::new(entries.iter().collect()));
        }
        let (known, kinds) = entries.iter().partition(|entry| fields.contains(&entry.key.as_str()));
        visitor.visit_map(Entries { rest: Vec::into_iter(known), value: None, kind: Some((kinds, fields)) })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        match &self.0.value {
            Value::Text(text) | Value::Spelled(Spelled { text, .. }) => {
                visitor.visit_enum(text.as_str().into_deserializer())
            }
            Value::Unknown(_) => visitor.visit_enum(variants[0].into_deserializer()),
            Value::Map(entries) => Kinds { entries: entries.iter().collect(), siblings: &[] }.choose(variants, visitor),
            Value::Null => Err(de::Error::custom(format!("this is empty, but it must be one of {}", list(variants)))),
            Value::Bool(value) => {
                Err(de::Error::custom(format!("this is {value}, but it must be one of {}", list(variants))))
            }
            _ => Err(de::Error::custom(format!("this must be one of {}", list(variants)))),
        }
    }

    /// Quantities announce themselves by name, so that one whose value is not known yet can stand for any.
    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Failure> {
        match (&self.0.value, name) {
            (Value::Unknown(_), "Duration") => visitor.visit_newtype_struct(StrDeserializer::new("1s")),
            (Value::Spelled(Spelled { text, .. }), SPELLED) => visitor.visit_bytes(text.as_bytes()),
            (Value::Unknown(_), "Percentage") => visitor.visit_newtype_struct(StrDeserializer::new("50%")),
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        i128 u128 f32 char bytes byte_buf unit unit_struct tuple tuple_struct identifier
    }
}

struct Items<'a> {
    items: std::iter::Enumerate<std::slice::Iter<'a, Node>>,
}

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Failure;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Failure> {
        let Some((index, node)) = self.items.next() else { return Ok(None) };
        seed.deserialize(At(node)).map(Some).map_err(|failure| failure.inside(Segment::Index(index)))
    }
}

struct Entries<'a> {
    rest: std::vec::IntoIter<&'a Entry>,
    value: Option<&'a Entry>,
    /// The keys for the `$kind` field, and the fields beside it.
    kind: Option<(Vec<&'a Entry>, &'static [&'static str])>,
}

impl<'a> Entries<'a> {
    fn new(entries: Vec<&'a Entry>) -> Self {
        Self { rest: entries.into_iter(), value: None, kind: None }
    }
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Failure;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Failure> {
        if let Some(entry) = self.rest.next() {
            self.value = Some(entry);
            let key = StrDeserializer::<Failure>::new(&entry.key);
            return seed.deserialize(key).map(Some).map_err(|failure| failure.inside(Segment::Key(entry.key.clone())));
        }
        match &self.kind {
            Some(_) => seed.deserialize(StrDeserializer::<Failure>::new(KIND)).map(Some),
            None => Ok(None),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Failure> {
        match (self.value.take(), self.kind.take()) {
            (Some(entry), kind) => {
                self.kind = kind;
                let value = seed.deserialize(At(&entry.value));
                value.map_err(|failure| failure.inside(Segment::Key(entry.key.clone())))
            }
            (None, Some((entries, siblings))) => seed.deserialize(Kinds { entries, siblings }),
            (None, None) => Err(de::Error::custom("a value without a key")),
        }
    }
}

/// The keys of a mapping of which exactly one must name a variant.
struct Kinds<'a> {
    entries: Vec<&'a Entry>,
    siblings: &'static [&'static str],
}

impl<'de> Kinds<'de> {
    fn choose<V: Visitor<'de>>(self, variants: &'static [&'static str], visitor: V) -> Result<V::Value, Failure> {
        let is_variant = |entry: &&&Entry| variants.contains(&entry.key.as_str());
        if let Some(stray) = self.entries.iter().find(|entry| !is_variant(entry)) {
            let expected = variants.iter().chain(self.siblings).copied().collect();
            let failure = Failure::new(Kind::UnknownKey { key: stray.key.clone(), expected });
            return Err(failure.inside(Segment::Key(stray.key.clone())));
        }
        match self.entries.as_slice() {
            [] => Err(Failure::new(Kind::NothingGiven { expected: variants })),
            [entry] => visitor.visit_enum(Variant(entry)),
            [first, second, ..] => {
                let kind = Kind::Second { first: first.key.clone(), second: second.key.clone() };
                Err(Failure::new(kind).inside(Segment::Key(second.key.clone())))
            }
        }
    }
}

impl<'de> Deserializer<'de> for Kinds<'de> {
    type Error = Failure;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_map(Entries::new(self.entries))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        self.choose(variants, visitor)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// The key that was chosen, with its value.
struct Variant<'a>(&'a Entry);

impl<'de> de::EnumAccess<'de> for Variant<'de> {
    type Error = Failure;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Failure> {
        let variant = seed.deserialize(StrDeserializer::<Failure>::new(&self.0.key))?;
        Ok((variant, self))
    }
}

impl Variant<'_> {
    fn inside(&self, failure: Failure) -> Failure {
        failure.inside(Segment::Key(self.0.key.clone()))
    }
}

impl<'de> de::VariantAccess<'de> for Variant<'de> {
    type Error = Failure;

    fn unit_variant(self) -> Result<(), Failure> {
        match &self.0.value.value {
            Value::Null => Ok(()),
            Value::Map(entries) if entries.is_empty() => Ok(()),
            _ => Err(self.inside(de::Error::custom(format!("`{}` takes no value", self.0.key)))),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Failure> {
        seed.deserialize(At(&self.0.value)).map_err(|failure| self.inside(failure))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, Failure> {
        At(&self.0.value).deserialize_any(visitor).map_err(|failure| self.inside(failure))
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Failure> {
        At(&self.0.value).deserialize_struct("", fields, visitor).map_err(|failure| self.inside(failure))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Source, read};
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct File {
        name: String,
        items: Vec<Item>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Item {
        #[serde(rename = "$kind")]
        kind: Which,
        every: Option<u32>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "camelCase")]
    enum Which {
        One(Inner),
        None,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        path: String,
    }

    fn decoded(text: &str) -> Decoded<File> {
        let (_, node) = read(Source::new(std::path::Path::new("x.yaml"), text)).unwrap();
        decode(&node)
    }

    fn messages(text: &str) -> Vec<String> {
        decoded(text).problems.into_iter().map(|problem| problem.message).collect()
    }

    #[test]
    fn a_kind_stands_beside_common_keys() {
        let file = decoded("name: n\nitems:\n- { one: { path: /x }, every: 3 }\n- none:\n").value.unwrap();
        assert_eq!(file.items[0], Item { kind: Which::One(Inner { path: "/x".into() }), every: Some(3) });
        assert_eq!(file.items[1], Item { kind: Which::None, every: None });
    }

    #[test]
    fn all_problems_are_found_at_once() {
        let found = messages(
            "nam: n\nitems:\n- { one: { pth: /x }, every: often }\n- { two: {} }\n- { one: { path: 3 }, none: {} }\n- { every: 1 }\n",
        );
        let expected = [
            "unknown key `nam`",
            "this is the text `often`, but it must be a whole number of at least 0",
            "unknown key `pth`",
            "unknown key `two`",
            "`one` and `none` in one entry: only one kind is allowed",
            "this is the number 3, but it must be text; put it in quotes",
            "no kind is given in this entry of `items`",
        ];
        assert_eq!(found, expected, "each once, and nothing that follows from another");
    }

    #[test]
    fn what_is_wrong_does_not_hide_what_stands_beside_it() {
        let decoded = decoded("name: 3\nitems:\n- { one: {} }\n- { one: { path: [] }, every: 1 }\n");
        let found: Vec<&str> = decoded.problems.iter().map(|problem| problem.message.as_str()).collect();
        let expected = [
            "this is the number 3, but it must be text; put it in quotes",
            "`path` is missing in `one`",
            "this is a list, but it must be text",
        ];
        assert_eq!(found, expected);
        let file = decoded.value.expect("a value that says nothing stands for what is missing");
        assert_eq!(file.items.len(), 1, "a list that stands for text cannot be mended");
        assert!(decoded.lost.contains(&Path::of(&["name"])));
    }

    #[test]
    fn the_remedy_names_the_key_that_was_meant() {
        let problems = decoded("name: n\nitems: []\nitmes: []\n").problems;
        assert_eq!(problems[0].help.as_deref(), Some("did you mean `items`? Known here: `name`, `items`"));
    }
}
