//! Label selectors, matched here as the API server matches them.

use serde_json::Value;

use crate::format::Selector;

/// A selector that is matched against the labels of objects.
pub(super) struct Matching(Value);

impl Matching {
    /// None for a text that is no selector as the mesh file takes it.
    pub(super) fn of(selector: &str) -> Option<Self> {
        let selector: Selector = selector.parse().ok()?;
        Some(Self(selector.to_object()))
    }

    /// Whether labels match all requirements.
    pub(super) fn has(&self, labels: &Value) -> bool {
        let requirements = self.0["matchExpressions"].as_array().into_iter().flatten();
        requirements.into_iter().all(|requirement| {
            let label = requirement["key"].as_str().and_then(|key| labels.get(key)).and_then(Value::as_str);
            let values = || requirement["values"].as_array().into_iter().flatten().filter_map(Value::as_str);
            match requirement["operator"].as_str() {
                Some("Exists") => label.is_some(),
                Some("DoesNotExist") => label.is_none(),
                Some("In") => label.is_some_and(|label| values().any(|value| value == label)),
                // An object without the label matches too.
                Some("NotIn") => label.is_none_or(|label| values().all(|value| value != label)),
                _ => false,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn selectors_match_as_in_kubernetes() {
        let labels = json!({ "app": "x", "tier": "" });
        for (selector, matches) in [
            ("app=x", true),
            ("app==y", false),
            ("app!=x", false),
            ("none!=x", true),
            ("app in (x, y),tier", true),
            ("app notin (x)", false),
            ("!app", false),
            ("!none,app", true),
            ("tier=", true),
            ("none=", false),
        ] {
            assert_eq!(Matching::of(selector).unwrap().has(&labels), matches, "{selector}");
            assert!(!Matching::of("app").unwrap().has(&Value::Null));
        }
    }
}
