//! A tree of values as a source of serde's data model.

use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeSeed, Deserializer, IntoDeserializer as _, MapAccess, SeqAccess, Visitor};

use super::failure::{Failure, KIND, Kind, list};
use super::node::{Entry, Node, Origin, Segment, Spelled, Value};
use super::read::{canonical, core_schema};

/// The name of a newtype that is read from a scalar whose spelling says more than its value: it gets the bytes of the text.
pub const SPELLED: &str = "Spelled";

/// A node as a source of serde's data model.
pub(super) struct At<'a>(pub &'a Node);

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
