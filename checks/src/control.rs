//! Whether the runner itself had a network: samples that failed while it had none do not count.
//!
//! Control targets (the API servers of the mesh) are asked beside the probes. The runner was cut off in a stretch of time
//! in which nothing came back, from no probe and no control target, while every control target was asked and did not respond,
//! at least one of them out of reach of what the run breaks. One answer of any kind, even an error, ends the
//! stretch: an outage that the runner could see is never excused.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::record::{At, Class, History, Record, Sample};
use crate::scorecard::{ControlResult, ControlTarget, LostStretch};

/// A stretch in which the runner was cut off: from the last answer before it to the first after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lost {
    /// The last answer before.
    pub from: At,
    /// The first answer after; the end of the record if none came.
    pub until: At,
}

#[derive(Default)]
struct Target {
    outside: bool,
    /// When it was asked, when that was settled, and whether anything came back.
    asked: Vec<(At, At, bool)>,
}

fn targets<'a>(history: &History<'a>) -> BTreeMap<&'a str, Target> {
    let mut targets: BTreeMap<&str, Target> = BTreeMap::new();
    for answer in &history.controls {
        let known = targets.entry(answer.target).or_default();
        known.outside = answer.outside;
        known.asked.push((answer.asked, answer.settled, answer.answered));
    }
    targets
}

/// The stretches in which the runner was cut off.
pub fn lost(record: &Record) -> Vec<Lost> {
    lost_in(record, &record.history())
}

/// The same of a record whose history is known.
pub(crate) fn lost_in(record: &Record, history: &History<'_>) -> Vec<Lost> {
    let targets = targets(history);
    // What never answered controls nothing.
    let known: Vec<&Target> = targets.values().filter(|target| target.asked.iter().any(|asked| asked.2)).collect();
    let in_vain = |target: &Target, from, until| {
        target.asked.iter().any(|(asked, settled, answered)| !answered && *asked >= from && *settled <= until)
    };
    if !known.iter().any(|target| target.outside && in_vain(target, At::ZERO, record.end())) {
        return Vec::new();
    }
    let mut answers: Vec<At> =
        known.iter().flat_map(|target| &target.asked).filter(|asked| asked.2).map(|asked| asked.1).collect();
    for probe in &record.header.probes {
        // A program on this machine needs no network to end well.
        if probe.kind != "command" {
            answers.extend(record.samples(&probe.name).iter().filter(|one| answered(one)).map(|one| one.completed));
        }
    }
    answers.push(record.end());
    answers.sort_unstable();
    let stretches = answers.windows(2).map(|pair| Lost { from: pair[0], until: pair[1] });
    stretches.filter(|one| known.iter().all(|target| in_vain(target, one.from, one.until))).collect()
}

/// Whether something came back from the network.
const fn answered(sample: &Sample) -> bool {
    sample.class.is_valid() && !is_silence(sample.class)
}

/// The classes in which a network that is gone shows.
const fn is_silence(class: Class) -> bool {
    matches!(class, Class::Dns | Class::Refused | Class::ConnectTimeout | Class::Timeout | Class::Reset)
}

/// The record as it is to be judged: bad samples of a runner that was cut off become `no-data`.
pub fn excused<'a>(record: &'a Record, lost: &[Lost]) -> Cow<'a, Record> {
    if lost.is_empty() {
        return Cow::Borrowed(record);
    }
    Cow::Owned(record.with_samples(|probe, sample| {
        let slow = record.probe(probe).map_or_else(Default::default, |header| header.slow.0);
        let blind = lost.iter().any(|lost| {
            let within = sample.scheduled >= lost.from && sample.scheduled < lost.until;
            // Under way when the network went, with time left to be a good one.
            let caught = sample.scheduled < lost.from && sample.completed > lost.from;
            within || caught && lost.from.since(sample.scheduled) < slow
        });
        let silent = is_silence(sample.class) || sample.class == Class::Late;
        (blind && silent).then(|| Sample { class: Class::NoData, ..sample.clone() })
    }))
}

/// How the control targets answered, for the scorecard; none where none was asked.
pub(crate) fn summarise(
    record: &Record,
    history: &History<'_>,
    lost: &[Lost],
    judged: &Record,
) -> Option<ControlResult> {
    let targets = targets(history);
    let count = |name: &str, wanted: &dyn Fn(&Sample) -> bool, record: &Record| {
        record.samples(name).iter().filter(|one| wanted(one)).count()
    };
    let stretch = |lost: &Lost| {
        let names = record.header.probes.iter().map(|probe| probe.name.as_str());
        let within =
            |one: &Sample| one.class == Class::NoData && one.completed > lost.from && one.scheduled < lost.until;
        let samples = names.map(|name| count(name, &within, judged) - count(name, &within, record)).sum();
        LostStretch { from: lost.from.secs(), until: lost.until.secs(), samples }
    };
    let result = ControlResult {
        targets: targets
            .iter()
            .map(|(name, target)| ControlTarget {
                name: (*name).to_owned(),
                outside: target.outside,
                asked: target.asked.len(),
                answered: target.asked.iter().filter(|asked| asked.2).count(),
            })
            .collect(),
        lost: lost.iter().map(stretch).collect(),
    };
    (!result.targets.is_empty()).then_some(result)
}

/// As a clause of a message; none where the runner had its network all the time.
pub(crate) fn words(lost: &[Lost]) -> Option<String> {
    let stretches: Vec<String> =
        lost.iter().map(|one| format!("{:.1} s to {:.1} s", one.from.secs(), one.until.secs())).collect();
    (!stretches.is_empty()).then(|| {
        format!(
            "the runner lost its own network from {} (no probe and no API server answered); failed samples of that time do not count",
            stretches.join(", and from ")
        )
    })
}
