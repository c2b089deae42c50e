//! Silences, and whether one covers an alert.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use regex::Regex;
use serde::{Deserialize, Serialize};

use super::AlertmanagerError;

/// Whether a silence counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SilenceState {
    /// It does.
    Active,
    /// It will.
    Pending,
    /// It no longer does. A deleted one stays in the list like this.
    #[serde(other)]
    Expired,
}

/// One silence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Silence {
    /// Its id.
    pub id: String,
    /// Whether it counts.
    pub state: SilenceState,
    /// All of these must match.
    pub matchers: Vec<Matcher>,
    /// From then on.
    pub starts_at: Timestamp,
    /// Until then.
    pub ends_at: Timestamp,
    /// Who made it.
    pub created_by: String,
    /// Why.
    pub comment: String,
}

/// One condition on a label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Matcher {
    /// The label.
    pub name: String,
    /// Value or regular expression.
    pub value: String,
    /// Whether it is a regular expression, which must match the whole value.
    pub is_regex: bool,
    /// False for "does not match".
    #[serde(default = "yes")]
    pub is_equal: bool,
}

fn yes() -> bool {
    true
}

impl Matcher {
    /// Whether it holds for these labels; an absent label is an empty one. `None` for an expression that is not understood.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> Option<bool> {
        let value = labels.get(&self.name).map_or("", String::as_str);
        let same = if self.is_regex {
            Regex::new(&format!("^(?s:{})$", self.value)).ok()?.is_match(value)
        } else {
            self.value == value
        };
        Some(same == self.is_equal)
    }
}

impl Matcher {
    /// Whether it holds whatever the value.
    pub(super) fn holds_for_all(&self) -> bool {
        self.is_regex && self.is_equal && matches!(self.value.as_str(), ".*" | "(.*)")
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operator = match (self.is_equal, self.is_regex) {
            (true, true) => "=~",
            (true, false) => "=",
            (false, true) => "!~",
            (false, false) => "!=",
        };
        write!(f, "{}{operator}{}", self.name, self.value)
    }
}

impl Silence {
    /// Whether its matchers cover these labels, whatever its state. `None` if that cannot be said.
    pub fn covers(&self, labels: &BTreeMap<String, String>) -> Option<bool> {
        let mut all = !self.matchers.is_empty();
        for matcher in &self.matchers {
            all &= matcher.matches(labels)?;
        }
        Some(all)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    id: String,
    status: RawStatus,
    matchers: Vec<Matcher>,
    starts_at: Timestamp,
    ends_at: Timestamp,
    #[serde(default)]
    created_by: String,
    #[serde(default)]
    comment: String,
}

#[derive(Deserialize)]
struct RawStatus {
    state: SilenceState,
}

/// Reads `/api/v2/silences`, expired ones included.
pub fn parse_silences(status: u16, body: &[u8]) -> Result<Vec<Silence>, AlertmanagerError> {
    let raw: Vec<Raw> = super::read(status, body)?;
    Ok(raw
        .into_iter()
        .map(|raw| Silence {
            id: raw.id,
            state: raw.status.state,
            matchers: raw.matchers,
            starts_at: raw.starts_at,
            ends_at: raw.ends_at,
            created_by: raw.created_by,
            comment: raw.comment,
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn silence(matchers: &[(&str, &str, bool, bool)]) -> Silence {
        let body = include_bytes!("../../../tests/captures/alertmanager/silences.json");
        let mut silence = parse_silences(200, body).unwrap().remove(0);
        silence.matchers = matchers
            .iter()
            .map(|&(name, value, is_regex, is_equal)| Matcher {
                name: name.to_owned(),
                value: value.to_owned(),
                is_regex,
                is_equal,
            })
            .collect();
        silence
    }

    #[test]
    fn the_capture_covers_its_alert() {
        let body = include_bytes!("../../../tests/captures/alertmanager/silences.json");
        let silence = &parse_silences(200, body).unwrap()[0];
        assert_eq!((silence.state, silence.created_by.as_str()), (SilenceState::Active, "mesh-harness"));
        assert_eq!(silence.covers(&labels(&[("alertname", "CircuitBreakerTriggered")])), Some(true));
        assert_eq!(silence.covers(&labels(&[("alertname", "IstiodDown")])), Some(false));
    }

    #[test]
    fn matchers_of_every_kind() {
        let alert = labels(&[("alertname", "IstiodDown"), ("severity", "critical")]);
        for (matchers, covers) in [
            (&[("alertname", "Istiod.*", true, true)][..], Some(true)),
            (&[("alertname", "Istiod", true, true)], Some(false)),
            (&[("alertname", "a|IstiodDown", true, true)], Some(true)),
            (&[("severity", "warning", false, false)], Some(true)),
            (&[("no_such", "", false, true)], Some(true)),
            (&[("alertname", "Istiod.*", true, true), ("severity", "warning", false, true)], Some(false)),
            (&[("alertname", "(", true, true)], None),
            (&[], Some(false)),
        ] {
            assert_eq!(silence(matchers).covers(&alert), covers, "{matchers:?}");
        }
    }
}
