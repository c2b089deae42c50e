//! Names that lead nowhere because of how they are written: placeholders that no tool has filled in, invisible characters, and
//! namespaces that no cluster can have. Found in names, namespaces, selectors, hosts and clusters, not in free text.

use meshdrill_document::{Node, Path, Problem, Value, invisible_in, left_unfilled, template_in};

/// Keys whose values are free text, code for another program, or content of objects.
const FREE: [&str; 20] = [
    "objective",
    "reason",
    "owner",
    "command",
    "argv",
    "env",
    "undo",
    "patch",
    "objects",
    "body",
    "bodyLacks",
    "bodyMatches",
    "matches",
    "contains",
    "containsAll",
    "lacks",
    "equals",
    "stdout",
    "headers",
    "regex",
];

/// What is wrong with the names of a document whose `${name}` are replaced, each with its path.
pub(super) fn unfilled(node: &Node) -> Vec<(Path, Problem)> {
    let mut found = Vec::new();
    look(node, &Path::default(), "", &mut found);
    found
}

fn look(node: &Node, path: &Path, key: &str, found: &mut Vec<(Path, Problem)>) {
    match &node.value {
        Value::Map(entries) => {
            for entry in entries.iter().filter(|entry| !FREE.contains(&entry.key.as_str())) {
                look(&entry.value, &path.key(&entry.key), &entry.key, found);
            }
        }
        Value::List(items) => {
            for (index, item) in items.iter().enumerate() {
                look(item, &path.index(index), key, found);
            }
        }
        _ => {
            if let Some(problem) = node.text().and_then(|text| wrong(text, key, node)) {
                found.push((path.clone(), problem));
            }
        }
    }
}

fn wrong(text: &str, key: &str, node: &Node) -> Option<Problem> {
    let at = node.span.clone();
    // Nothing that a person left behind.
    if text.chars().any(char::is_control) {
        return None;
    }
    // `$__interval` and its like belong to Grafana; a check of queries replaces them itself.
    let names = without_userinfo(text).replace("$__", "___");
    if let Some(placeholder) = template_in(&names) {
        return Some(left_unfilled(at, &names[placeholder]));
    }
    if let Some((place, name)) = invisible_in(text, true) {
        let shown = format!("{}…{}", &text[..place.start], &text[place.end..]);
        let message = format!("`{shown}` has an invisible character at the `…`: {name}");
        return Some(Problem::at(at, message).help("remove it"));
    }
    let quotes = ['\u{201c}', '\u{201d}', '\u{201e}', '\u{2018}', '\u{2019}', '\u{ab}', '\u{bb}'];
    if text.starts_with(quotes) && text.ends_with(quotes) {
        let message = format!("`{text}` begins and ends with typographic quotes, which are part of the text");
        return Some(Problem::at(at, message).help(format!("write \"{}\"", text.trim_matches(quotes))));
    }
    let is_namespace = matches!(key, "namespace" | "namespaces" | "stateNamespace");
    (is_namespace && !text.is_empty() && !is_label(text)).then(|| {
        let message = format!("`{text}` cannot be a namespace");
        Problem::at(at, message).help("a namespace has at most 63 lower-case letters, digits and dashes")
    })
}

/// A URL without what stands before its host; a password may contain anything.
fn without_userinfo(text: &str) -> &str {
    let Some(start) = text.find("://").map(|at| at + 3) else { return text };
    let end = text[start..].find('/').map_or(text.len(), |length| start + length);
    text[start..end].rfind('@').map_or(text, |at| &text[start + at + 1..])
}

/// Whether a text is a label of DNS (RFC 1123), as a namespace must be.
fn is_label(text: &str) -> bool {
    let inside = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    text.len() <= 63 && text.chars().all(inside) && !text.starts_with('-') && !text.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_no_name() {
        assert_eq!(without_userinfo("http://u:$x%25@prom/$y"), "prom/$y");
        assert_eq!(without_userinfo("ingress/primary"), "ingress/primary");
        assert!(is_label("istio-system") && !is_label("Istio") && !is_label("-x") && !is_label("a.b"));
    }
}
