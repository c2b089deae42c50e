//! `${name}` in string scalars, replaced after parsing. A scalar that is exactly `${x}` takes the type of x; `$${` is a
//! literal `${`.

use std::collections::{BTreeMap, BTreeSet};

use super::node::{Node, Origin, Spelled, Value};
use super::problem::Problem;

/// The names that can be used, and whether others may become known later.
#[derive(Debug, Clone, Default)]
pub struct Names {
    /// Dotted name to value.
    pub known: BTreeMap<String, Value>,
    /// Without a mesh file its names cannot be known: they stand for any value, except those written as of the environment.
    pub open: bool,
}

impl Names {
    /// Adds a name whose value is text; numbers and truth values keep their type.
    pub fn set(&mut self, name: impl Into<String>, value: Value) {
        self.known.insert(name.into(), value);
    }
}

/// The names that a document uses.
pub fn used_names(node: &Node) -> BTreeSet<String> {
    match &node.value {
        Value::Text(text) => names_in(text).collect(),
        Value::List(items) => items.iter().flat_map(used_names).collect(),
        Value::Map(entries) => entries.iter().flat_map(|entry| used_names(&entry.value)).collect(),
        _ => BTreeSet::new(),
    }
}

fn names_in(text: &str) -> impl Iterator<Item = String> + '_ {
    text.match_indices("${").filter(|(at, _)| !text[..*at].ends_with('$')).filter_map(|(at, _)| {
        let rest = &text[at + 2..];
        Some(rest[..rest.find('}')?].trim().to_owned())
    })
}

/// Replaces names everywhere in a document.
pub fn substitute(node: &mut Node, names: &Names, problems: &mut Vec<Problem>) {
    match &mut node.value {
        Value::Text(text) if text.contains("${") => {
            let span = node.span.clone();
            match replaced(text, names) {
                Ok(value) => {
                    node.value = value;
                    // What comes from elsewhere stands where it was asked for.
                    if let Value::List(items) = &mut node.value {
                        items.iter_mut().for_each(|item| item.span = span.clone());
                    }
                }
                Err(Wrong::Unclosed) => {
                    let problem = Problem::at(span, "`${` without `}`");
                    problems.push(problem.help("write the `}`, or `$${` for a literal `${`"));
                }
                Err(Wrong::Unknown(name)) => {
                    let known = match names.known.keys().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
                    {
                        known if known.is_empty() => String::new(),
                        known => format!("known here: {known}; "),
                    };
                    let problem = Problem::at(span, format!("unknown name `${{{name}}}`"));
                    let fill =
                        if is_of_environment(&name) { "fill it in if another tool was to do that; " } else { "" };
                    problems.push(problem.help(format!(
                        "{fill}{known}others come from `vars` of the mesh file and `--set`; write `$${{` for a literal `${{`"
                    )));
                }
            }
        }
        Value::List(items) => items.iter_mut().for_each(|item| substitute(item, names, problems)),
        Value::Map(entries) => {
            entries.iter_mut().for_each(|entry| substitute(&mut entry.value, names, problems));
        }
        _ => {}
    }
}

/// Whether a name is written as those of the environment, such as `NAMESPACE`: another tool was to replace it.
fn is_of_environment(name: &str) -> bool {
    let mut letters = name.chars().filter(|c| *c != '_');
    letters.clone().any(|c| c.is_ascii_uppercase()) && letters.all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
}

/// Why the names of a scalar cannot be replaced.
#[derive(Debug, PartialEq, Eq)]
enum Wrong {
    /// Nothing has this name.
    Unknown(String),
    /// A name without an end.
    Unclosed,
}

/// The scalar with its names replaced, or the first that cannot be.
fn replaced(text: &str, names: &Names) -> Result<Value, Wrong> {
    let mut out = String::new();
    let mut rest = text;
    let mut unknown = false;
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            out.push_str(&rest[..at]);
            out.push('{');
            rest = &rest[at + 2..];
            continue;
        }
        out.push_str(&rest[..at]);
        let Some(length) = rest[at..].find('}') else { return Err(Wrong::Unclosed) };
        let name = rest[at + 2..at + length].trim();
        match names.known.get(name) {
            Some(value) if at == 0 && length + 1 == text.len() => return Ok(whole(value)),
            Some(value) => out.push_str(&scalar(value)),
            None if names.open && !is_of_environment(name) => {
                unknown = true;
                out.push_str(&rest[at..=at + length]);
            }
            None => return Err(Wrong::Unknown(name.to_owned())),
        }
        rest = &rest[at + length + 1..];
    }
    out.push_str(rest);
    Ok(if unknown { Value::Unknown(out) } else { Value::Text(out) })
}

/// What a scalar becomes that is nothing but one `${name}`: text from elsewhere may be a number where one is expected.
fn whole(value: &Value) -> Value {
    match value {
        Value::Text(text) => Value::Spelled(Spelled { text: text.clone(), origin: Origin::Quoted }),
        other => other.clone(),
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::Bool(value) => value.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Text(text) | Value::Unknown(text) | Value::Spelled(Spelled { text, .. }) => text.clone(),
        Value::Null | Value::List(_) | Value::Map(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        let mut names = Names::default();
        names.set("n", Value::Int(3));
        names.set("app", Value::Text("bookinfo".into()));
        names
    }

    #[test]
    fn a_whole_scalar_keeps_the_type_and_a_part_becomes_text() {
        assert_eq!(replaced("${n}", &names()), Ok(Value::Int(3)));
        assert_eq!(replaced("a-${n}-${app}", &names()), Ok(Value::Text("a-3-bookinfo".into())));
        assert_eq!(replaced("$${n}", &names()), Ok(Value::Text("${n}".into())));
        assert_eq!(replaced("cost $5 $${", &names()), Ok(Value::Text("cost $5 ${".into())));
        assert_eq!(replaced("cost $5 ${", &names()), Err(Wrong::Unclosed));
        assert_eq!(replaced("${missing}", &names()), Err(Wrong::Unknown("missing".into())));
    }

    #[test]
    fn what_is_spelled_stays_so_in_text() {
        let mut names = names();
        for release in ["1.30", "0o17", "1e3", "010", "007", "2026-11-28", "True", "0x1F", "+5", "12e3", "1_000"] {
            names.set("release", Value::plain(release));
            assert_eq!(replaced("v${release}", &names), Ok(Value::Text(format!("v{release}"))));
            assert_eq!(replaced("${release}", &names), Ok(Value::plain(release)));
        }
    }

    #[test]
    fn without_a_mesh_file_its_names_stand_for_anything() {
        let open = Names { open: true, ..names() };
        assert_eq!(replaced("x-${APP_NAME}", &open), Err(Wrong::Unknown("APP_NAME".into())), "another tool's");
        assert_eq!(replaced("${clusters.primary.uid}", &open), Ok(Value::Unknown("${clusters.primary.uid}".into())));
    }
}
