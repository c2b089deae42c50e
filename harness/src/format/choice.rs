//! Which clusters something is for.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which clusters a probe, check or fault is for: one key of the mesh file, a list of keys, `all`, or `!KEY` for all others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum ClusterChoice {
    /// One key, `all`, or `!KEY`.
    One(String),
    /// Several keys.
    Many(Vec<String>),
}

impl ClusterChoice {
    /// Every cluster of the mesh.
    pub fn all() -> Self {
        Self::One("all".to_owned())
    }

    /// The key in `!KEY`.
    pub fn excluded(&self) -> Option<&str> {
        match self {
            Self::One(key) => key.strip_prefix('!'),
            Self::Many(_) => None,
        }
    }

    /// Whether it stands for a cluster, among all of the mesh.
    pub fn includes(&self, key: &str, all: &[String]) -> bool {
        self.expand(all).0.iter().any(|one| one == key)
    }

    /// The keys it stands for among all clusters of the mesh, in the mesh file's order, and whether it was expanded.
    pub fn expand(&self, all: &[String]) -> (Vec<String>, bool) {
        if let Some(excluded) = self.excluded() {
            return (all.iter().filter(|key| *key != excluded).cloned().collect(), true);
        }
        match self {
            Self::One(key) if key == "all" => (all.to_vec(), true),
            Self::One(key) => (vec![key.clone()], false),
            Self::Many(keys) => (keys.clone(), true),
        }
    }

    /// The key, once it was expanded to one.
    pub fn key(&self) -> &str {
        match self {
            Self::One(key) => key,
            Self::Many(keys) => keys.first().map_or("", String::as_str),
        }
    }
}

impl fmt::Display for ClusterChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(key) => f.write_str(key),
            Self::Many(keys) => f.write_str(&keys.join(", ")),
        }
    }
}

impl<'de> Deserialize<'de> for ClusterChoice {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = ClusterChoice;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a cluster's key, a list of keys, `all` or `!KEY`")
            }
            fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<ClusterChoice, E> {
                Ok(ClusterChoice::One(key.to_owned()))
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut items: A) -> Result<ClusterChoice, A::Error> {
                let mut keys = Vec::new();
                while let Some(key) = items.next_element()? {
                    keys.push(key);
                }
                if keys.is_empty() {
                    return Err(serde::de::Error::custom("an empty list names no cluster; write a key or `all`"));
                }
                Ok(ClusterChoice::Many(keys))
            }
        }
        from.deserialize_any(Visitor)
    }
}
