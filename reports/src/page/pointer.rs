//! What the page's script shows under the pointer.

use std::collections::BTreeMap;

use meshdrill_checks::record::Sample;
use serde::Serialize;

use super::strip::Columns;
use crate::text::{cut, inert};

/// What the page's script shows under the pointer.
#[derive(Debug, Serialize)]
pub(super) struct LaneData {
    /// The lane's element.
    id: String,
    /// When the first column begins. Seconds.
    from: f64,
    /// The length of a column. Seconds.
    width: f64,
    /// What is not good: column, good, late, bad, no data, and the place of a message.
    columns: Vec<(usize, u32, u32, u32, u32, Option<usize>)>,
    /// Messages of bad samples.
    messages: Vec<String>,
}

impl LaneData {
    /// What is not good in a lane, for the script.
    pub fn of(id: String, columns: &Columns, samples: &[&Sample]) -> Self {
        const MESSAGES: usize = 200;
        let mut messages: Vec<String> = Vec::new();
        let mut of_column: BTreeMap<usize, usize> = BTreeMap::new();
        for sample in samples.iter().filter(|sample| !sample.class.is_good()) {
            let index = columns.index(sample);
            if of_column.contains_key(&index) {
                continue;
            }
            let Some(text) = sample.observed() else { continue };
            let text = format!("{}: {}", sample.class, cut(&inert(&text), 240));
            let place = messages.iter().position(|known| *known == text).or_else(|| {
                (messages.len() < MESSAGES).then(|| {
                    messages.push(text);
                    messages.len() - 1
                })
            });
            of_column.extend(place.map(|place| (index, place)));
        }
        let flawed = columns.counts.iter().enumerate().filter(|(_, column)| column.is_flawed());
        let columns_data = flawed
            .map(|(index, one)| (index, one.good, one.late, one.bad, one.none, of_column.get(&index).copied()))
            .collect();
        Self { id, from: columns.from, width: columns.width, columns: columns_data, messages }
    }
}
