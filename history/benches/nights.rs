//! A year of nights: 365 nights of 49 scenarios, read from their scorecards on disk, and what `history` makes of them.
//!
//! `cargo bench -p meshdrill-history [-- NIGHTS SCENARIOS]`. The scorecards are that of a real drill with 12 criteria and its
//! figures varied.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use meshdrill_history::card::Card;
use meshdrill_history::nights::{History, Source, to_text};
use meshdrill_history::site::pages;
use serde_json::{Value, json};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let mut numbers = std::env::args().skip(1).filter_map(|argument| argument.parse().ok());
    let (nights, scenarios) = (numbers.next().unwrap_or(365), numbers.next().unwrap_or(49));
    let folder = std::env::temp_dir().join(format!("meshdrill-nights-{}", std::process::id()));
    let files = write(&folder, nights, scenarios)?;
    let size: u64 = files.iter().filter_map(|file| Some(std::fs::metadata(file).ok()?.len())).sum();
    println!("{nights} nights of {scenarios} scenarios: {} scorecards, {} MB", files.len(), size >> 20);
    let whole = Instant::now();
    let mut begun = Instant::now();
    let mut step = |what: &str| {
        println!("{what:<22} {:>6.2} s", begun.elapsed().as_secs_f64());
        begun = Instant::now();
    };
    let read = |path: &PathBuf| -> Result<Source, Failure> {
        let (card, path) = (Card::read(&std::fs::read(path)?)?, path.display().to_string());
        Ok(Source { card, path, report: None, clusters: BTreeMap::new() })
    };
    let sources = files.iter().map(read).collect::<Result<Vec<_>, Failure>>()?;
    step("read");
    let history = History::new(sources, Vec::new());
    step("sort and find changes");
    let text = to_text(&history).len();
    step("text");
    println!("{:<22} {:>6.2} s", "in all", whole.elapsed().as_secs_f64());
    let bytes = history.to_json()?.len();
    step("JSON");
    let (count, page_bytes) = pages(&history).fold((0, 0), |(count, sum), (_, page)| (count + 1, sum + page.len()));
    step("pages");
    let changes: usize = history.meshes.iter().map(|mesh| mesh.flags.len()).sum();
    println!(
        "{} tests, {changes} flags; text {text} bytes, JSON {} MB, {count} pages of {} MB",
        history.rule.tests,
        bytes >> 20,
        page_bytes >> 20
    );
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

/// Scorecards of all nights; in a tenth of the scenarios something changes in the middle.
fn write(folder: &Path, nights: usize, scenarios: usize) -> Result<Vec<PathBuf>, Failure> {
    let text = include_str!("../../checks/tests/fixtures/records/drill-pass/scorecard.json");
    let card: Value = serde_json::from_str(text)?;
    let mut state = 1_u64;
    let mut files = Vec::new();
    for night in 0..nights {
        let date = jiff::civil::date(2026, 1, 1).checked_add(jiff::Span::new().days(i64::try_from(night)?))?;
        for scenario in 0..scenarios {
            let mut card = card.clone();
            card["run"]["id"] = json!(format!("{night}-{scenario}"));
            card["run"]["scenario"] = json!(format!("scenario-{scenario:02}"));
            card["run"]["started"] = json!(format!("{date}T02:{:02}:00.000Z", scenario % 60));
            let shift = if scenario % 10 == 0 && night > nights / 2 { 1.5 } else { 1.0 };
            for criterion in card["criteria"].as_array_mut().into_iter().flatten() {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let factor = shift * (1.0 + (state >> 40) as f64 / f64::from(1 << 24) * 0.2);
                for key in ["value", "low", "high"] {
                    criterion[key] = criterion[key].as_f64().map_or(Value::Null, |value| json!(value * factor));
                }
            }
            let path = folder.join(night.to_string()).join(format!("{scenario}.json"));
            std::fs::create_dir_all(path.parent().unwrap_or(folder))?;
            std::fs::write(&path, serde_json::to_vec(&card)?)?;
            files.push(path);
        }
    }
    Ok(files)
}
