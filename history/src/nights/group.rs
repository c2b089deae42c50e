//! Which runs belong together: meshes apart, renamed scenarios joined, and nights.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{Night, Source};
use crate::card::Card;

/// Runs further apart than this are of different nights.
const GAP: i64 = 6 * 3600;

/// The runs of one mesh.
pub(super) struct Group {
    pub nights: Vec<Night>,
    pub series: Vec<Series>,
}

/// The runs of one scenario and binding, oldest first, each with its night.
pub(super) struct Series {
    /// Its suite, where another suite has a scenario of its name; else empty.
    pub suite: String,
    pub scenario: String,
    pub binding: String,
    /// Names that it had before.
    pub formerly: Vec<String>,
    pub runs: Vec<(usize, Source)>,
}

/// Sorts runs by mesh. The embedded lab is apart from clusters.
pub(super) fn by_mesh(sources: Vec<Source>, warnings: &mut Vec<String>) -> BTreeMap<(Option<String>, bool), Group> {
    let mut meshes: BTreeMap<(Option<String>, bool), Vec<Source>> = BTreeMap::new();
    let mut ids = BTreeSet::new();
    for source in sources {
        let run = &source.card.run;
        if !ids.insert(run.id.clone()) {
            warnings.push(format!("{} is left out: the run {} is among the files already", source.path, run.id));
            continue;
        }
        meshes.entry((run.mesh.clone(), run.lab)).or_default().push(source);
    }
    meshes.into_iter().map(|(key, runs)| (key, group(runs, warnings))).collect()
}

fn group(mut runs: Vec<Source>, warnings: &mut Vec<String>) -> Group {
    runs.sort_by_cached_key(|source| (source.card.started(), source.card.run.id.clone()));
    let names = names(&runs, warnings);
    let shared = shared_names(&runs);
    let mut nights: Vec<Night> = Vec::new();
    let mut series: BTreeMap<(String, String, String), Series> = BTreeMap::new();
    let (mut tonight, mut last) = (BTreeSet::new(), Timestamp::MIN);
    for source in runs {
        let run = &source.card.run;
        let scenario = names.get(&run.scenario).unwrap_or(&run.scenario).clone();
        // A scenario that moves to another suite goes on; two of one name in two suites are two.
        let suite = if shared.contains(&scenario) { run.suite.clone() } else { String::new() };
        let key = (suite, scenario, run.binding.clone());
        let started = source.card.started();
        let gap = started.as_second() - last.as_second() > GAP;
        // One command runs each scenario once, so a scenario that comes again is of another.
        if nights.is_empty() || gap || tonight.contains(&key) {
            tonight.clear();
            nights.push(night(&source.card, &nights));
        }
        last = started;
        tonight.insert(key.clone());
        if let Some(night) = nights.last_mut() {
            night.runs += 1;
        }
        let series = series.entry(key).or_insert_with_key(|(suite, scenario, binding)| Series {
            suite: suite.clone(),
            scenario: scenario.clone(),
            binding: binding.clone(),
            formerly: Vec::new(),
            runs: Vec::new(),
        });
        if run.scenario != series.scenario && !series.formerly.contains(&run.scenario) {
            series.formerly.push(run.scenario.clone());
        }
        series.runs.push((nights.len() - 1, source));
    }
    Group { nights, series: series.into_values().collect() }
}

/// Names that two suites have at the same time.
fn shared_names(runs: &[Source]) -> BTreeSet<String> {
    let mut spans: BTreeMap<(&str, &str), (Timestamp, Timestamp)> = BTreeMap::new();
    for source in runs {
        let (run, at) = (&source.card.run, source.card.started());
        spans.entry((&run.scenario, &run.suite)).and_modify(|span| span.1 = at).or_insert((at, at));
    }
    let pairs = spans.iter().zip(spans.iter().skip(1));
    let overlap = pairs.filter(|(one, other)| {
        let apart = one.1.1 < other.1.0 || other.1.1 < one.1.0;
        one.0.0 == other.0.0 && !apart
    });
    overlap.map(|(one, _)| one.0.0.to_owned()).collect()
}

fn night(first: &Card, before: &[Night]) -> Night {
    let date = first.started().strftime("%Y-%m-%d").to_string();
    let same = before.iter().rev().take_while(|night| night.label.starts_with(&date)).count();
    let label = if same == 0 { date } else { format!("{date} #{}", same + 1) };
    Night { label, started: first.run.started.clone(), runs: 0 }
}

/// The names that scenarios have now, by those that they had before.
fn names(runs: &[Source], warnings: &mut Vec<String>) -> BTreeMap<String, String> {
    let mut spans: BTreeMap<&str, (Timestamp, Timestamp)> = BTreeMap::new();
    let mut aliases: BTreeMap<&str, &str> = BTreeMap::new();
    for source in runs {
        let (run, at) = (&source.card.run, source.card.started());
        spans.entry(&run.scenario).and_modify(|span| span.1 = at).or_insert((at, at));
        // The newest run that names an alias is right.
        aliases.extend(run.aliases.iter().map(|alias| (alias.as_str(), run.scenario.as_str())));
    }
    aliases.retain(|old, new| {
        let both = spans.get(old).zip(spans.get(new));
        let renamed = both.is_none_or(|(old, new)| old.1 < new.0);
        if !renamed {
            warnings.push(format!(
                "`{old}` is an alias of `{new}`, and has run after `{new}` did: they are shown as two scenarios; remove the alias or the old file"
            ));
        }
        renamed
    });
    let mut names = BTreeMap::new();
    for old in aliases.keys() {
        let mut now = *old;
        // A name that leads back to itself ends the search.
        for _ in 0..aliases.len() {
            match aliases.get(now) {
                Some(next) if next != old => now = next,
                _ => break,
            }
        }
        names.insert((*old).to_owned(), now.to_owned());
    }
    names
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::card::tests::card;

    fn source(card: Card) -> Source {
        Source { card, path: "p".into(), report: None, clusters: BTreeMap::default() }
    }

    #[test]
    fn a_night_has_each_scenario_once() {
        let at = |id: usize, time: &'static str, scenario: &'static str| {
            source(card(1, 0.1, move |card| {
                card["run"]["id"] = json!(id.to_string());
                card["run"]["started"] = json!(time);
                card["run"]["scenario"] = json!(scenario);
            }))
        };
        let runs = vec![
            at(1, "2026-11-01T23:50:00Z", "a"),
            at(2, "2026-11-02T00:10:00Z", "b"),
            at(3, "2026-11-02T00:20:00Z", "a"),
            at(4, "2026-11-02T23:50:00Z", "a"),
            at(4, "2026-11-02T23:50:00Z", "a"),
        ];
        let mut warnings = Vec::new();
        let groups = by_mesh(runs, &mut warnings);
        let group = &groups[&(Some("m".to_owned()), false)];
        let labels: Vec<(&str, usize)> = group.nights.iter().map(|night| (night.label.as_str(), night.runs)).collect();
        assert_eq!(labels, [("2026-11-01", 2), ("2026-11-02", 1), ("2026-11-02 #2", 1)]);
        assert_eq!(warnings.len(), 1, "{warnings:?}");
    }

    #[test]
    fn a_renamed_scenario_is_one_series() {
        let named = |night: usize, name: &'static str, aliases: &'static [&'static str]| {
            source(card(night, 0.1, move |card| {
                card["run"]["scenario"] = json!(name);
                card["run"]["aliases"] = json!(aliases);
            }))
        };
        let mut warnings = Vec::new();
        let runs = vec![named(1, "a", &[]), named(2, "b", &["a"]), named(3, "c", &["b", "a"])];
        let groups = by_mesh(runs, &mut warnings);
        let series = &groups.values().next().unwrap().series;
        assert_eq!((series.len(), series[0].scenario.as_str(), series[0].runs.len()), (1, "c", 3));
        assert_eq!(series[0].formerly, ["a", "b"]);
        let runs = vec![named(1, "a", &[]), named(2, "b", &["a"]), named(3, "a", &[])];
        let groups = by_mesh(runs, &mut warnings);
        assert_eq!(groups.values().next().unwrap().series.len(), 2);
        assert!(warnings[0].contains("two scenarios"), "{warnings:?}");
        let circle = vec![named(1, "a", &["b"]), named(2, "b", &["a"])];
        by_mesh(circle, &mut Vec::new());
    }

    #[test]
    fn two_suites_with_one_name_are_two() {
        let of = |night: usize, suite: &'static str| {
            source(card(night, 0.1, move |card| card["run"]["suite"] = json!(suite)))
        };
        let count = |runs| by_mesh(runs, &mut Vec::new()).values().next().unwrap().series.len();
        assert_eq!(count(vec![of(1, "a"), of(2, "b"), of(3, "a")]), 2);
        assert_eq!(count(vec![of(1, "a"), of(2, "a"), of(3, "b")]), 1, "moved to another suite");
    }

    #[test]
    fn lab_and_clusters_and_meshes_are_apart() {
        let on = |night: usize, mesh: &'static str, lab: bool| {
            source(card(night, 0.1, move |card| {
                card["run"]["mesh"] = json!(mesh);
                card["run"]["lab"] = json!(lab);
            }))
        };
        let groups = by_mesh(vec![on(1, "a", false), on(2, "a", true), on(3, "b", false)], &mut Vec::new());
        assert_eq!(groups.len(), 3);
    }
}
