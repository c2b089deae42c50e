//! A YAML value that knows where it stands.

use std::fmt;
use std::ops::Range;

/// A value and the bytes of the source it was written in.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// What it is.
    pub value: Value,
    /// Where it stands, in bytes.
    pub span: Range<usize>,
}

/// The values of YAML's core schema.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `null`, `~` or nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// Text.
    Text(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in the order of the file.
    Map(Vec<Entry>),
    /// A number or truth value whose spelling says more than its value, as `1.30` or `0o17`, or what a `${name}` stands
    /// for: text where text is expected, a number where a number is.
    Spelled(Spelled),
    /// A whole scalar `${name}` whose value is not known here: it decodes into whatever is expected.
    Unknown(String),
}

/// A scalar that keeps its spelling until the type that is expected is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spelled {
    /// As it was written.
    pub text: String,
    /// Where it was written.
    pub origin: Origin,
}

/// Where a scalar was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// In the document itself, without quotes.
    InPlace,
    /// Elsewhere without quotes, as `vars: { release: 1.30 }` or `--set release=1.30`; a `${name}` stands in its place.
    Plain,
    /// Elsewhere in quotes.
    Quoted,
}

impl Value {
    /// A list that is written elsewhere.
    pub fn list(items: Vec<Self>) -> Self {
        Self::List(items.into_iter().map(|value| Node { value, span: 0..0 }).collect())
    }

    /// A value that is written elsewhere without quotes.
    pub fn plain(text: impl Into<String>) -> Self {
        Self::Spelled(Spelled { text: text.into(), origin: Origin::Plain })
    }
}

/// One key of a mapping, with its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub key_span: Range<usize>,
    /// The value.
    pub value: Node,
}

/// One step from a value to a value inside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// Into a mapping.
    Key(String),
    /// Into a sequence.
    Index(usize),
}

/// The steps from the root of a document to a value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Path(pub Vec<Segment>);

impl Path {
    /// A path of keys.
    pub fn of(keys: &[&str]) -> Self {
        Self(keys.iter().map(|key| Segment::Key((*key).to_owned())).collect())
    }

    /// This path and one key more.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        let mut segments = self.0.clone();
        segments.push(Segment::Key(key.to_owned()));
        Self(segments)
    }

    /// This path and one index more.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        let mut segments = self.0.clone();
        segments.push(Segment::Index(index));
        Self(segments)
    }
}

impl Path {
    /// Whether this path leads to a value directly inside of another one's.
    pub fn is_child_of(&self, parent: &Self) -> bool {
        self.0.len() == parent.0.len() + 1 && self.0.starts_with(&parent.0)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Key(key) if position == 0 => f.write_str(key)?,
                Segment::Key(key) => write!(f, ".{key}")?,
                Segment::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

impl Node {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value),
            _ => None,
        }
    }

    /// The items of a list; none of other values.
    pub fn items(&self) -> &[Self] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// The text, if it is one.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) | Value::Spelled(Spelled { text, origin: Origin::Plain | Origin::Quoted }) => Some(text),
            _ => None,
        }
    }

    /// A scalar as it was written; none for other values.
    pub fn spelling(&self) -> Option<String> {
        match &self.value {
            Value::Bool(value) => Some(value.to_string()),
            Value::Int(number) => Some(number.to_string()),
            Value::Float(number) => Some(number.to_string()),
            Value::Text(text) | Value::Unknown(text) | Value::Spelled(Spelled { text, .. }) => Some(text.clone()),
            Value::Null | Value::List(_) | Value::Map(_) => None,
        }
    }

    fn step(&self, segment: &Segment) -> Option<&Self> {
        match (segment, &self.value) {
            (Segment::Key(key), _) => self.get(key),
            (Segment::Index(index), Value::List(items)) => items.get(*index),
            (Segment::Index(_), _) => None,
        }
    }

    /// The value at a path.
    pub fn at(&self, path: &Path) -> Option<&Self> {
        path.0.iter().try_fold(self, |node, segment| node.step(segment))
    }

    /// Whether it holds nothing: a mapping or list without entries.
    pub(crate) const fn is_hollow(&self) -> bool {
        match &self.value {
            Value::List(items) => items.is_empty(),
            Value::Map(entries) => entries.is_empty(),
            _ => false,
        }
    }

    /// Whether it is neither a mapping nor a list.
    pub(crate) const fn is_scalar(&self) -> bool {
        !matches!(self.value, Value::List(_) | Value::Map(_))
    }

    /// Gives the key at the end of a path another name, unless that is taken.
    pub fn rename(&mut self, path: &Path, name: &str) -> bool {
        let Some((Segment::Key(key), parents)) = path.0.split_last() else { return false };
        let Some(Self { value: Value::Map(entries), .. }) = self.at_mut(parents) else { return false };
        if entries.iter().any(|entry| entry.key == name) {
            return false;
        }
        entries.iter_mut().find(|entry| entry.key == *key).map(|entry| name.clone_into(&mut entry.key)).is_some()
    }

    /// Puts a value at a path, in the place of another or as a new key. False if there is no such place.
    pub fn put(&mut self, path: &Path, value: Value) -> bool {
        let Some((last, parents)) = path.0.split_last() else { return false };
        let Some(parent) = self.at_mut(parents) else { return false };
        let span = parent.span.clone();
        match (last, &mut parent.value) {
            (Segment::Key(key), Value::Map(entries)) => match entries.iter_mut().find(|entry| entry.key == *key) {
                Some(entry) => entry.value.value = value,
                None => entries.push(Entry { key: key.clone(), key_span: span.clone(), value: Self { value, span } }),
            },
            (Segment::Index(index), Value::List(items)) if *index < items.len() => items[*index].value = value,
            _ => return false,
        }
        true
    }

    fn at_mut(&mut self, segments: &[Segment]) -> Option<&mut Self> {
        segments.iter().try_fold(self, |node, segment| match (segment, &mut node.value) {
            (Segment::Key(key), Value::Map(entries)) => {
                entries.iter_mut().find(|entry| entry.key == *key).map(|entry| &mut entry.value)
            }
            (Segment::Index(index), Value::List(items)) => items.get_mut(*index),
            _ => None,
        })
    }

    /// Where the value at a path stands; where its nearest existing ancestor stands if there is no such value.
    pub fn span_at(&self, path: &Path) -> Range<usize> {
        let mut node = self;
        for segment in &path.0 {
            match node.step(segment) {
                Some(next) => node = next,
                None => break,
            }
        }
        node.span.clone()
    }

    /// Where the last key of a path stands, or the value if the path ends in an index; the same of the nearest existing
    /// ancestor if there is no such value.
    pub fn key_span_at(&self, path: &Path) -> Range<usize> {
        let mut node = self;
        let mut span = self.span.clone();
        for segment in &path.0 {
            let Some(next) = node.step(segment) else { break };
            span = match (segment, &node.value) {
                (Segment::Key(key), Value::Map(entries)) => entries
                    .iter()
                    .find(|entry| entry.key == *key)
                    .map_or_else(|| next.span.clone(), |entry| entry.key_span.clone()),
                _ => next.span.clone(),
            };
            node = next;
        }
        span
    }

    /// Where a text stands that has a word as one of its parts between `/` and `:`; the first of them.
    pub fn span_of_word(&self, word: &str) -> Option<Range<usize>> {
        match &self.value {
            Value::Map(entries) => entries.iter().find_map(|entry| entry.value.span_of_word(word)),
            Value::List(items) => items.iter().find_map(|item| item.span_of_word(word)),
            _ => self.text()?.split(['/', ':']).any(|part| part == word).then(|| self.span.clone()),
        }
    }

    /// Takes the value at a path out of its parent. False if there is none or it is the root.
    pub fn remove(&mut self, path: &Path) -> bool {
        let Some((last, parents)) = path.0.split_last() else { return false };
        let Some(parent) = self.at_mut(parents) else { return false };
        match (last, &mut parent.value) {
            (Segment::Key(key), Value::Map(entries)) => {
                let before = entries.len();
                entries.retain(|entry| entry.key != *key);
                entries.len() < before
            }
            (Segment::Index(index), Value::List(items)) if *index < items.len() => {
                items.remove(*index);
                true
            }
            _ => false,
        }
    }
}
