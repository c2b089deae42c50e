//! What differs between two runs of a scenario although nothing of the mesh did: its targets, criteria, probes, faults, checks; and
//! the versions of what it ran on.

use std::collections::BTreeMap;

use meshdrill_checks::scorecard::Limit;
use serde::Serialize;

use crate::area::Area;
use crate::card::{Card, CriterionFacts};

/// A difference between two runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Edit {
    /// What kind it is.
    pub kind: EditKind,
    /// The criterion, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub criterion: Option<String>,
    /// The difference in words.
    pub text: String,
}

/// The kinds of differences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EditKind {
    /// A target that is easier to meet.
    Loosened,
    /// Something that is no longer tested.
    Removed,
    /// Something else of the scenario.
    Edited,
    /// Something that was not tested before.
    Added,
    /// A target that is harder to meet.
    Tightened,
    /// A version of meshdrill, Istio, Kubernetes or the application.
    Version,
}

impl EditKind {
    /// The word in texts.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Loosened => "LOOSENED",
            Self::Removed => "REMOVED",
            Self::Edited => "EDITED",
            Self::Added => "ADDED",
            Self::Tightened => "TIGHTENED",
            Self::Version => "VERSION",
        }
    }

    /// What regressed with it, if anything.
    pub(crate) const fn area(self) -> Option<Area> {
        match self {
            Self::Loosened => Some(Area::Threshold),
            Self::Removed => Some(Area::Coverage),
            Self::Edited | Self::Added | Self::Tightened | Self::Version => None,
        }
    }
}

/// What differs from one run to a later one.
pub fn edits(before: &Card, after: &Card) -> Vec<Edit> {
    let mut found = Vec::new();
    targets(before, after, &mut found);
    let criteria = |card: &Card| card.criteria.iter().map(|one| (one.id.clone(), String::new())).collect();
    parts("criterion", &criteria(before), &criteria(after), &mut found);
    let probes = |card: &Card| card.probes.iter().map(|one| (one.name.clone(), one.kind.clone())).collect();
    parts("probe", &probes(before), &probes(after), &mut found);
    let faults = |card: &Card| {
        let described =
            card.faults.iter().map(|one| (one.id.clone(), format!("{} {}", one.kind, one.clusters.join(", "))));
        described.collect()
    };
    parts("fault", &faults(before), &faults(after), &mut found);
    let checks = |card: &Card| {
        card.checks.iter().map(|one| (format!("{} in {}", one.id, one.phase.key()), String::new())).collect()
    };
    parts("check", &checks(before), &checks(after), &mut found);
    version_changes(&before.versions(), &after.versions(), &mut found);
    found
}

/// Changed versions. What only one side names is unknown on the other, and no change.
pub(crate) fn version_changes(
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
    found: &mut Vec<Edit>,
) {
    for (what, old) in before {
        if let Some(new) = after.get(what).filter(|new| *new != old) {
            found.push(Edit { kind: EditKind::Version, criterion: None, text: format!("{what}: {old}, now {new}") });
        }
    }
}

/// What was added to, removed from and changed in a part of a scenario, by name.
pub(crate) fn parts(
    noun: &str,
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
    found: &mut Vec<Edit>,
) {
    let criterion = |name: &String| (noun == "criterion").then(|| name.clone());
    for (name, old) in before {
        let (kind, text) = match after.get(name) {
            None => (EditKind::Removed, format!("{noun} {name}")),
            Some(new) if new != old => (EditKind::Edited, format!("{noun} {name}: {old}, now {new}")),
            Some(_) => continue,
        };
        found.push(Edit { kind, criterion: criterion(name), text });
    }
    for name in after.keys().filter(|name| !before.contains_key(*name)) {
        found.push(Edit { kind: EditKind::Added, criterion: criterion(name), text: format!("{noun} {name}") });
    }
}

/// Targets that changed.
fn targets(before: &Card, after: &Card, found: &mut Vec<Edit>) {
    let old: BTreeMap<&str, &CriterionFacts> = before.criteria.iter().map(|one| (one.id.as_str(), one)).collect();
    for new in &after.criteria {
        let Some(old) = old.get(new.id.as_str()) else { continue };
        if let Some(kind) = changed_target(old, new) {
            let text = format!("target of {}: {}, now {}", new.id, old.target, new.target);
            found.push(Edit { kind, criterion: Some(new.id.clone()), text });
        }
    }
}

/// Whether a target is easier to meet, harder, or another one; none if it is the same.
pub(crate) fn changed_target(old: &CriterionFacts, new: &CriterionFacts) -> Option<EditKind> {
    let compared = |old: f64, new: f64, higher_is_easier: bool| {
        if new.total_cmp(&old).is_eq() {
            // The same limit in other words; a limit in a longer window is another one.
            return (false, None);
        }
        let easier = (new > old) == higher_is_easier;
        (true, Some(if easier { EditKind::Loosened } else { EditKind::Tightened }))
    };
    let (limits_differ, kind) = match (old.limit, new.limit) {
        (Some(Limit::AtLeast(old)), Some(Limit::AtLeast(new))) => compared(old, new, false),
        (Some(Limit::AtMost(old)), Some(Limit::AtMost(new))) => compared(old, new, true),
        (Some(Limit::Below(old)), Some(Limit::Below(new))) => compared(old, new, true),
        _ => (false, None),
    };
    if limits_differ {
        return kind;
    }
    (old.target != new.target).then_some(EditKind::Edited)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::card::tests::card;

    fn kinds(change: impl Fn(&mut serde_json::Value)) -> Vec<EditKind> {
        edits(&card(1, 0.1, |_| {}), &card(2, 0.1, change)).iter().map(|edit| edit.kind).collect()
    }

    #[test]
    fn every_edit_is_named() {
        assert_eq!(kinds(|_| {}), []);
        let target = |limit: f64, text: &'static str| {
            move |card: &mut serde_json::Value| {
                card["criteria"][0]["limit"] = json!({ "below": limit });
                card["criteria"][0]["target"] = json!(text);
            }
        };
        assert_eq!(kinds(target(0.6, "< 600ms")), [EditKind::Loosened]);
        assert_eq!(kinds(target(0.4, "< 400ms")), [EditKind::Tightened]);
        assert_eq!(kinds(target(0.5, "<= 500ms")), [EditKind::Edited]);
        assert_eq!(kinds(|card| card["criteria"] = json!([])), [EditKind::Removed]);
        assert_eq!(kinds(|card| card["faults"][0]["kind"] = json!("scale")), [EditKind::Edited]);
        assert_eq!(kinds(|card| card["probes"][0]["name"] = json!("other")), [EditKind::Removed, EditKind::Added]);
        // An availability is loosened when its limit falls.
        let share = |limit: f64| {
            move |card: &mut serde_json::Value| {
                card["criteria"][0]["limit"] = json!({ "atLeast": limit });
                card["criteria"][0]["target"] = json!(limit.to_string());
            }
        };
        let found = edits(&card(1, 0.1, share(0.99)), &card(2, 0.1, share(0.9)));
        assert_eq!(found[0].kind, EditKind::Loosened);
    }

    #[test]
    fn an_unknown_version_is_no_change() {
        let version = |text: &'static str| {
            move |card: &mut serde_json::Value| card["run"]["identity"] = json!({ "istioVersion": text })
        };
        assert_eq!(edits(&card(1, 0.1, |_| {}), &card(2, 0.1, version("1.27"))), []);
        let found = edits(&card(1, 0.1, version("1.27")), &card(2, 0.1, version("1.28")));
        assert_eq!(found[0].text, "istioVersion: 1.27, now 1.28");
    }
}
