//! The JSON Schema of a record's lines accepts every line that runs wrote: those stored in the file, and those that
//! `meshdrill record` prints. All kinds of lines that the schema has are tried.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::Path;

use flate2::read::MultiGzDecoder;
use meshdrill_checks::record::{At, Event, Line, Record, line_schema};
use serde_json::{Value, json};

/// Why a value does not fit a schema; none if it does. Knows the keywords that the schema uses, and panics at another one.
fn misfit(schema: &Value, root: &Value, value: &Value) -> Option<String> {
    let Value::Object(keywords) = schema else { return (schema == &json!(false)).then(|| "nothing fits".to_owned()) };
    keywords.iter().find_map(|(keyword, wanted)| match keyword.as_str() {
        "$schema" | "$defs" | "title" | "description" | "default" => None,
        "$ref" => {
            let place = wanted.as_str()?.trim_start_matches('#');
            misfit(root.pointer(place).unwrap_or_else(|| panic!("no {place}")), root, value)
        }
        "type" => {
            let is = |name: &str| match name {
                "object" => value.is_object(),
                "array" => value.is_array(),
                "string" => value.is_string(),
                "number" => value.is_number(),
                "integer" => value.is_i64() || value.is_u64(),
                "boolean" => value.is_boolean(),
                "null" => value.is_null(),
                other => panic!("type {other}"),
            };
            let names: Vec<&str> = wanted.as_array().map_or_else(
                || wanted.as_str().into_iter().collect(),
                |names| names.iter().filter_map(Value::as_str).collect(),
            );
            (!names.iter().any(|name| is(name))).then(|| format!("{value} is no {wanted}"))
        }
        "const" => (wanted != value).then(|| format!("{value} is not {wanted}")),
        "enum" => (!wanted.as_array()?.contains(value)).then(|| format!("{value} is not one of {wanted}")),
        "anyOf" | "oneOf" => {
            let misfits: Vec<String> = wanted.as_array()?.iter().filter_map(|one| misfit(one, root, value)).collect();
            let fits = wanted.as_array()?.len() - misfits.len();
            (fits == 0 || (keyword == "oneOf" && fits > 1)).then(|| format!("fits {fits} of: {}", misfits.join(" | ")))
        }
        "allOf" => wanted.as_array()?.iter().find_map(|one| misfit(one, root, value)),
        "required" => {
            let missing = wanted.as_array()?.iter().filter_map(Value::as_str).find(|key| value.get(key).is_none());
            missing.filter(|_| value.is_object()).map(|key| format!("no {key}"))
        }
        "properties" => wanted
            .as_object()?
            .iter()
            .find_map(|(key, schema)| misfit(schema, root, value.get(key)?).map(|why| format!("{key}: {why}"))),
        "patternProperties" => wanted.as_object()?.iter().find_map(|(pattern, schema)| {
            let members = value.as_object()?.iter().filter(|(key, _)| matches(pattern, key));
            members.into_iter().find_map(|(key, value)| misfit(schema, root, value).map(|why| format!("{key}: {why}")))
        }),
        "additionalProperties" => {
            let known = |key: &str| {
                let patterns = schema["patternProperties"].as_object().into_iter().flatten();
                schema["properties"].get(key).is_some()
                    || patterns.into_iter().any(|(pattern, _)| matches(pattern, key))
            };
            let others = value.as_object()?.iter().filter(|(key, _)| !known(key));
            others.into_iter().find_map(|(key, value)| misfit(wanted, root, value).map(|why| format!("{key}: {why}")))
        }
        "items" => value.as_array()?.iter().find_map(|item| misfit(wanted, root, item)),
        "minimum" => (value.as_f64()? < wanted.as_f64()?).then(|| format!("{value} is below {wanted}")),
        "maximum" => (value.as_f64()? > wanted.as_f64()?).then(|| format!("{value} is above {wanted}")),
        "minItems" => ((value.as_array()?.len() as u64) < wanted.as_u64()?).then(|| format!("fewer than {wanted}")),
        "maxItems" => ((value.as_array()?.len() as u64) > wanted.as_u64()?).then(|| format!("more than {wanted}")),
        "prefixItems" => {
            wanted.as_array()?.iter().zip(value.as_array()?).find_map(|(one, item)| misfit(one, root, item))
        }
        "pattern" => (!matches(wanted.as_str()?, value.as_str()?)).then(|| format!("{value} is not {wanted}")),
        // How wide a number is, or how a text is written.
        "format" => None,
        other => panic!("the schema uses {other}, which this test does not know"),
    })
}

fn matches(pattern: &str, text: &str) -> bool {
    regex::Regex::new(pattern).unwrap().is_match(text)
}

/// All lines of the stored records: as they stand in the files of this version, and as they are printed.
fn lines() -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/records");
    let mut text = String::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let folder = entry.unwrap().path();
        let bytes = match std::fs::read(folder.join("run.jsonl.gz")) {
            Ok(bytes) => {
                MultiGzDecoder::new(bytes.as_slice()).read_to_string(&mut text).unwrap();
                bytes
            }
            Err(_) => std::fs::read(folder.join("run.jsonl")).unwrap(),
        };
        let mut printed = Vec::new();
        Record::read(&bytes).unwrap().write_lines(&mut printed).unwrap();
        text += std::str::from_utf8(&printed).unwrap();
    }
    // No run of this version crashes.
    let crashed = Line { at: At::ZERO, event: Event::Crashed { why: "a bug".to_owned() } };
    text += &serde_json::to_string(&crashed).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What kind of line one is.
fn kind(line: &Value) -> String {
    line["event"].as_str().unwrap_or("block").to_owned()
}

/// The values that the schema has for `event`.
fn collect_kinds(schema: &Value, kinds: &mut BTreeSet<String>) {
    match schema {
        Value::Object(map) => {
            kinds.extend(map.get("properties").and_then(|keys| keys["event"]["const"].as_str()).map(str::to_owned));
            map.values().for_each(|inner| collect_kinds(inner, kinds));
        }
        Value::Array(list) => list.iter().for_each(|inner| collect_kinds(inner, kinds)),
        _ => {}
    }
}

#[test]
fn every_kind_of_line_fits_the_schema() {
    let schema = line_schema();
    let lines = lines();
    for line in &lines {
        if let Some(why) = misfit(&schema, &schema, line) {
            panic!("{line}\n{why}");
        }
    }
    let tried: BTreeSet<String> = lines.iter().map(kind).collect();
    let mut kinds = BTreeSet::new();
    collect_kinds(&schema, &mut kinds);
    let missing: Vec<&String> = kinds.difference(&tried).collect();
    assert!(missing.is_empty() && kinds.len() > 25, "not tried: {missing:?} of {kinds:?}");
}

#[test]
fn lines_that_are_none_do_not_fit() {
    let schema = line_schema();
    let sample = lines().into_iter().find(|line| line["event"] == "samples").unwrap();
    let change = |change: &dyn Fn(&mut Value)| {
        let mut line = sample.clone();
        change(&mut line);
        line
    };
    for line in [
        json!({}),
        json!({ "at": 1.0, "event": "no-such-event" }),
        json!({ "at": 1.0, "event": "phase", "phase": "lunch" }),
        json!({ "at": "soon", "event": "finished" }),
        json!({ "block": -1, "prev": "0" }),
        change(&|line| line["class"] = "fine".into()),
        change(&|line| line["slot"] = "first".into()),
        change(&|line| _ = line.as_object_mut().unwrap().remove("latencyMicros")),
    ] {
        assert!(misfit(&schema, &schema, &line).is_some(), "{line}");
    }
}
