//! Targets as rows of `sla:` write them.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::{Ratio, TimeSpan};

/// The word that stands for the value of the mesh file's `sla`.
pub const DEFAULT_WORD: &str = "default";

/// A target, or the word `default` for the mesh file's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum OrDefault<T> {
    /// The target.
    Value(T),
    /// The word `default`.
    Default(Word),
}

/// The word `default`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Word {
    /// As written.
    Default,
}

/// A quantity, known to the file format by a name: what the decoder of a file puts in place of a value that it must skip.
pub trait Quantity: std::str::FromStr<Err: fmt::Display> {
    /// The name.
    const NAME: &'static str;
}

impl Quantity for Ratio {
    const NAME: &'static str = "Percentage";
}

impl Quantity for TimeSpan {
    const NAME: &'static str = "Duration";
}

impl<'de, T: Quantity> Deserialize<'de> for OrDefault<T> {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor<T>(std::marker::PhantomData<T>);
        impl<'de, T: Quantity> serde::de::Visitor<'de> for Visitor<T> {
            type Value = OrDefault<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a quantity with its unit, or `default`")
            }
            fn visit_newtype_struct<D: serde::Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
                from.deserialize_any(self)
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
                if text == DEFAULT_WORD {
                    return Ok(OrDefault::Default(Word::Default));
                }
                let a_word = text.starts_with(char::is_alphabetic);
                let or = if a_word { format!(", or `{DEFAULT_WORD}`") } else { String::new() };
                text.parse().map(OrDefault::Value).map_err(|error| E::custom(format!("{error}{or}")))
            }
            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Self::Value, E> {
                self.visit_str(&number.to_string())
            }
            fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Self::Value, E> {
                self.visit_str(&number.to_string())
            }
            fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Self::Value, E> {
                self.visit_str(&number.to_string())
            }
        }
        from.deserialize_newtype_struct(T::NAME, Visitor(std::marker::PhantomData))
    }
}

/// Quantiles and their limits: `{ p99: 500ms }`, or `default`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Quantiles {
    /// `p50`, `p90`, `p99`, `p99.9` and so on.
    Limits(BTreeMap<String, TimeSpan>),
    /// The word `default`.
    Default(Word),
}

impl Quantiles {
    /// The quantiles with their limits; none for the word `default`.
    pub fn limits(&self) -> Option<Vec<(Ratio, TimeSpan)>> {
        match self {
            Self::Limits(limits) => {
                Some(limits.iter().filter_map(|(name, limit)| Some((quantile(name)?, *limit))).collect())
            }
            Self::Default(_) => None,
        }
    }
}

/// `p99.9` as a share.
fn quantile(name: &str) -> Option<Ratio> {
    let percent: f64 = name.strip_prefix('p')?.parse().ok()?;
    (percent > 0.0 && percent < 100.0).then(|| format!("{percent}%").parse().ok())?
}

/// The quantile that a share written as a fraction was meant to be: `p0.95` is `p95`.
fn as_percent(share: Ratio) -> String {
    let percent = share.get() * 1e4;
    let meant = if (50.0..100.0).contains(&percent) { percent } else { 99.0 };
    format!("p{}", (meant * 1e6).round() / 1e6)
}

impl<'de> Deserialize<'de> for Quantiles {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Quantiles;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("quantiles with their limits, as in `{ p99: 500ms }`, or `default`")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Quantiles, E> {
                if text == DEFAULT_WORD {
                    return Ok(Quantiles::Default(Word::Default));
                }
                Err(E::custom(format!("`{text}` has no quantile; write `{{ p99: {text} }}`")))
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut entries: A) -> Result<Quantiles, A::Error> {
                let mut limits = BTreeMap::new();
                while let Some(name) = entries.next_key::<String>()? {
                    match quantile(&name) {
                        None => {
                            return Err(serde::de::Error::custom(format!(
                                "`{name}` is not a quantile; write `p50`, `p90`, `p99` or `p99.9`"
                            )));
                        }
                        Some(share) if share.get() < 0.5 => {
                            let meant = as_percent(share);
                            return Err(serde::de::Error::custom(format!(
                                "`{name}` is the {share} quantile, below the median; did you mean `{meant}`?"
                            )));
                        }
                        Some(_) => {}
                    }
                    limits.insert(name, entries.next_value()?);
                }
                if limits.is_empty() {
                    return Err(serde::de::Error::custom("no quantile is given; write `{ p99: 500ms }`"));
                }
                Ok(Quantiles::Limits(limits))
            }
        }
        from.deserialize_any(Visitor)
    }
}

/// A share, or the number 0.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct LossTarget(pub Ratio);

impl<'de> Deserialize<'de> for LossTarget {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = LossTarget;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a percentage such as `0.1%`, or 0")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<LossTarget, E> {
                text.parse().map(LossTarget).map_err(E::custom)
            }
            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<LossTarget, E> {
                match number {
                    0 => Ok(LossTarget(Ratio::new(0.0))),
                    _ => Err(E::custom(format!("`{number}` has no unit; write `{number}%`"))),
                }
            }
            fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<LossTarget, E> {
                self.visit_u64(u64::try_from(number).map_err(|_| E::custom("a share is not negative"))?)
            }
        }
        from.deserialize_any(Visitor)
    }
}

/// The window of an availability.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Over {
    /// The run itself.
    Drill(DrillWord),
    /// A longer window.
    Window(TimeSpan),
}

/// The word `drill`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DrillWord {
    /// As written.
    Drill,
}

impl<'de> Deserialize<'de> for Over {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        if text == "drill" {
            return Ok(Self::Drill(DrillWord::Drill));
        }
        text.parse().map(Self::Window).map_err(|error| serde::de::Error::custom(format!("{error}, or `drill`")))
    }
}
