//! Silences.

use serde_json::{Value, json};

use crate::clock::{Dates, Ms};
use crate::prom::labels::Labels;

/// One condition of a silence.
#[derive(Debug, Clone)]
pub(crate) struct Matcher {
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) regex: Option<regex::Regex>,
    pub(crate) equal: bool,
}

impl Matcher {
    pub(crate) fn matches(&self, labels: &Labels) -> bool {
        let found = labels.get(&self.name);
        let hit = self.regex.as_ref().map_or(found == self.value, |r| r.is_match(found));
        hit == self.equal
    }

    fn json(&self) -> Value {
        json!({"isEqual": self.equal, "isRegex": self.regex.is_some(), "name": self.name, "value": self.value})
    }
}

impl Matcher {
    /// A matcher that a silence lists; none when its regular expression is invalid or its name is empty.
    pub(crate) fn new(name: &str, value: &str, is_regex: bool, equal: bool) -> Option<Self> {
        let regex = if is_regex { Some(regex::Regex::new(&format!("^(?:{value})$")).ok()?) } else { None };
        (!name.is_empty()).then(|| Self { name: name.into(), value: value.into(), regex, equal })
    }
}

/// A silence.
#[derive(Debug, Clone)]
pub(crate) struct Silence {
    pub(crate) id: String,
    pub(crate) matchers: Vec<Matcher>,
    pub(crate) starts: Ms,
    pub(crate) ends: Ms,
    pub(crate) updated: Ms,
    pub(crate) author: String,
    pub(crate) comment: String,
}

impl Silence {
    pub(crate) fn active(&self, now: Ms) -> bool {
        self.starts <= now && now < self.ends
    }

    pub(crate) fn matches(&self, labels: &Labels) -> bool {
        self.matchers.iter().all(|m| m.matches(labels))
    }

    pub(crate) fn json(&self, now: Ms, dates: Dates) -> Value {
        let state = if now >= self.ends {
            "expired"
        } else if now < self.starts {
            "pending"
        } else {
            "active"
        };
        json!({"id": self.id, "status": {"state": state}, "updatedAt": dates.millis(self.updated), "comment": self.comment,
            "createdBy": self.author, "endsAt": dates.millis(self.ends), "startsAt": dates.millis(self.starts),
            "matchers": self.matchers.iter().map(Matcher::json).collect::<Vec<_>>()})
    }
}
