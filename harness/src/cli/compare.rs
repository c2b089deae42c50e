//! `compare`: two runs, or two folders of runs, offline.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::Args;
use meshdrill_checks::exit_code::ExitCode;
use meshdrill_checks::scorecard::titled;
use meshdrill_history::card::Card;
use meshdrill_history::compare::{Comparison, Comparisons, Gate, Side, comparable, to_text};
use meshdrill_reports::inert;

use super::error::{CliError, FileError, UsageError};
use super::recorded::{has_record, record};
use crate::reporting::SCORECARD;

#[derive(Debug, Clone, Args)]
pub(super) struct CompareArgs {
    /// The earlier run directory, or a folder of run directories
    #[arg(value_name = "A")]
    pub before: PathBuf,
    /// The later run directory, or a folder of run directories
    #[arg(value_name = "B")]
    pub after: PathBuf,
    /// Exit with code 10 if this got worse (repeatable): any, verdict, availability, latency, recovery, failure-class, threshold,
    /// coverage, or the id of a criterion
    #[arg(long, value_name = "REGRESSION")]
    pub gate: Vec<Gate>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Compares and prints.
pub(super) fn compare(args: &CompareArgs) -> Result<ExitCode, CliError> {
    let all = match (is_run(&args.before), is_run(&args.after)) {
        (true, true) => runs(&args.before, &args.after)?,
        (false, false) => folders(&args.before, &args.after)?,
        (true, false) => return Err(UsageError::OneRunOneFolder(args.before.clone(), args.after.clone()).into()),
        (false, true) => return Err(UsageError::OneRunOneFolder(args.after.clone(), args.before.clone()).into()),
    };
    all.warnings.iter().for_each(|warning| super::say_err!("warning: {}", inert(warning)));
    if let Some(id) = args.gate.iter().find_map(|gate| gate.unknown(&all)) {
        return Err(UsageError::UnknownCriterion(id.to_owned()).into());
    }
    let fired: Vec<_> = all.regressions.iter().filter(|one| args.gate.iter().any(|gate| gate.fires(one))).collect();
    if args.json {
        super::say!("{}", all.to_json().map_err(meshdrill_reports::ReportError::from)?);
    } else {
        super::say_part!("{}", to_text(&all));
        if !args.gate.is_empty() {
            let found = meshdrill_checks::units::counted(fired.len(), "regression");
            let found = if fired.is_empty() { "no regression found".to_owned() } else { found };
            super::say!("\ngate: {found}; {} undecided", all.cannot_tell());
        }
    }
    Ok(if fired.is_empty() { ExitCode::Pass } else { ExitCode::Fail })
}

/// Whether a path is a run: a file, or a directory with a record or a scorecard.
fn is_run(path: &Path) -> bool {
    path.is_file() || has_record(path) || path.join(SCORECARD).exists()
}

/// Judges a run again by its record.
fn side(path: &Path) -> Result<Side, CliError> {
    let unusable = |source| UsageError::Card { path: path.to_owned(), source };
    Ok(Side::new(&record(path)?, path.display().to_string()).map_err(unusable)?)
}

/// Two runs; what is wrong with either is an error.
fn runs(before: &Path, after: &Path) -> Result<Comparisons, CliError> {
    let (old, new) = (side(before)?, side(after)?);
    let one = Comparison::new(&old, &new).map_err(UsageError::Incomparable)?;
    let warnings = [(before, &old), (after, &new)].into_iter().filter_map(|(path, side)| altered(path, &side.card));
    Ok(Comparisons::new(vec![one], Vec::new(), Vec::new(), warnings.collect()))
}

/// What the scorecard of a run has otherwise than its record.
fn altered(path: &Path, judged: &Card) -> Option<String> {
    let file = path.join(SCORECARD);
    let bytes = std::fs::read(&file).ok()?;
    let written = match Card::read(&bytes) {
        Ok(written) => written,
        Err(error) => return Some(format!("{}: {error}; the record is used", file.display())),
    };
    let differs =
        written.verdict != judged.verdict || written.run.id != judged.run.id || written.criteria != judged.criteria;
    differs.then(|| {
        format!(
            "{}: not what its record gives: it was altered, or written by another version of meshdrill; the record is used",
            file.display()
        )
    })
}

/// What a folder has of a scenario: where its newest run is.
struct Newest {
    card: Card,
    path: PathBuf,
}

/// By mesh, lab, scenario, binding and suite.
type Key = (Option<String>, bool, String, String, String);

/// The newest run of each scenario in a folder.
fn newest(folder: &Path, warnings: &mut Vec<String>) -> Result<BTreeMap<Key, Newest>, CliError> {
    let entries = std::fs::read_dir(folder).map_err(|error| FileError::unreadable(folder, error))?;
    let mut dirs: Vec<PathBuf> =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| is_run(path) && path.is_dir()).collect();
    dirs.sort();
    let mut found: BTreeMap<Key, Newest> = BTreeMap::new();
    for path in dirs {
        let card = match card(&path) {
            Ok(card) => card,
            Err(error) => {
                warnings.push(format!("{} is left out: {error}", path.display()));
                continue;
            }
        };
        let run = &card.run;
        let key = (run.mesh.clone(), run.lab, run.scenario.clone(), run.binding.clone(), run.suite.clone());
        match found.get(&key) {
            Some(other) if other.card.started() >= card.started() => {}
            other => {
                if let Some(older) = other {
                    warnings.push(format!(
                        "{}: an older run of {} than {}; the newest is compared",
                        older.path.display(),
                        card.title(),
                        path.display()
                    ));
                }
                found.insert(key, Newest { card, path });
            }
        }
    }
    if found.is_empty() {
        warnings.iter().for_each(|warning| super::say_err!("warning: {}", inert(warning)));
        return Err(UsageError::NoRuns(folder.to_owned()).into());
    }
    Ok(found)
}

/// The scorecard of a run; without one, its record is judged.
fn card(path: &Path) -> Result<Card, CliError> {
    let file = path.join(SCORECARD);
    match std::fs::read(&file) {
        Ok(bytes) => Ok(Card::read(&bytes).map_err(|source| UsageError::Card { path: file, source })?),
        Err(_) => Ok(side(path)?.card),
    }
}

/// Two folders: scenarios are matched by name or alias, binding and mesh. Two runs at a time are in memory.
fn folders(before: &Path, after: &Path) -> Result<Comparisons, CliError> {
    let mut warnings = Vec::new();
    let mut old = newest(before, &mut warnings)?;
    let new = newest(after, &mut warnings)?;
    let (mut comparisons, mut only_after) = (Vec::new(), Vec::new());
    for ((_, _, scenario, binding, suite), later) in &new {
        // The same name in the same suite, else the same name, else an alias.
        let candidates = old.iter().filter(|(_, earlier)| comparable(&earlier.card, &later.card).is_ok());
        let earlier = candidates.max_by_key(|(key, _)| (key.2 == *scenario, key.4 == *suite));
        let Some(key) = earlier.map(|(key, _)| key.clone()) else {
            only_after.push(titled(scenario, binding));
            continue;
        };
        let earlier = old.remove(&key).map(|one| one.path).unwrap_or_default();
        let sides = side(&earlier).and_then(|earlier| Ok((earlier, side(&later.path)?)));
        match sides.and_then(|(old, new)| {
            warnings.extend(altered(&earlier, &old.card));
            warnings.extend(altered(&later.path, &new.card));
            Ok(Comparison::new(&old, &new).map_err(UsageError::Incomparable)?)
        }) {
            Ok(one) => comparisons.push(one),
            Err(error) => warnings.push(format!("{} is not compared: {error}", titled(scenario, binding))),
        }
    }
    if comparisons.is_empty() {
        warnings.iter().for_each(|warning| super::say_err!("warning: {}", inert(warning)));
        return Err(UsageError::NothingInCommon(before.to_owned(), after.to_owned()).into());
    }
    let only_before: BTreeSet<String> =
        old.keys().map(|(_, _, scenario, binding, _)| titled(scenario, binding)).collect();
    Ok(Comparisons::new(comparisons, only_before.into_iter().collect(), only_after, warnings))
}
