//! What was not good, by class.

use std::collections::BTreeMap;

use maud::{Markup, html};
use meshdrill_checks::record::{At, Sample};
use meshdrill_checks::units::{grouped, seconds};

use crate::text::{cut, inert};

/// What was not good, by class, with an example of each.
pub(super) fn table(samples: &[&Sample]) -> Markup {
    struct Kind<'a> {
        count: u64,
        first: At,
        last: At,
        example: Option<&'a Sample>,
    }
    let mut kinds: BTreeMap<&'static str, Kind<'_>> = BTreeMap::new();
    for sample in samples.iter().filter(|sample| !sample.class.is_good()) {
        let kind = kinds.entry(sample.class.word()).or_insert(Kind {
            count: 0,
            first: sample.scheduled,
            last: sample.scheduled,
            example: None,
        });
        kind.count += 1;
        kind.first = kind.first.min(sample.scheduled);
        kind.last = kind.last.max(sample.scheduled);
        if kind.example.is_none() && (sample.message.is_some() || sample.seen.is_some()) {
            kind.example = Some(sample);
        }
    }
    let mut kinds: Vec<_> = kinds.into_iter().collect();
    kinds.sort_by_key(|(word, kind)| (std::cmp::Reverse(kind.count), *word));
    html! {
        @if !kinds.is_empty() {
            table.failures {
                thead { tr { th { "Class" } th { "Samples" } th { "First, last" } th { "The first of them" } } }
                tbody {
                    @for (word, kind) in kinds {
                        tr {
                            td { b { (word) } }
                            td.num { (grouped(kind.count)) }
                            td.num { (seconds(kind.first.secs())) ", " (seconds(kind.last.secs())) }
                            td.long { (kind.example.and_then(Sample::observed).map(|text| cut(&inert(&text), 600).into_owned()).unwrap_or_default()) }
                        }
                    }
                }
            }
        }
    }
}
