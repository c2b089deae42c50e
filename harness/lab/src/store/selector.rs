//! Label and field selectors, in the notation of `kubectl -l` and `--field-selector` and as in objects.

use serde_json::{Map, Value};

use super::object;

#[derive(Debug, Clone, PartialEq)]
enum Test {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Absent(String),
}

/// Tests of labels that must all hold; the empty selector matches everything.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Selector(Vec<Test>);

impl Selector {
    /// `app=x,version in (v1,v2),!canary,tier!=db`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        split(text).into_iter().filter(|part| !part.is_empty()).map(requirement).collect::<Result<_, _>>().map(Self)
    }

    /// A plain map as in a Service's `spec.selector`.
    pub(crate) fn map(map: Option<&Value>) -> Self {
        let map = map.and_then(Value::as_object);
        Self(
            map.into_iter()
                .flatten()
                .map(|(k, v)| Test::In(k.clone(), vec![v.as_str().unwrap_or("").into()]))
                .collect(),
        )
    }

    /// A `LabelSelector` with `matchLabels` and `matchExpressions`.
    pub(crate) fn object(selector: &Value) -> Self {
        let mut tests = Self::map(selector.get("matchLabels")).0;
        for one in object::items(selector, "/matchExpressions") {
            let key = object::text(one, "/key").to_owned();
            let values =
                || object::items(one, "/values").iter().filter_map(|v| v.as_str().map(str::to_owned)).collect();
            tests.push(match object::text(one, "/operator") {
                "In" => Test::In(key, values()),
                "NotIn" => Test::NotIn(key, values()),
                "Exists" => Test::Exists(key),
                _ => Test::Absent(key),
            });
        }
        Self(tests)
    }

    pub(crate) fn matches(&self, labels: Option<&Map<String, Value>>) -> bool {
        let value = |key: &str| labels.and_then(|l| l.get(key)).and_then(Value::as_str);
        self.0.iter().all(|test| match test {
            Test::In(key, values) => value(key).is_some_and(|v| values.iter().any(|x| x == v)),
            Test::NotIn(key, values) => value(key).is_none_or(|v| values.iter().all(|x| x != v)),
            Test::Exists(key) => value(key).is_some(),
            Test::Absent(key) => value(key).is_none(),
        })
    }
}

/// Commas outside parentheses separate requirements.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0_i32, 0);
    for (at, letter) in text.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim());
    parts
}

fn requirement(part: &str) -> Result<Test, String> {
    let invalid = || format!("unable to parse requirement: found '{part}'");
    let set = |list: &str| -> Option<Vec<String>> {
        let inner = list.trim().strip_prefix('(')?.strip_suffix(')')?;
        Some(inner.split(',').map(|v| v.trim().to_owned()).collect())
    };
    if let Some((key, list)) = part.split_once(" notin ") {
        return Ok(Test::NotIn(key.trim().into(), set(list).ok_or_else(invalid)?));
    }
    if let Some((key, list)) = part.split_once(" in ") {
        return Ok(Test::In(key.trim().into(), set(list).ok_or_else(invalid)?));
    }
    if let Some((key, value)) = part.split_once("!=") {
        return Ok(Test::NotIn(key.trim().into(), vec![value.trim().into()]));
    }
    if let Some((key, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
        return Ok(Test::In(key.trim().into(), vec![value.trim().into()]));
    }
    if let Some(key) = part.strip_prefix('!') {
        return Ok(Test::Absent(key.trim().into()));
    }
    if part.contains(char::is_whitespace) { Err(invalid()) } else { Ok(Test::Exists(part.into())) }
}

/// `metadata.name=x,status.phase!=Running`: every field of the object can be tested.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fields(Vec<(String, String, bool)>);

impl Fields {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut tests = Vec::new();
        for part in text.split(',').filter(|p| !p.is_empty()) {
            let (path, value, equal) = if let Some((path, value)) = part.split_once("!=") {
                (path, value, false)
            } else if let Some((path, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
                (path, value, true)
            } else {
                return Err(format!("invalid selector: '{text}'; can't understand '{part}'"));
            };
            tests.push((format!("/{}", path.trim().replace('.', "/")), value.trim().to_owned(), equal));
        }
        Ok(Self(tests))
    }

    pub(crate) fn matches(&self, object: &Value) -> bool {
        self.0.iter().all(|(pointer, value, equal)| {
            let found = match object.pointer(pointer) {
                Some(Value::String(s)) => s.clone(),
                None | Some(Value::Null) => String::new(),
                Some(other) => other.to_string(),
            };
            let absent_false = found.is_empty() && value == "false";
            ((found == *value) || absent_false) == *equal
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn selectors_match_as_kubectl_does() {
        let pod = json!({"metadata": {"name": "p", "labels": {"app": "reviews", "version": "v2"}}, "status": {"phase": "Running"}});
        let yes = [
            "app=reviews",
            "app==reviews,version in (v1, v2)",
            "version!=v3",
            "!canary",
            "version notin (v3)",
            "app",
            "",
        ];
        let no = ["app=ratings", "version in (v1)", "canary", "!app"];
        let matches = |text: &str| Selector::parse(text).unwrap().matches(object::labels(&pod));
        assert!(yes.iter().all(|t| matches(t)) && !no.iter().any(|t| matches(t)));
        assert!(Selector::parse("a b c").is_err());
        assert!(Fields::parse("metadata.name=p,status.phase!=Pending").unwrap().matches(&pod));
        assert!(!Fields::parse("spec.nodeName=x").unwrap().matches(&pod));
    }
}
