//! A record on disk: JSON Lines in gzip members, one for a second or so, each with the SHA-256 of the text before it. A
//! changed, dropped or inserted block shows, and a runner that is killed loses the last one at most.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};

use super::chain::digest;
use super::columns::Columns;
use super::{At, BlockError, Event, Line, Record, RecordError, Timings};

/// What every block begins with, in bytes: gzip, deflate, no name, no time.
pub(super) const MAGIC: [u8; 8] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0];
/// No block of ours is longer than this when unpacked.
const LONGEST: u64 = 1 << 30;

/// The first line of a block.
#[derive(Debug, Serialize, Deserialize)]
struct Opening<'a> {
    /// Its number, from 0.
    block: u64,
    /// The SHA-256 of the text of the block before it; zeros for the first.
    #[serde(borrow)]
    prev: Cow<'a, str>,
}

/// What tells lines apart.
#[derive(Debug, Deserialize)]
struct Tag<'a> {
    #[serde(borrow)]
    event: Cow<'a, str>,
}

const SAMPLES: &str = "samples";
const TIMINGS: &str = "timings";

/// A line that is no event.
#[derive(Debug, Serialize)]
struct Tagged<'a, T> {
    event: &'a str,
    #[serde(flatten)]
    content: &'a T,
}

/// The place in the chain.
#[derive(Debug)]
struct Place {
    block: u64,
    prev: String,
}

impl Default for Place {
    fn default() -> Self {
        Self { block: 0, prev: "0".repeat(64) }
    }
}

impl Place {
    fn advance(&mut self, text: &str) {
        self.block += 1;
        self.prev = digest(text);
    }
}

/// Writes a record that grows, block by block.
#[derive(Debug, Default)]
pub struct BlockWriter {
    place: Place,
    events: usize,
    timings: usize,
    samples: BTreeMap<String, usize>,
}

impl BlockWriter {
    /// The block of what came to a record since the last one; none if nothing did. The same record has to be given each time;
    /// its new samples are put in the order in which they were due.
    pub fn next(&mut self, record: &mut Record) -> Result<Option<Vec<u8>>, RecordError> {
        let mut text = serde_json::to_vec(&Opening { block: self.place.block, prev: Cow::Borrowed(&self.place.prev) })?;
        text.push(b'\n');
        let empty = text.len();
        if self.place.block == 0 {
            let header = Event::Started(Box::new(record.header.clone()));
            write_line(&mut text, &Line { at: At::ZERO, event: header })?;
        }
        for line in &record.events[self.events..] {
            write_line(&mut text, line)?;
        }
        self.events = record.events.len();
        for (probe, samples) in record.all_samples_mut() {
            let written = self.samples.entry(probe.to_owned()).or_default();
            if *written < samples.len() {
                samples[*written..].sort_by_key(|sample| (sample.scheduled, sample.series));
                let content = &Columns::of(probe, &samples[*written..]);
                write_line(&mut text, &Tagged { event: SAMPLES, content })?;
                *written = samples.len();
            }
        }
        for content in &record.timings()[self.timings..] {
            write_line(&mut text, &Tagged { event: TIMINGS, content })?;
        }
        self.timings = record.timings().len();
        if text.len() == empty {
            return Ok(None);
        }
        let text = String::from_utf8_lossy(&text);
        let mut encoder = GzEncoder::new(Vec::with_capacity(text.len() / 4), Compression::default());
        encoder.write_all(text.as_bytes()).map_err(BlockError::Packed).map_err(|source| self.error(source))?;
        let packed = encoder.finish().map_err(BlockError::Packed).map_err(|source| self.error(source))?;
        self.place.advance(&text);
        Ok(Some(packed))
    }

    const fn error(&self, source: BlockError) -> RecordError {
        RecordError::Block { block: self.place.block, source }
    }
}

fn write_line(text: &mut Vec<u8>, line: &impl Serialize) -> Result<(), serde_json::Error> {
    serde_json::to_writer(&mut *text, line)?;
    text.push(b'\n');
    Ok(())
}

/// Reads all blocks. A last one cut short by a crash is left out; the record is then incomplete.
pub(super) fn read(mut bytes: &[u8]) -> Result<Record, RecordError> {
    let mut place = Place::default();
    let mut record: Option<Record> = None;
    while !bytes.is_empty() {
        let block = place.block;
        let in_block = |source| RecordError::Block { block, source };
        let mut text = String::new();
        let mut member = GzDecoder::new(bytes);
        match (&mut member).take(LONGEST).read_to_string(&mut text) {
            Ok(_) => bytes = member.into_inner(),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof && !is_followed(bytes) => break,
            Err(error) => return Err(in_block(BlockError::Packed(error))),
        }
        read_text(&text, &place, &mut record).map_err(|error| match error {
            Unread::Block(source) => in_block(source),
            Unread::Empty => RecordError::Empty,
        })?;
        place.advance(&text);
    }
    record.ok_or(RecordError::Empty)
}

/// Whether another block begins after the first byte.
fn is_followed(bytes: &[u8]) -> bool {
    memchr::memmem::find(&bytes[1..], &MAGIC).is_some()
}

enum Unread {
    Block(BlockError),
    Empty,
}

impl From<BlockError> for Unread {
    fn from(error: BlockError) -> Self {
        Self::Block(error)
    }
}

fn read_text(text: &str, place: &Place, record: &mut Option<Record>) -> Result<(), Unread> {
    let mut lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    let first = lines.next().and_then(|(_, line)| serde_json::from_str::<Opening<'_>>(line).ok());
    if first.is_none_or(|opening| opening.block != place.block || opening.prev != place.prev) {
        return Err(BlockError::Chain.into());
    }
    for (number, line) in lines {
        let unread = |source| BlockError::Line { line: number, source };
        let tag: Tag<'_> = serde_json::from_str(line).map_err(unread)?;
        let Some(record) = record else {
            let line: Line = serde_json::from_str(line).map_err(unread)?;
            let Event::Started(header) = line.event else { return Err(Unread::Empty) };
            *record = Some(Record::begin(*header));
            continue;
        };
        match tag.event.as_ref() {
            SAMPLES => {
                let columns: Columns = serde_json::from_str(line).map_err(unread)?;
                let probe = columns.probe.clone();
                for sample in columns.samples() {
                    let sample = sample.map_err(|source| BlockError::Columns { line: number, source })?;
                    record.add_sample(&probe, sample);
                }
            }
            TIMINGS => record.add_timings(serde_json::from_str::<Timings>(line).map_err(unread)?),
            _ => record.push(serde_json::from_str(line).map_err(unread)?),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{Class, Phase, RequestPhases, Sample, Series};
    use super::*;
    use std::time::Duration;

    /// A run at 50 requests a second with a bad one every so often, and its blocks, one for each second.
    fn run(seconds: u64) -> (Record, Vec<Vec<u8>>) {
        let header = serde_json::json!({
            "schema": super::super::RECORD_SCHEMA, "id": "0", "scenario": "s", "suite": "", "mesh": null, "lab": true,
            "started": "2026-01-01T00:00:00.000Z", "tool": "0", "probes": [], "faults": [], "checks": [], "criteria": []
        });
        let mut record = Record::begin(serde_json::from_value(header).unwrap());
        let mut writer = BlockWriter::default();
        let mut blocks = vec![writer.next(&mut record).unwrap().unwrap()];
        let at = |micros| At::after_start(Duration::from_micros(micros));
        for slot in 0..seconds * 50 {
            let (due, noise) = (slot * 20_000, slot.wrapping_mul(2_654_435_761) >> 7);
            let bad = slot % 97 == 13;
            let done = at(due + 3_000 + noise % 2_000);
            let phase = |micros: u64| Some(micros as f64 / 1e6);
            let sample = Sample {
                series: if slot % 2 == 0 { Series::New } else { Series::Kept },
                slot: slot / 2,
                scheduled: at(due),
                started: at(due + noise % 90),
                completed: done,
                class: if bad { Class::Http5xx } else { Class::Good },
                responder: (!bad).then(|| if slot % 3 == 0 { "primary" } else { "secondary" }.into()),
                phases: Some(Box::new(RequestPhases {
                    connect: phase(200 + noise % 70),
                    first_byte: phase(2_700 + noise % 1_900),
                    ..RequestPhases::default()
                })),
                seen: bad.then(|| std::sync::Arc::new(serde_json::json!({ "status": 503 }))),
                message: bad.then(|| "status 503, expected 200".into()),
            };
            record.observe(Line { at: done, event: Event::Sample { probe: "p".into(), sample } });
            if slot % 50 == 49 {
                blocks.extend(writer.next(&mut record).unwrap());
            }
        }
        record.observe(Line { at: at(seconds * 1_000_000), event: Event::Phase { phase: Phase::Verify } });
        record.observe(Line { at: at(seconds * 1_000_000), event: Event::Finished });
        blocks.extend(writer.next(&mut record).unwrap());
        assert!(writer.next(&mut record).unwrap().is_none());
        (record, blocks)
    }

    #[test]
    fn a_record_reads_back_as_it_was_made() {
        let (record, blocks) = run(30);
        assert!(!record.timings().is_empty());
        assert_eq!(Record::read(&blocks.concat()).unwrap(), record);
        assert_eq!(crate::score::score(&Record::read(&blocks.concat()).unwrap()), crate::score::score(&record));
    }

    #[test]
    fn a_sample_takes_little() {
        let (_, blocks) = run(60);
        let bytes = blocks.concat().len();
        assert!(bytes < 3_000 * 15, "{} bytes a sample", bytes / 3_000);
    }

    #[test]
    fn every_changed_bit_shows() {
        let (record, blocks) = run(3);
        let bytes = blocks.concat();
        for (place, bit) in (0..bytes.len()).map(|place| (place, place % 8)) {
            let mut changed = bytes.clone();
            changed[place] ^= 1 << bit;
            // What gzip does not protect, such as the name of the system in a header, changes no word of the record; a last
            // block that does not end is taken for one that was cut short.
            if let Ok(read) = Record::read(&changed) {
                assert!(read == record || !read.history().finished, "byte {place}");
            }
        }
    }

    #[test]
    fn blocks_that_are_missing_or_moved_show() {
        let (_, blocks) = run(5);
        let read = |blocks: &[Vec<u8>]| Record::read(&blocks.concat());
        for place in 0..blocks.len() - 1 {
            let mut dropped = blocks.clone();
            dropped.remove(place);
            let found = read(&dropped).unwrap_err();
            assert!(matches!(found, RecordError::Block { block, .. } if block == place as u64), "{found}");
            let mut moved = blocks.clone();
            moved.swap(place, place + 1);
            assert!(read(&moved).is_err());
            let mut cut = blocks.clone();
            let half = cut[place].len() / 2;
            cut[place].truncate(half);
            let found = read(&cut).unwrap_err();
            assert!(matches!(found, RecordError::Block { block, .. } if block == place as u64), "{found}");
        }
    }

    #[test]
    fn a_last_block_cut_short_is_left_out() {
        let (_, blocks) = run(5);
        let bytes = blocks.concat();
        for cut in 1..blocks.last().unwrap().len() {
            let record = Record::read(&bytes[..bytes.len() - cut]).unwrap();
            assert!(!record.history().finished);
            assert_eq!(record.samples("p").len(), 250);
        }
        assert!(matches!(Record::read(&bytes[..5]), Err(RecordError::Empty)));
    }
}
