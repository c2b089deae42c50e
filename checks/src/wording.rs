//! Phrases that several messages share.

use std::collections::BTreeMap;

use crate::record::{Class, Sample};

/// How many characters of what a sample observed go into a message.
const LONGEST: usize = 160;

/// The bad samples by class, with what the last of them observed.
pub(crate) fn failures(samples: &[&Sample]) -> String {
    let bad: Vec<&&Sample> = samples.iter().filter(|sample| sample.class.is_bad()).collect();
    let mut counts: BTreeMap<Class, usize> = BTreeMap::new();
    for sample in &bad {
        *counts.entry(sample.class).or_default() += 1;
    }
    let counts: Vec<String> = counts.iter().map(|(class, count)| format!("{count} {class}")).collect();
    let last = bad.iter().rev().find_map(|sample| sample.observed());
    let last = last.map_or_else(String::new, |seen| match seen.char_indices().nth(LONGEST) {
        Some((at, _)) => format!(", last: {}…", &seen[..at]),
        None => format!(", last: {seen}"),
    });
    format!("; {}{last}", counts.join(", "))
}

/// How many may be such for a sample size to hold: `none bad`, `no more than 3 bad`.
pub(crate) fn no_more(count: u64, word: &str) -> String {
    if count == 0 { format!("none {word}") } else { format!("no more than {count} {word}") }
}
