//! A record in memory, and how it is read back from its lines.

use std::collections::{BTreeMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;

use serde_json::Value;

use super::timings::Counting;
use super::{At, Chain, ChainError, Event, Header, History, Line, ProbeHeader, RecordError, Sample, Timings};

/// What the file of a record is called in a run directory, the newest form first.
pub const RECORD_FILES: [&str; 2] = ["run.jsonl.gz", "run.jsonl"];

/// Everything that happened in one run.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// What was run.
    pub header: Header,
    /// The events in their order, samples left out.
    pub events: Vec<Line>,
    samples: BTreeMap<String, Vec<Sample>>,
    timings: Vec<Timings>,
    counting: Counting,
    /// Who answered and what samples show, each text and value once: of a million bad samples, most show the same.
    texts: HashSet<Arc<str>>,
    values: HashSet<Arc<Value>>,
}

impl Record {
    /// A record that has only begun.
    pub fn begin(header: Header) -> Self {
        Self {
            header,
            events: Vec::new(),
            samples: BTreeMap::new(),
            timings: Vec::new(),
            counting: Counting::default(),
            texts: HashSet::new(),
            values: HashSet::new(),
        }
    }

    /// Adds what happens next in a run. The phases of good requests are counted, not kept.
    pub fn observe(&mut self, mut line: Line) {
        if let Event::Sample { probe, sample } = &mut line.event {
            self.timings.extend(self.counting.take(probe, sample));
        } else if matches!(line.event, Event::Phase { .. } | Event::Finished) {
            self.count_up();
        }
        self.push(line);
    }

    /// Writes down what is being counted.
    pub fn count_up(&mut self) {
        self.timings.extend(self.counting.finish());
    }

    /// Adds what happened next.
    pub fn push(&mut self, line: Line) {
        if let Event::Sample { probe, sample } = line.event {
            self.add_sample(&probe, sample);
        } else if let Event::Started(header) = line.event {
            self.header = *header;
        } else {
            self.events.push(line);
        }
    }

    /// Adds a sample of a probe.
    pub(super) fn add_sample(&mut self, probe: &str, mut sample: Sample) {
        [&mut sample.responder, &mut sample.message]
            .into_iter()
            .flatten()
            .for_each(|text| share(&mut self.texts, text));
        sample.seen.iter_mut().for_each(|seen| share(&mut self.values, seen));
        if let Some(samples) = self.samples.get_mut(probe) {
            samples.push(sample);
        } else {
            self.samples.insert(probe.to_owned(), vec![sample]);
        }
    }

    pub(super) fn add_timings(&mut self, timings: Timings) {
        self.timings.push(timings);
    }

    /// The samples of all probes.
    pub fn all_samples(&self) -> impl Iterator<Item = (&str, &[Sample])> {
        self.samples.iter().map(|(probe, samples)| (probe.as_str(), samples.as_slice()))
    }

    /// How long the phases of good requests took. Records of older versions have them in their samples.
    pub(crate) fn timings(&self) -> &[Timings] {
        &self.timings
    }

    /// Reads the lines of `run.jsonl`. A last line cut short by a crash is left out; the record is then incomplete.
    pub fn parse(text: &str) -> Result<Self, RecordError> {
        let mut chain = Chain::default();
        let mut record: Option<Self> = None;
        let cut_short = !text.ends_with('\n');
        let count = text.lines().count();
        for (index, line) in text.lines().enumerate() {
            let checked = match chain.check(line) {
                Ok(checked) => checked,
                Err(ChainError::Format(_)) if cut_short && index + 1 == count => break,
                Err(source) => return Err(RecordError::Line { line: index + 1, source }),
            };
            if let Some(record) = &mut record {
                record.push(checked);
            } else if let Event::Started(header) = checked.event {
                record = Some(Self::begin(*header));
            } else {
                return Err(RecordError::Empty);
            }
        }
        record.ok_or(RecordError::Empty)
    }

    /// What happened, samples aside.
    pub fn history(&self) -> History<'_> {
        History::read(&self.header, &self.events)
    }

    /// What failed of all undos, each with its fault.
    pub fn failed_undos(&self) -> Vec<String> {
        self.history().failed_undos(&self.header)
    }

    /// Whether it is the record of a lab run: on the embedded mesh, or against a lab that is served on sockets.
    pub fn is_lab(&self) -> bool {
        let is_marked = |line: &Line| matches!(&line.event, Event::ClusterIdentified { facts, .. } if facts.lab);
        self.header.lab || self.events.iter().any(is_marked)
    }

    /// Whether the run came to its end with every undo verified, whatever else it found.
    pub fn is_undone(&self) -> bool {
        let history = self.history();
        history.recovery.is_some() && history.failed_undos(&self.header).is_empty()
    }

    pub(super) fn all_samples_mut(&mut self) -> impl Iterator<Item = (&str, &mut [Sample])> {
        self.samples.iter_mut().map(|(probe, samples)| (probe.as_str(), samples.as_mut_slice()))
    }

    /// The samples of one probe: in the order in which they completed in records of older versions, else in the order in which
    /// they were due, second by second.
    pub fn samples(&self, probe: &str) -> &[Sample] {
        self.samples.get(probe).map_or(&[], Vec::as_slice)
    }

    /// The same record with other samples where `change` gives one.
    #[must_use]
    pub fn with_samples(&self, change: impl Fn(&str, &Sample) -> Option<Sample>) -> Self {
        let mut copy = self.clone();
        for (probe, samples) in &mut copy.samples {
            samples.iter_mut().for_each(|sample| *sample = change(probe, sample).unwrap_or_else(|| sample.clone()));
        }
        copy
    }

    /// A probe's header.
    pub fn probe(&self, name: &str) -> Option<&ProbeHeader> {
        self.header.probes.iter().find(|probe| probe.name == name)
    }

    /// When the record ends.
    pub fn end(&self) -> At {
        let samples = self.samples.values().flatten().map(|sample| sample.completed);
        self.events.last().map(|line| line.at).into_iter().chain(samples).max().unwrap_or_default()
    }
}

/// Replaces a value by the same one that is known, or remembers it.
fn share<T: Eq + Hash + ?Sized>(known: &mut HashSet<Arc<T>>, value: &mut Arc<T>) {
    match known.get(value) {
        Some(same) => *value = Arc::clone(same),
        None => _ = known.insert(Arc::clone(value)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Change, Class, FaultWindow, Identity, Phase, RECORD_SCHEMA, Series};
    use super::*;
    use crate::record::RequestPhases;
    use std::time::Duration;

    fn lines() -> Vec<Line> {
        let header = Header {
            fault_window: FaultWindow::Effect,
            schema: RECORD_SCHEMA.into(),
            id: "0".into(),
            scenario: "s".into(),
            aliases: Vec::new(),
            suite: String::new(),
            binding: String::new(),
            mesh: None,
            clusters: Vec::new(),
            lab: true,
            started: "2026-01-01T00:00:00.000Z".into(),
            tool: "0".into(),
            change: Change::default(),
            identity: Identity::default(),
            probes: vec![],
            faults: vec![],
            checks: vec![],
            criteria: vec![],
        };
        let at = |micros| At::after_start(Duration::from_micros(micros));
        let sample = Sample {
            series: Series::Kept,
            slot: 3,
            scheduled: at(300_000),
            started: at(300_017),
            completed: at(301_234_567),
            class: Class::Http5xx,
            responder: Some("primary-cluster".into()),
            phases: Some(Box::new(RequestPhases { connect: Some(0.000_123), ..RequestPhases::default() })),
            seen: Some(Arc::new(serde_json::json!({"status": 503}))),
            message: None,
        };
        vec![
            Line { at: At::ZERO, event: Event::Started(Box::new(header)) },
            Line { at: at(1), event: Event::Phase { phase: Phase::Baseline } },
            Line { at: at(301_234_567), event: Event::Sample { probe: "p".into(), sample } },
            Line { at: at(400_000_000), event: Event::Finished },
        ]
    }

    fn text() -> String {
        let mut chain = Chain::default();
        lines().iter().map(|line| chain.link(line).unwrap() + "\n").collect()
    }

    #[test]
    fn a_record_reads_back_as_it_was_made() {
        let mut made = None;
        for line in lines() {
            match (&mut made, line) {
                (None, Line { event: Event::Started(header), .. }) => made = Some(Record::begin(*header)),
                (Some(record), line) => record.push(line),
                (None, _) => panic!("header first"),
            }
        }
        let read = Record::parse(&text()).unwrap();
        assert_eq!(read, made.unwrap());
        assert!(read.history().finished);
    }

    #[test]
    fn a_changed_or_dropped_line_shows() {
        let text = text();
        let changed = text.replacen("http-5xx", "good", 1);
        assert!(matches!(Record::parse(&changed), Err(RecordError::Line { line: 4, .. })));
        let kept: Vec<&str> = text.lines().filter(|line| !line.contains("baseline")).collect();
        let dropped = kept.join(
            "
",
        ) + "
";
        assert!(matches!(Record::parse(&dropped), Err(RecordError::Line { line: 2, .. })));
    }

    #[test]
    fn a_last_line_cut_short_is_left_out() {
        let text = text();
        let record = Record::parse(&text[..text.len() - 20]).unwrap();
        assert!(!record.history().finished);
        assert_eq!(record.samples("p").len(), 1);
        assert!(matches!(Record::parse(""), Err(RecordError::Empty)));
    }

    #[test]
    fn what_many_samples_show_is_kept_once() {
        let mut lines = lines();
        let Event::Started(header) = lines.remove(0).event else { panic!("no header") };
        let mut record = Record::begin(*header);
        for slot in 0..3 {
            let Event::Sample { probe, mut sample } = lines[1].event.clone() else { panic!("no sample") };
            (sample.slot, sample.message) = (slot, Some("status 503".into()));
            sample.seen = Some(Arc::new(serde_json::json!({ "status": 503 })));
            record.push(Line { at: at_second(slot), event: Event::Sample { probe, sample } });
        }
        let [first, .., last] = record.samples("p") else { panic!("too few samples") };
        let same = |one: &Sample, other: &Sample| {
            let messages = one.message.as_ref().zip(other.message.as_ref());
            let seen = one.seen.as_ref().zip(other.seen.as_ref());
            messages.is_some_and(|(one, other)| Arc::ptr_eq(one, other))
                && seen.is_some_and(|(one, other)| Arc::ptr_eq(one, other))
        };
        assert!(same(first, last));
    }

    fn at_second(second: u64) -> At {
        At::after_start(Duration::from_secs(second))
    }

    #[test]
    fn an_undo_counts_as_it_went_in_the_end() {
        let Event::Started(header) = lines().remove(0).event else { panic!("no header") };
        let mut record = Record::begin(*header);
        let mut say = |event| {
            record.push(Line { at: At::ZERO, event });
            record.history().faults.get("f1").map(|fault| fault.undo_failures.join(",")).unwrap_or_default()
        };
        let requested = |undo: &str| Event::UndoRequested { fault: "f1".into(), undo: undo.into() };
        let failed = |why: &str| Event::UndoFailed { fault: "f1".into(), why: why.into() };
        let verified = || Event::UndoVerified { fault: "f1".into(), proof: String::new() };
        assert_eq!(say(requested("a")), "");
        assert_eq!(say(requested("b")), "");
        assert_eq!(say(failed("x")), "x");
        assert_eq!(say(Event::UndoFailed { fault: "f2".into(), why: "other".into() }), "x");
        assert_eq!(say(verified()), "x", "one that went well says nothing of the other");
        assert_eq!(say(requested("a")), "", "tried again");
        assert_eq!(say(requested("b")), "");
        assert_eq!(say(failed("y")), "y");
        assert_eq!(say(verified()), "y");
    }

    #[test]
    fn an_undo_that_is_tried_again_was_begun_once() {
        let Event::Started(header) = lines().remove(0).event else { panic!("no header") };
        let mut record = Record::begin(*header);
        let second = |at| At::after_start(Duration::from_secs(at));
        let mut say = |at, event| {
            record.push(Line { at: second(at), event });
            record.history().faults.get("f1").and_then(|fault| fault.undo_begun)
        };
        let injected = || Event::FaultRequested { fault: "f1".into(), targets: Vec::new(), uids: Vec::new() };
        let requested = |fault: &str| Event::UndoRequested { fault: fault.into(), undo: String::new() };
        assert_eq!(say(1, injected()), None);
        assert_eq!(say(2, requested("f2")), None);
        assert_eq!(say(3, requested("f1")), Some(second(3)));
        assert_eq!(say(9, requested("f1")), Some(second(3)), "a second try");
        assert_eq!(say(10, injected()), None, "a second round");
        assert_eq!(say(12, requested("f1")), Some(second(12)));
        let history = record.history();
        let requested = |fault| history.faults.get(fault).and_then(|fault| fault.requested);
        assert_eq!((requested("f1"), requested("f2")), (Some(second(10)), None));
    }
}
