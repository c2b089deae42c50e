//! Where two JSON values differ.

use serde_json::Value;

use crate::Problem;

/// The most differences that are named one by one.
const MOST: usize = 20;
/// The most characters of a value in a message.
const LONGEST: usize = 120;
/// Numbers that differ by less, relative to their size, are the same: a figure that was written and read again.
const SAME: f64 = 1e-9;

/// The fields that differ between what is expected and what was found, as `PLACE: FIELD is X, not Y`.
pub(crate) fn differences(place: &str, expected: &Value, found: &Value) -> Vec<Problem> {
    let mut problems = Vec::new();
    compare(&mut problems, place, "", expected, found);
    if problems.len() > MOST {
        let more = problems.len() - MOST;
        problems.truncate(MOST);
        problems.push(Problem::new(place, format!("and {more} more fields")));
    }
    problems
}

fn compare(problems: &mut Vec<Problem>, place: &str, field: &str, expected: &Value, found: &Value) {
    let mut say = |field: &str, what: String| {
        let field = if field.is_empty() { "the document" } else { field };
        problems.push(Problem::new(place, format!("field {field} {what}")));
    };
    match (expected, found) {
        (Value::Object(wanted), Value::Object(present)) => {
            for (key, value) in wanted {
                let inner = join(field, key);
                match present.get(key) {
                    Some(other) => compare(problems, place, &inner, value, other),
                    None => problems
                        .push(Problem::new(place, format!("field {inner} is missing, expected {}", short(value)))),
                }
            }
            for (key, value) in present.iter().filter(|(key, _)| !wanted.contains_key(*key)) {
                problems.push(Problem::new(place, format!("field {} was added: {}", join(field, key), short(value))));
            }
        }
        (Value::Array(wanted), Value::Array(present)) => {
            for (at, (value, other)) in wanted.iter().zip(present).enumerate() {
                compare(problems, place, &format!("{field}[{at}]"), value, other);
            }
            if wanted.len() != present.len() {
                let what = format!("field {field} has {} entries, expected {}", present.len(), wanted.len());
                problems.push(Problem::new(place, what));
            }
        }
        (Value::Number(wanted), Value::Number(present)) => {
            let (wanted, present) = (wanted.as_f64().unwrap_or(f64::NAN), present.as_f64().unwrap_or(f64::NAN));
            if (wanted - present).abs() > SAME * wanted.abs() {
                say(field, format!("is {present}, expected {wanted}"));
            }
        }
        _ if expected == found => {}
        _ => say(field, format!("is {}, expected {}", short(found), short(expected))),
    }
}

fn join(field: &str, key: &str) -> String {
    if field.is_empty() { key.to_owned() } else { format!("{field}.{key}") }
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_difference_is_named_by_its_field() {
        let wanted = json!({ "a": { "b": [1, { "c": "x" }] }, "d": null, "n": 0.1 });
        assert_eq!(differences("p", &wanted, &wanted), []);
        let found = json!({ "a": { "b": [2, { "c": "y" }, 3] }, "n": 0.100_000_000_000_01, "e": true });
        let said: Vec<String> = differences("p", &wanted, &found).iter().map(ToString::to_string).collect();
        let expected = [
            "p: field a.b[0] is 2, expected 1",
            "p: field a.b[1].c is \"y\", expected \"x\"",
            "p: field a.b has 3 entries, expected 2",
            "p: field d is missing, expected null",
            "p: field e was added: true",
        ];
        assert_eq!(said, expected);
        assert_eq!(differences("p", &json!([]), &json!({}))[0].to_string(), "p: field the document is {}, expected []");
    }
}
