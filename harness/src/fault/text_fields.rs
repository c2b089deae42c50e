//! Fields of an object that Kubernetes takes as text: labels, annotations, selectors, environment values, the data of a
//! `ConfigMap`. YAML reads an unquoted `1.30` or `yes` there as a number or truth value, which an API server rejects.

use serde_json::Value;

use crate::probe::SpecError;

/// Fields that map names to text, wherever they stand.
const MAPS: [&str; 5] = ["labels", "annotations", "matchLabels", "nodeSelector", "selector"];

/// What is not text in an object, or in a part of it, that stands at a key of the spec.
pub(super) fn errors(object: &Value, kind: &str, at: &str) -> Vec<SpecError> {
    let mut found = Vec::new();
    if kind == "ConfigMap" {
        map(&object["data"], &format!("{at}.data"), &mut found);
    }
    walk(object, at, &mut found);
    found
}

fn walk(value: &Value, at: &str, found: &mut Vec<SpecError>) {
    match value {
        Value::Object(fields) => {
            for (key, field) in fields {
                let below = format!("{at}.{key}");
                match key.as_str() {
                    key if MAPS.contains(&key) => map(field, &below, found),
                    "env" => items(field, &below, "value", found),
                    "matchExpressions" => {
                        for (index, expression) in field.as_array().into_iter().flatten().enumerate() {
                            texts(&expression["values"], &format!("{below}.{index}.values"), found);
                        }
                    }
                    "args" | "command" => texts(field, &below, found),
                    _ => {}
                }
                walk(field, &below, found);
            }
        }
        Value::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                walk(value, &format!("{at}.{index}"), found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A map from names to text.
fn map(value: &Value, at: &str, found: &mut Vec<SpecError>) {
    for (name, value) in value.as_object().into_iter().flatten() {
        // A name with dots is no path.
        let key = if name.contains('.') { at.to_owned() } else { format!("{at}.{name}") };
        text(value, name, key, found);
    }
}

/// A list of text.
fn texts(value: &Value, at: &str, found: &mut Vec<SpecError>) {
    for (index, value) in value.as_array().into_iter().flatten().enumerate() {
        text(value, "an item", format!("{at}.{index}"), found);
    }
}

/// A list of objects that have a field of text.
fn items(value: &Value, at: &str, field: &str, found: &mut Vec<SpecError>) {
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        text(&item[field], field, format!("{at}.{index}.{field}"), found);
    }
}

fn text(value: &Value, name: &str, key: String, found: &mut Vec<SpecError>) {
    let what = match value {
        Value::Number(_) => "a number",
        Value::Bool(_) => "true or false",
        _ => return,
    };
    found.push(SpecError::new(key, format!("`{name}` is {what}, and Kubernetes takes text here"), "put it in quotes"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn keys(object: &Value) -> Vec<String> {
        let kind = object["kind"].as_str().unwrap_or_default().to_owned();
        errors(object, &kind, "objects.0").into_iter().map(|error| error.key.into_owned()).collect()
    }

    #[test]
    fn numbers_where_text_belongs_are_found() {
        let deployment = json!({
            "kind": "Deployment",
            "metadata": { "labels": { "release": 1.3, "app.kubernetes.io/version": 2, "ok": "1.30" } },
            "spec": {
                "replicas": 2,
                "selector": { "matchLabels": { "on": true }, "matchExpressions": [{ "key": "a", "operator": "In", "values": ["x", 7] }] },
                "template": { "spec": {
                    "nodeSelector": { "zone": 1 },
                    "containers": [{ "args": ["-n", 5], "env": [{ "name": "LEVEL", "value": 3 }], "ports": [{ "containerPort": 80 }] }],
                } },
            },
        });
        let expected = [
            "objects.0.metadata.labels.release",
            "objects.0.metadata.labels",
            "objects.0.spec.selector.matchLabels.on",
            "objects.0.spec.selector.matchExpressions.0.values.1",
            "objects.0.spec.template.spec.nodeSelector.zone",
            "objects.0.spec.template.spec.containers.0.args.1",
            "objects.0.spec.template.spec.containers.0.env.0.value",
        ];
        assert_eq!(keys(&deployment), expected);
        let map = json!({ "kind": "ConfigMap", "data": { "port": 8080 }, "metadata": { "name": "x" } });
        assert_eq!(keys(&map), ["objects.0.data.port"]);
        assert!(
            keys(&json!({ "kind": "Service", "spec": { "selector": { "app": "x" }, "ports": [{ "port": 80 }] } }))
                .is_empty()
        );
    }
}
