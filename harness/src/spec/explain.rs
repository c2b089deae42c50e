//! What `explain` prints: every key that can be written, what it takes and means, from the schema alone.

use std::fmt::Write as _;
use std::rc::Rc;

use serde_json::{Map, Value, json};

use super::schema::{KIND, resolved, variants};
use super::{AttestationsFile, FindingsFile, ScenarioFile, SignOffFile};
use crate::format::MeshFile;

/// How many levels below a key it prints with `--all`. No file is nested deeper.
const ALL: usize = 16;

/// A kind, or a section of a file.
struct Topic {
    name: String,
    family: &'static str,
    schema: Value,
    definitions: Rc<Value>,
}

/// The things that can be explained. A probe and a fault may share their name.
fn topics() -> Vec<Topic> {
    let raw = schemars::schema_for!(ScenarioFile).to_value();
    let mesh = schemars::schema_for!(MeshFile).to_value();
    let (ours, theirs) = (Rc::new(raw["$defs"].clone()), Rc::new(mesh["$defs"].clone()));
    let topic = |name: &str, family, schema, definitions: &Rc<Value>| Topic {
        name: name.to_owned(),
        family,
        schema,
        definitions: Rc::clone(definitions),
    };
    let mut topics = Vec::new();
    for (name, family) in [("ProbeKind", "probe"), ("FaultKind", "fault"), ("CriterionSpec", "criterion")] {
        let kinds = variants(&json!({ "$ref": name }), &ours);
        topics.extend(kinds.into_iter().map(|(kind, schema)| topic(&kind, family, schema, &ours)));
    }
    topics.push(topic("scenario", "file", raw, &ours));
    topics.push(topic("mesh", "file", mesh, &theirs));
    let more = [
        ("signoff", schemars::schema_for!(SignOffFile)),
        ("attestations", schemars::schema_for!(AttestationsFile)),
        ("findings", schemars::schema_for!(FindingsFile)),
    ];
    for (name, schema) in more {
        let schema = schema.to_value();
        let definitions = Rc::new(schema["$defs"].clone());
        topics.push(topic(name, "file", schema, &definitions));
    }
    let sections = [
        ("cluster", "ClusterSpec", &theirs),
        ("probe", "ProbeSpec", &ours),
        ("check", "CheckSpec", &ours),
        ("fault", "FaultSpec", &ours),
        ("sla", "SlaRow", &ours),
    ];
    topics.extend(sections.map(|(name, of, definitions)| topic(name, "section", definitions[of].clone(), definitions)));
    topics
}

/// The names `explain` knows, each with its first sentence.
pub fn kinds() -> Vec<(String, String)> {
    let line = |topic: Topic| {
        let text = description(&topic.schema).or_else(|| description(resolved(&topic.schema, &topic.definitions)));
        (topic.name, format!("({}) {}", topic.family, text.unwrap_or_default()))
    };
    topics().into_iter().map(line).collect()
}

/// What stands at a path such as `http`, `http.expect` or `scenario.probes`: what it is, what it takes, and its keys;
/// with `recursive`, all that can be written below it. None if there is no such thing.
pub fn explain(path: &str, recursive: bool) -> Option<String> {
    let mut keys = path.split('.');
    let name = keys.next()?;
    let rest: Vec<&str> = keys.collect();
    let found = topics().into_iter().filter(|topic| topic.name.eq_ignore_ascii_case(name));
    let explained: Vec<String> = found.filter_map(|topic| topic.explain(&rest, recursive)).collect();
    (!explained.is_empty()).then(|| explained.join("\n"))
}

impl Topic {
    fn explain(&self, rest: &[&str], recursive: bool) -> Option<String> {
        let mut schema = self.schema.clone();
        for key in rest {
            schema = self.step(&schema, key)?;
        }
        let path = std::iter::once(self.name.as_str()).chain(rest.iter().copied()).collect::<Vec<_>>().join(".");
        let inside = self.inside(&schema);
        let mut text = format!("{path} ({}) <{}>\n", self.family, self.takes(&schema));
        let mut said: Vec<String> = Vec::new();
        let named = resolved(&schema, &self.definitions);
        for line in [&schema, named, inside].into_iter().filter_map(description) {
            if !said.contains(&line) {
                let _ = write!(text, "\n    {line}\n");
                said.push(line);
            }
        }
        for (value, what) in values(inside) {
            let _ = write!(text, "\n  {value}\n      {what}\n");
        }
        // A file is its `spec`; who asks for a file wants to see that.
        let depth = if recursive { ALL } else { 1 + usize::from(rest.is_empty() && self.family == "file") };
        let mut listed = String::new();
        self.list(inside, 1, depth, &mut listed);
        if !listed.is_empty() {
            let _ = write!(text, "\nKEYS\n{listed}");
        }
        if !recursive && listed.contains("object>") {
            let _ = write!(text, "\n`{path}.KEY` explains a part of it, `--recursive` all of it.\n");
        }
        Some(text)
    }

    /// The keys of an object, those of the objects in it below them.
    fn list(&self, schema: &Value, indent: usize, depth: usize, out: &mut String) {
        if depth == 0 {
            return;
        }
        let margin = "  ".repeat(indent);
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        let properties = schema["properties"].as_object();
        for (key, property) in properties.into_iter().flatten().filter(|(key, _)| *key != KIND) {
            let must = if required.contains(&json!(key)) { " (required)" } else { "" };
            let takes = self.takes(property);
            let _ = writeln!(out, "{margin}{key} <{takes}>{must}");
            let inside = self.inside(property);
            let own = description(property);
            // How a text of some form is written stands with the form; other types speak for themselves.
            let form = description(inside).filter(|form| takes.starts_with("text") && Some(form) != own.as_ref());
            let kinds = kind_names(inside);
            let kinds = (!kinds.is_empty()).then(|| format!("Exactly one of: {}.", kinds.join(", ")));
            for line in own.into_iter().chain(form).chain(kinds) {
                let _ = writeln!(out, "{margin}    {line}");
            }
            self.list(inside, indent + 2, depth - 1, out);
        }
        if let Some(kind) = properties.and_then(|properties| properties.get(KIND)) {
            let names = variants(kind, &self.definitions).keys().cloned().collect::<Vec<_>>().join(", ");
            let _ = writeln!(out, "{margin}KIND <object> (required)\n{margin}    Exactly one of: {names}.");
        }
    }

    /// What is at a key. A list stands for its items; any key leads into a map; and into a file's `spec` directly.
    fn step(&self, schema: &Value, key: &str) -> Option<Value> {
        let inside = self.inside(schema);
        let properties = inside["properties"].as_object();
        if let Some(found) = properties.and_then(|properties| properties.get(key)).filter(|_| key != KIND) {
            return Some(found.clone());
        }
        let kind = properties.and_then(|properties| properties.get(KIND)).unwrap_or(inside);
        let found = variants(kind, &self.definitions).get(key).cloned();
        let in_map = || Some(&inside["additionalProperties"]).filter(|value| value.is_object()).cloned();
        let in_spec = || self.step(properties?.get("spec")?, key);
        found.or_else(in_map).or_else(in_spec)
    }

    /// The schema of what is written at last: without references, lists and the absence of a value.
    fn inside<'a>(&'a self, schema: &'a Value) -> &'a Value {
        let schema = resolved(schema, &self.definitions);
        if schema["type"] == "array" {
            return self.inside(&schema["items"]);
        }
        let choices: Vec<&Value> = choices(schema).collect();
        match choices.as_slice() {
            [one] => self.inside(one),
            // Of a word and an object the object has keys.
            several => {
                let map = |one: &&&Value| {
                    let one = resolved(one, &self.definitions);
                    one["properties"].is_object() || one["additionalProperties"].is_object()
                };
                several.iter().find(map).map_or(schema, |one| self.inside(one))
            }
        }
    }

    /// What may be written, in a few words.
    fn takes(&self, schema: &Value) -> String {
        let schema = resolved(schema, &self.definitions);
        let words: Vec<&str> = values(schema).map(|(value, _)| value).collect();
        if !words.is_empty() {
            return words.join(" | ");
        }
        let choices: Vec<String> = choices(schema).map(|one| self.takes(one)).collect();
        if !choices.is_empty() {
            return choices.join(" | ");
        }
        if let Some(value) = schema["const"].as_str() {
            return value.to_owned();
        }
        let pattern = schema["pattern"].as_str().unwrap_or_default();
        let one = |name: &str| match name {
            "string" if pattern.contains("us|ms") => "duration".to_owned(),
            "string" if pattern.ends_with("%$") => "percentage".to_owned(),
            "string" => "text".to_owned(),
            "integer" => "whole number".to_owned(),
            "array" => format!("list of {}", self.takes(&schema["items"])),
            "object" if schema["additionalProperties"].is_object() => {
                format!("map to {}", self.takes(&schema["additionalProperties"]))
            }
            other => other.to_owned(),
        };
        match &schema["type"] {
            Value::String(name) => one(name),
            Value::Array(names) => {
                let names = names.iter().filter_map(Value::as_str).filter(|name| *name != "null");
                names.map(one).collect::<Vec<_>>().join(" | ")
            }
            _ if !kind_names(schema).is_empty() => "object".to_owned(),
            _ => "anything".to_owned(),
        }
    }
}

fn description(schema: &Value) -> Option<String> {
    schema["description"].as_str().map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// The alternatives of a value, its absence left out.
fn choices(schema: &Value) -> impl Iterator<Item = &Value> {
    schema["anyOf"].as_array().into_iter().flatten().filter(|one| one["type"] != "null")
}

/// The words of which one may be written, and what each means.
fn values(schema: &Value) -> impl Iterator<Item = (&str, String)> {
    let all = schema["oneOf"].as_array().into_iter().flatten();
    all.filter_map(|one| Some((one["const"].as_str()?, description(one).unwrap_or_default())))
}

/// The names of a kind's variants, each an object with one key.
fn kind_names(schema: &Value) -> Vec<&str> {
    let all = schema["oneOf"].as_array().into_iter().flatten();
    all.filter_map(|one| one["properties"].as_object()).flat_map(Map::keys).map(String::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every path below a schema, kinds within kinds left out: they are topics of their own.
    fn paths(topic: &Topic, schema: &Value, path: &str, found: &mut Vec<(String, Value)>) {
        let inside = topic.inside(schema);
        let properties = inside["properties"].as_object().into_iter().flatten();
        for (key, property) in properties.filter(|(key, _)| *key != KIND) {
            let path = format!("{path}.{key}");
            found.push((path.clone(), property.clone()));
            paths(topic, property, &path, found);
        }
    }

    #[test]
    fn every_key_that_can_be_written_is_explained() {
        let mut count = 0;
        for topic in topics() {
            let mut found = Vec::new();
            paths(&topic, &topic.schema, &topic.name, &mut found);
            let all = topic.explain(&[], true).unwrap();
            for (path, property) in found {
                let keys: Vec<&str> = path.split('.').skip(1).collect();
                assert!(topic.explain(&keys, false).is_some(), "{path}");
                let key = keys.last().unwrap();
                assert!(all.lines().any(|line| line.trim_start().starts_with(&format!("{key} <"))), "{path}");
                let described = description(&property).or_else(|| description(topic.inside(&property)));
                let obvious = property["const"].is_string();
                assert!(obvious || described.is_some_and(|text| !text.is_empty()), "{path} says nothing");
                count += 1;
            }
        }
        assert!(count > 300, "{count}");
    }

    #[test]
    fn parts_are_found_by_their_path() {
        let text = |path: &str| explain(path, false).unwrap();
        assert!(text("http.expect").contains("bodyMatches <text>\n"));
        assert!(text("http.via").contains("forward/CLUSTER/NAMESPACE"));
        assert!(text("http.connection").contains("kept\n      Connections that stay open between requests."));
        assert!(text("scenario.probes.NAME.http.responder").contains("json <text>"));
        assert!(text("isolate.control.tcp.from").contains("selector <text> (required)"));
        assert!(text("mesh.clusters.KEY.expect.podCidrs").contains("<list of text>"));
        assert!(text("mesh.without.NEED").contains("until <text> (required)"));
        assert!(text("sla").contains("recoveryTime"));
        assert!(text("command").contains("command (probe)") && text("command").contains("command (fault)"));
        assert!(!text("http").contains("bodyMatches") && explain("http", true).unwrap().contains("bodyMatches"));
        assert_eq!(explain("http.nothing", false), None);
        assert_eq!(explain("http.$kind", false), None);
    }
}
