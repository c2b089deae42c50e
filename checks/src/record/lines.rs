//! A record as one line for each event and sample, in the order of time, for people and `jq`.

use std::io::Write;

use serde::Serialize;

use super::{At, Event, Line, Record, RecordError, Sample, Timings};

#[derive(Serialize)]
struct SampleLine<'a> {
    at: At,
    event: &'static str,
    probe: &'a str,
    #[serde(flatten)]
    sample: &'a Sample,
}

#[derive(Serialize)]
struct TimingsLine<'a> {
    at: At,
    event: &'static str,
    #[serde(flatten)]
    timings: &'a Timings,
}

enum What<'a> {
    Event(&'a Line),
    Sample(&'a str, &'a Sample),
    Timings(&'a Timings),
}

impl Record {
    /// Writes an event or sample per line, as JSON: the header first, then what happened, samples where they ended.
    pub fn write_lines(&self, to: &mut impl Write) -> Result<(), RecordError> {
        let started = Line { at: At::ZERO, event: Event::Started(Box::new(self.header.clone())) };
        write(to, &started)?;
        let mut all: Vec<(At, What<'_>)> = Vec::new();
        let mut latest = At::ZERO;
        for line in &self.events {
            // Events keep their order, also where one is dated back.
            latest = latest.max(line.at);
            all.push((latest, What::Event(line)));
        }
        for (probe, samples) in self.all_samples() {
            all.extend(samples.iter().map(|sample| (sample.completed, What::Sample(probe, sample))));
        }
        all.extend(self.timings().iter().map(|timings| (timings.until, What::Timings(timings))));
        all.sort_by_key(|(at, _)| *at);
        for (at, what) in all {
            match what {
                What::Event(line) => write(to, line)?,
                What::Sample(probe, sample) => write(to, &SampleLine { at, event: "sample", probe, sample })?,
                What::Timings(timings) => write(to, &TimingsLine { at, event: "timings", timings })?,
            }
        }
        Ok(())
    }
}

fn write(to: &mut impl Write, line: &impl Serialize) -> Result<(), RecordError> {
    serde_json::to_writer(&mut *to, line)?;
    to.write_all(b"\n").map_err(serde_json::Error::io)?;
    Ok(())
}
