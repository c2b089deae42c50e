//! What changed between two inventories, entry by entry.

use serde_json::{Map, Value};

use crate::format::Inventory;

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// `+` for an entry that is new, `-` for one that is gone, `~` for one that differs.
    pub sign: char,
    /// The entry, such as `gateways.edge`.
    pub entry: String,
    /// What differs in it, or why.
    pub what: String,
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = if self.what.is_empty() { String::new() } else { format!(": {}", self.what) };
        write!(f, "{} {}{what}", self.sign, self.entry)
    }
}

/// The parts that are compared; what people write themselves is not.
const PARTS: [&str; 8] =
    ["topology", "controlPlanes", "gateways", "entrypoints", "namespaces", "services", "prometheus", "dashboards"];

/// What is different in `new`. Parts of which `new` does not know everything are left out: they may be unchanged.
pub fn changes(old: &Inventory, new: &Inventory) -> Vec<Change> {
    let value = |inventory: &Inventory| serde_json::to_value(inventory).unwrap_or_default();
    let (before, after) = (value(old), value(new));
    let mut found = Vec::new();
    for part in PARTS.into_iter().filter(|part| !new.unknown.contains_key(*part)) {
        compare(part, &before[part], &after[part], &mut found, 2);
    }
    found
}

fn compare(place: &str, before: &Value, after: &Value, found: &mut Vec<Change>, depth: usize) {
    if before == after {
        return;
    }
    let empty = Map::new();
    let maps = (before.as_object(), after.as_object());
    let is_entry = depth == 1;
    match (before, after) {
        (Value::Null, Value::Object(_)) | (Value::Object(_), Value::Null) if !is_entry => {}
        (Value::Null, after) => {
            return found.push(change('+', place, if is_entry { String::new() } else { short(after) }));
        }
        (before, Value::Null) => {
            return found.push(change('-', place, if is_entry { String::new() } else { short(before) }));
        }
        (Value::Object(_), Value::Object(_)) if depth > 0 => {}
        (before, after) => return found.push(change('~', place, format!("{} -> {}", short(before), short(after)))),
    }
    let (before, after) = (maps.0.unwrap_or(&empty), maps.1.unwrap_or(&empty));
    let keys = before.keys().chain(after.keys().filter(|key| !before.contains_key(*key)));
    for key in keys {
        let inner = format!("{place}.{key}");
        let of = |map: &Map<String, Value>| map.get(key).cloned().unwrap_or_default();
        compare(&inner, &of(before), &of(after), found, depth.saturating_sub(1));
    }
}

fn change(sign: char, entry: &str, what: String) -> Change {
    Change { sign, entry: entry.to_owned(), what }
}

fn short(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        value => value.to_string().chars().take(120).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inventory(yaml: &str) -> Inventory {
        serde_saphyr::from_str(yaml).unwrap()
    }

    #[test]
    fn entries_come_go_and_differ() {
        let old = inventory(
            "services: { a.shop: { ports: [80] }, b.shop: { ports: [80] } }\nnamespaces: { shop: { dataPlane: sidecar, workloads: { deployment/a: all } } }",
        );
        let new = inventory(
            "services: { a.shop: { ports: [80, 90] }, c.shop: { ports: [80] } }\nnamespaces: { shop: { dataPlane: sidecar, workloads: { deployment/a: eu } } }",
        );
        let lines: Vec<String> = changes(&old, &new).iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            [
                "~ namespaces.shop.workloads: {\"deployment/a\":\"all\"} -> {\"deployment/a\":\"eu\"}",
                "~ services.a.shop.ports: [80] -> [80,90]",
                "- services.b.shop",
                "+ services.c.shop"
            ]
        );
        assert_eq!(changes(&old, &old), []);
    }

    #[test]
    fn what_is_not_known_has_not_changed() {
        let old = inventory("services: { a.shop: { ports: [80] } }");
        let new = inventory("unknown: { services: 'eu: permission to list services is missing' }");
        assert_eq!(changes(&old, &new), []);
    }
}
