//! Lanes of what a probe observes beside good and bad: endpoint counts, replicas, the stages of an alert. What changes during the
//! run becomes a row of steps.

use std::collections::BTreeMap;

use meshdrill_checks::record::Sample;
use serde_json::Value;

/// The most rows of one probe.
const MOST: usize = 12;

/// More steps than this are drawn as a curve, if they are numbers.
const STEPS: usize = 24;

/// The values of one fact over time.
#[derive(Debug, PartialEq)]
pub(super) struct Fact {
    /// Its name: the path to it, without what all have in common.
    pub name: String,
    /// When it became which value. Seconds.
    pub steps: Vec<(f64, String)>,
}

impl Fact {
    /// The values as numbers, where they are too many to be written out; a value that is absent is 0.
    pub(crate) fn curve(&self) -> Option<Vec<(f64, f64)>> {
        let number = |text: &str| if text == ABSENT { Some(0.0) } else { text.parse::<f64>().ok() };
        (self.steps.len() > STEPS).then(|| self.steps.iter().map(|(at, text)| Some((*at, number(text)?))).collect())?
    }
}

/// What stands for a value that is not there.
const ABSENT: &str = "–";

/// The facts that changed, and how many of them are left out.
#[derive(Debug, PartialEq)]
pub(super) struct Facts {
    /// In the order of their names.
    pub rows: Vec<Fact>,
    /// How many changed beside them.
    pub more: usize,
}

/// What changed in the observations of a probe.
pub(super) fn facts(samples: &[&Sample]) -> Facts {
    let mut steps: BTreeMap<String, Vec<(f64, String)>> = BTreeMap::new();
    let mut before: Option<&Value> = None;
    // A probe that shows something only of its failures has no facts.
    let shows = samples.iter().find(|sample| sample.class.is_good()).is_some_and(|sample| sample.seen.is_some());
    let begin = samples.first().map_or(0.0, |sample| sample.completed.secs());
    for sample in samples.iter().filter(|sample| shows && sample.class.is_valid()) {
        let Some(seen @ Value::Object(_)) = sample.seen.as_deref() else { continue };
        if before == Some(seen) {
            continue;
        }
        before = Some(seen);
        let at = sample.completed.secs();
        let mut leaves = BTreeMap::new();
        flatten(seen, "", &mut leaves);
        // What is not there any more has no value.
        let gone: Vec<String> = steps.keys().filter(|name| !leaves.contains_key(*name)).cloned().collect();
        leaves.extend(gone.into_iter().map(|name| (name, ABSENT.to_owned())));
        let first = steps.is_empty();
        for (name, value) in leaves {
            let known =
                steps.entry(name).or_insert_with(|| if first { Vec::new() } else { vec![(begin, ABSENT.to_owned())] });
            if known.last().is_none_or(|(_, last)| *last != value) {
                known.push((at, value));
            }
        }
    }
    let changed: Vec<(String, Vec<(f64, String)>)> = steps.into_iter().filter(|(_, steps)| steps.len() > 1).collect();
    let common = common_words(changed.iter().map(|(name, _)| name.as_str()));
    let more = changed.len().saturating_sub(MOST);
    let rows = changed.into_iter().take(MOST).map(|(name, steps)| {
        let words: Vec<&str> = name.split('\u{1f}').collect();
        Fact { name: words[common.min(words.len() - 1)..].join(" "), steps }
    });
    Facts { rows: rows.collect(), more }
}

/// The numbers, words and truth values of a JSON value, each with the path to it. Long texts are no facts.
fn flatten(value: &Value, path: &str, leaves: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let path = if path.is_empty() { key.clone() } else { format!("{path}\u{1f}{key}") };
                flatten(value, &path, leaves);
            }
        }
        Value::Number(number) => {
            leaves.insert(path.to_owned(), number.to_string());
        }
        Value::Bool(value) => {
            leaves.insert(path.to_owned(), value.to_string());
        }
        Value::String(text) if text.chars().count() <= 24 => {
            leaves.insert(path.to_owned(), text.clone());
        }
        Value::String(_) | Value::Null | Value::Array(_) => {}
    }
}

/// How many words all names begin with.
fn common_words<'a>(names: impl Iterator<Item = &'a str>) -> usize {
    let mut all = names.map(|name| name.split('\u{1f}').collect::<Vec<_>>());
    let Some(first) = all.next() else { return 0 };
    all.fold(first.len().saturating_sub(1), |common, words| {
        first.iter().zip(&words).take(common).take_while(|(one, other)| one == other).count()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use meshdrill_checks::record::{At, Class, Series};
    use serde_json::json;
    use std::time::Duration;

    fn sample(second: u64, seen: Value) -> Sample {
        let at = At::after_start(Duration::from_secs(second));
        Sample {
            series: Series::New,
            slot: second,
            scheduled: at,
            started: at,
            completed: at,
            class: Class::Good,
            responder: None,
            phases: None,
            seen: Some(std::sync::Arc::new(seen)),
            message: None,
        }
    }

    #[test]
    fn what_changed_is_a_row_of_steps() {
        let count =
            |healthy| json!({"endpoints": {"v1": {"primary": {"healthy": healthy}, "secondary": {"healthy": 1}}}});
        let all = [sample(0, count(1)), sample(1, count(1)), sample(2, count(0)), sample(3, json!({"endpoints": {}}))];
        let found = facts(&all.iter().collect::<Vec<_>>());
        let steps = |name: &str| found.rows.iter().find(|fact| fact.name == name).map(|fact| fact.steps.clone());
        assert_eq!(
            steps("primary healthy").unwrap(),
            [(0.0, "1".into()), (2.0, "0".into()), (3.0, "–".into())].to_vec()
        );
        assert_eq!(steps("secondary healthy").unwrap(), [(0.0, "1".into()), (3.0, "–".into())].to_vec());
    }
}
