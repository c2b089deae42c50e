//! Whether a receiver was notified of this alert. An Alertmanager counts notifications, not what they are for, so what the
//! other alerts of the same ways may account for is never taken for ours; a receiver that is asked itself knows better.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::detection::{Other, Stage, Standing};
use crate::record::Sample;

/// A repetition that falls into a stretch by less than one in this many chances is left out of account.
const RARE: u32 = 100;

/// One observation of the alert.
pub(super) struct Look<'a> {
    pub(super) sample: &'a Sample,
    pub(super) standing: Standing,
}

/// What a look shows of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Notified {
    /// No receiver was notified.
    No,
    /// A receiver was notified of this alert or of others: the number of notifications, and the names of the others.
    Unclear(u64, Vec<String>),
    /// A receiver was notified of it.
    Yes,
}

/// Whether a receiver was notified between two observations.
pub(super) fn notified(looks: &[Look<'_>], before: &Look<'_>, now: &Look<'_>) -> Notified {
    if !now.standing.has_reached(Stage::Receiver) {
        return Notified::No;
    }
    if let Some(heard) = now.standing.heard {
        return if before.standing.heard.is_some_and(|before| heard > before) { Notified::Yes } else { Notified::No };
    }
    if now.standing.delivered_since(&before.standing) == 0 {
        return Notified::No;
    }
    // Counted from before the other alerts came or went, their notifications may be over already.
    let mut unclear = Notified::No;
    for start in starts(looks, before) {
        match since(looks, start, now) {
            Notified::Yes => return Notified::Yes,
            other if unclear == Notified::No => unclear = other,
            _ => {}
        }
    }
    unclear
}

/// The look before this alert came, and those before another one came or went.
fn starts<'a, 'b>(looks: &'a [Look<'b>], before: &'a Look<'b>) -> Vec<&'a Look<'b>> {
    let ids = |look: &Look<'_>| look.standing.others.iter().map(|other| other.id.clone()).collect::<BTreeSet<_>>();
    let changes = looks.windows(2).filter(|pair| pair[1].sample.scheduled <= before.sample.scheduled);
    let changes = changes.filter(|pair| ids(&pair[0]) != ids(&pair[1])).map(|pair| &pair[0]);
    [before].into_iter().chain(changes.filter(|look| look.standing.delivered.is_some())).collect()
}

fn since(looks: &[Look<'_>], start: &Look<'_>, now: &Look<'_>) -> Notified {
    let more = now.standing.delivered_since(&start.standing);
    let stretch = now.sample.completed.since(start.sample.scheduled);
    let others = unsettled(looks, now, stretch);
    let shared = |other: &Other| other.ways.iter().filter(|way| now.standing.ways.contains(way)).count() as u64;
    let rounds = |other: &Other| 1 + (stretch.as_millis() / other.waits.between.as_millis().max(1)) as u64;
    let theirs: u64 = others.iter().map(|other| shared(other) * rounds(other)).sum();
    if more > theirs {
        return Notified::Yes;
    }
    let names: BTreeSet<String> =
        others.iter().filter(|other| shared(other) > 0).map(|other| other.name.clone()).collect();
    Notified::Unclear(more, names.into_iter().collect())
}

/// The other alerts that may have been notified in the time before an observation: those that came or went lately, or are
/// repeated.
fn unsettled<'a>(looks: &'a [Look<'a>], now: &Look<'_>, stretch: Duration) -> Vec<&'a Other> {
    let until = now.sample.scheduled;
    let seen: Vec<&Look<'_>> = looks.iter().filter(|look| look.sample.scheduled <= until).collect();
    let (mut found, mut known): (Vec<&Other>, BTreeSet<&str>) = (Vec::new(), BTreeSet::new());
    for other in seen.iter().rev().flat_map(|look| &look.standing.others) {
        // As it was last; before that it was younger.
        if !known.insert(&other.id) {
            continue;
        }
        let span = stretch + other.waits.settled;
        let lately: Vec<_> = seen.iter().filter(|look| until.since(look.sample.scheduled) <= span).collect();
        let has = |look: &Look<'_>| look.standing.others.iter().any(|one| one.id == other.id);
        let was = lately.iter().any(|look| has(look));
        let stays = lately.iter().all(|look| has(look)) && Duration::from_secs(other.age) > span;
        let again = other.waits.repeated < stretch * RARE;
        if was && (!stays || again) {
            found.push(other);
        }
    }
    found
}
