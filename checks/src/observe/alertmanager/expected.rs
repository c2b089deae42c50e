//! The labels of an alert, as far as they are known before it fires.

use std::collections::{BTreeMap, BTreeSet};

use super::{Matcher, Silence};

/// The labels of an alert that has not fired yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExpectedLabels {
    /// Those with a value that is known.
    pub known: BTreeMap<String, String>,
    /// Those that it may have too.
    pub open: OpenLabels,
}

/// The labels that an alert takes from its expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpenLabels {
    /// Any.
    Any,
    /// At most these.
    Only(BTreeSet<String>),
}

impl Default for OpenLabels {
    fn default() -> Self {
        Self::Only(BTreeSet::new())
    }
}

/// Whether a condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    Yes,
    No,
    Unknown,
}

impl Holds {
    /// All of several conditions.
    pub fn all(several: impl IntoIterator<Item = Self>) -> Self {
        several.into_iter().fold(Self::Yes, |all, one| match (all, one) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (Self::Yes, Self::Yes) => Self::Yes,
        })
    }

    fn of(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }
}

impl ExpectedLabels {
    /// Those of a rule: its own, which may be templates, those that its Prometheus adds, and those that its expression may give.
    pub fn new(
        name: &str,
        own: &BTreeMap<String, String>,
        external: &BTreeMap<String, String>,
        result: Option<BTreeSet<String>>,
    ) -> Self {
        let (templates, mut known): (BTreeMap<_, _>, BTreeMap<_, _>) =
            own.clone().into_iter().partition(|(_, value)| value.contains("{{"));
        known.insert("alertname".to_owned(), name.to_owned());
        let open = match result {
            // An external label does not replace one of the alert, so it is not known either.
            None => OpenLabels::Any,
            Some(mut names) => {
                names.extend(templates.into_keys());
                for (label, value) in external.iter().filter(|(label, _)| !names.contains(*label)) {
                    known.entry(label.clone()).or_insert_with(|| value.clone());
                }
                OpenLabels::Only(names)
            }
        };
        Self { known, open }
    }

    fn may_have(&self, label: &str) -> bool {
        !self.known.contains_key(label)
            && match &self.open {
                OpenLabels::Any => label != "__name__",
                OpenLabels::Only(names) => names.contains(label),
            }
    }

    /// Whether a matcher holds.
    pub(super) fn meet(&self, matcher: &Matcher) -> Holds {
        if self.may_have(&matcher.name) {
            return if matcher.holds_for_all() { Holds::Yes } else { Holds::Unknown };
        }
        matcher.matches(&self.known).map_or(Holds::Unknown, Holds::of)
    }

    /// Whether a silence covers the alert for certain, whatever its state.
    pub fn covered_by(&self, silence: &Silence) -> bool {
        !silence.matchers.is_empty() && self.meet_all(&silence.matchers) == Holds::Yes
    }

    /// Whether all matchers hold.
    pub(super) fn meet_all(&self, matchers: &[Matcher]) -> Holds {
        Holds::all(matchers.iter().map(|matcher| self.meet(matcher)))
    }

    /// Whether a label has this value.
    pub(super) fn has(&self, label: &str, value: &str) -> Holds {
        if self.may_have(label) {
            return Holds::Unknown;
        }
        Holds::of(self.known.get(label).map_or("", String::as_str) == value)
    }

    /// The first of the matchers whose label is not known.
    pub(super) fn first_open<'a>(&self, mut matchers: impl Iterator<Item = &'a Matcher>) -> Option<&'a str> {
        matchers.find(|matcher| self.meet(matcher) == Holds::Unknown).map(|matcher| matcher.name.as_str())
    }
}
